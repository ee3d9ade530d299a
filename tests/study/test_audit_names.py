"""Audits by name: one for each of the data that cells see, and every cell finds its own."""

import pytest

from mlintern.study.folders.audit_names import name_for, names_of, parts_of

PLAIN = {"data": "d", "protocol": "clean"}


def test_one_audit_for_levels_that_leave_the_data_as_they_are():
    cells = [(PLAIN, "k"), ({**PLAIN, "norm": "none"}, "k")]
    assert names_of(cells) == {"k": "d__clean"}
    assert name_for(["d__clean"], cells[1][0]) == "d__clean"


def test_a_level_that_changes_the_data_has_an_audit_of_its_own():
    cells = [
        (PLAIN, "all"),
        ({**PLAIN, "norm": "none"}, "all"),
        ({**PLAIN, "size": "100"}, "few"),
        ({**PLAIN, "size": "100", "norm": "none"}, "few"),
        ({"data": "d", "protocol": "last"}, "other"),
    ]
    names = names_of(cells)
    assert names == {"all": "d__clean", "few": "d__clean__size=100", "other": "d__last"}
    for levels, key in cells:
        assert name_for(names.values(), levels) == names[key]
    assert parts_of(names["few"]) == ("d", "clean", ["size=100"])


def test_an_audit_of_other_data_is_no_audit():
    assert name_for(["d__clean__size=100", "e__clean", "d__cleaner"], PLAIN) is None


def test_two_audits_that_no_level_tells_apart_are_both_kept():
    names = names_of([(PLAIN, "a"), (PLAIN, "b")])
    assert len(set(names.values())) == 2


@pytest.mark.parametrize("data", ["cifar__10", "cifar_10", "a___b", "a_", "d%5F"])
@pytest.mark.parametrize("protocol", ["clean", "as__published", "clean_"])
@pytest.mark.parametrize("level", ["100", "per__class", "1/2", "1|2", "10%"])
def test_what_a_name_was_made_of_comes_back_from_it(data, protocol, level):
    base = {"data": data, "protocol": protocol}
    less = {**base, "size": level}
    names = names_of([(base, "k"), (less, "few")])
    assert parts_of(names["k"]) == (data, protocol, [])
    assert parts_of(names["few"]) == (data, protocol, [f"size={level}"])
    assert name_for(names.values(), less) == names["few"]
    assert name_for(names.values(), base) == names["k"]
    assert not any("/" in name for name in names.values())


def test_a_dataset_is_not_taken_for_another_one_under_a_level():
    split_apart = {"data": "cifar", "protocol": "10"}
    assert name_for(names_of([({"data": "cifar__10", "protocol": "clean"}, "k")]).values(), split_apart) is None
