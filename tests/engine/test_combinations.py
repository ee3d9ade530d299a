"""Every value is scikit-learn's and torch's on the whole part, or the cell is refused before its first step."""

from collections import Counter

import pytest

from tests.engine.combinations import check, combinations


def tally(count, seed, record_property):
    """Every one is right or refused; (how many different ones, the share that runs of those that torch accepts)."""
    outcomes, wrong, accepted, different = Counter(), [], Counter(), set()
    for one in combinations(count, seed):
        different.add(str(one))
        outcome, said = check(one)
        outcomes[outcome] += 1
        accepted[outcome] += one.loss is not None
        if outcome == "wrong":
            wrong.append(f"{one}: {said}")
    ran = accepted["ran"] / accepted.total()
    record_property(
        "said at the end",
        f"combinations: {len(different):,} different: {outcomes['ran']:,} ran, {outcomes['refused']:,} refused, silent "
        f"differences: {len(wrong)}; of {accepted.total():,} that torch and scikit-learn accept {ran:.1%} ran",
    )
    assert not wrong, "\n".join(wrong)
    return len(different), ran


def test_random_combinations_are_right_or_refused(record_property):
    different, ran = tally(200, 0, record_property)
    assert different > 190
    assert ran >= 0.9


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_thousands_of_random_combinations_are_right_or_refused(record_property):
    different, ran = tally(2500, 1, record_property)
    assert different >= 2000
    assert ran >= 0.9
