"""The house as it is built: imports go down the floors, never up and never round, and a room is small enough to see."""

import ast
from collections.abc import Mapping

import pytest

from tests.imports import FLOORS, IMPORTS, MODULES, PACKAGE, room_of

MOST_FILES = 16
"""The audit has a file for each of its fifteen kinds of leak."""
LARGER = {"engine"}
"""Rooms that get their floors with what will be built in them: real data and real methods."""


def circles(arrows: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of nodes that reach each other, each sorted."""
    below: dict[str, set[str]] = {}
    for node in arrows:
        seen, todo = set[str](), [node]
        while todo:
            for other in arrows.get(todo.pop(), ()):
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        below[node] = seen
    on_one = [node for node in arrows if node in below[node]]
    groups = {tuple(sorted(other for other in below[node] if node in below.get(other, ()))) for node in on_one}
    return [list(group) for group in sorted(groups)]


def test_no_module_imports_itself_round_a_circle():
    assert circles(IMPORTS) == []


def test_the_search_for_circles_finds_one():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set()}) == [["a", "b", "c"]]


def test_no_arrow_goes_up_or_sideways():
    floor = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    arrows = ((name, other, room_of(name), room_of(other)) for name, others in IMPORTS.items() for other in others)
    assert [
        f"{name} -> {other}"
        for name, other, above, below in arrows
        if above and below and above != below and floor[below] >= floor[above]
    ] == []


def reached(room: str) -> set[str]:
    """The rooms of all that the modules of one need, by themselves or through others."""
    todo = [name for name in IMPORTS if room_of(name) == room]
    seen = set(todo)
    while todo:
        new = IMPORTS[todo.pop()] - seen
        seen |= new
        todo += new
    return {room_of(name) for name in seen}


def test_authoring_and_running_do_not_know_each_other():
    assert reached("author") & {"study", "commands"} == set()
    assert reached("study") & {"author", "vet", "commands"} == set()


def test_a_command_is_theirs_or_the_composition_of_both():
    """Authoring, then running; a model's opinion, then the report."""
    commands = {name: {room_of(other) for other in IMPORTS[name]} for name in IMPORTS if room_of(name) == "commands"}
    assert sorted(name for name, rooms in commands.items() if {"author", "study"} <= rooms) == [
        "mlintern.commands.hydra_run",
        "mlintern.commands.opinions",
    ]
    assert not any("commands" in rooms for rooms in commands.values())  # none stands between them


def folders() -> list[str]:
    return sorted({name.rpartition(".")[0] for name in MODULES if "." in name})


@pytest.mark.parametrize("room", folders())
def test_the_rooms_inside_a_room_have_an_order(room):
    """A folder inside counts as one, a file beside it as itself."""

    def node(name: str) -> str:
        return ".".join(name.split(".")[: room.count(".") + 2])

    arrows: dict[str, set[str]] = {}
    for name, others in IMPORTS.items():
        if name.startswith(f"{room}."):
            inside = {node(other) for other in others if other.startswith(f"{room}.")} - {node(name)}
            arrows.setdefault(node(name), set()).update(inside)
    assert circles(arrows) == []


def test_a_room_can_be_taken_in_at_once():
    full = {}
    for path in PACKAGE.rglob("*/"):
        files = [file for file in path.glob("*.py") if file.name != "__init__.py"]
        if len(files) > MOST_FILES and path.name not in LARGER:
            full[path.relative_to(PACKAGE).as_posix()] = len(files)
    assert full == {}


def test_every_file_stands_in_a_room():
    assert sorted(path.name for path in PACKAGE.glob("*.py")) == ["__init__.py", "__main__.py", "cli.py"]


NAMED_ALIKE = {
    "Constant": "a schedule and a control model, both named in configurations, and so in ids of cells",
    "Desk": "the two ends of one desk: who asks in the host, and the trusted process that answers",
}
"""Classes of one name, each with the reason."""


def test_no_two_classes_have_one_name():
    found: dict[str, list[str]] = {}
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(name)
    twice = {name: modules for name, modules in found.items() if len(modules) > 1}
    assert {name: modules for name, modules in twice.items() if name not in NAMED_ALIKE} == {}
    assert twice.keys() == NAMED_ALIKE.keys()


def test_no_file_is_named_after_its_room():
    alike = [name for name in MODULES if len(set(name.split(".")[-2:])) < len(name.split(".")[-2:])]
    assert alike == ["mlintern.paper.document.document"]  # the Document, which all that is beside it makes up
