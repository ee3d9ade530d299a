"""How much of a checked list of a paper's facts a spec holds, and what it holds beyond the list."""

import re
from pathlib import Path

import yaml

from mlintern.author.grounding import ground
from mlintern.spec.sourced import PaperSetting

EXPECTED = Path(__file__).parent / "expected"


def expected(paper):
    return yaml.safe_load((EXPECTED / f"{paper}.yaml").read_text())


def _says(value, wanted):
    if isinstance(value, list):
        return any(_says(item, wanted) for item in value)
    if isinstance(value, bool):
        return False
    if isinstance(wanted, str) or isinstance(value, str):
        one, two = ("".join(str(v).lower().split()) for v in (value, wanted))
        if one == two:
            return True
        numbers = [float(n) for n in re.findall(r"\d+(?:\.\d+)?(?:e-?\d+)?", str(value))]
        return not isinstance(wanted, str) and float(wanted) in numbers
    return abs(float(value) - float(wanted)) <= 1e-9 * max(1.0, abs(float(wanted)))


def _text(setting):
    return " ".join([setting.key, *(f"{k} {v}" for k, v in setting.where.items()), setting.unit or ""])


def missed(spec, document, paper):
    """(facts of the list that the spec lacks, number of facts in the list)."""
    facts = expected(paper)
    stated = [s for s in spec.settings if isinstance(s, PaperSetting)]
    lacking = []
    for fact in facts["settings"]:
        counts = [v.parameters.value for v in spec.variants if v.parameters is not None]
        counts += [cell.printed.n for table in spec.tables for cell in table.cells if cell.printed.n]
        found = any(
            _says(s.value, fact["value"]) and re.search(fact["key"], _text(s), re.IGNORECASE) for s in stated
        ) or any(_says(count, fact["value"]) for count in counts)
        if not found:
            lacking.append(f"{fact['key']} = {fact['value']}")
    places = set()
    for _, locator in spec.locators():
        if locator.table is not None:
            grid = ground.find_table(document, locator.table)
            places.add((grid.id, locator.row, locator.column))
    for name, cells in facts["cells"].items():
        grid = ground.find_table(document, name)
        lacking += [f"{name} {cell}" for cell in cells if (grid.id, *cell) not in places]
    return lacking, len(facts["settings"]) + sum(map(len, facts["cells"].values()))


def beyond(spec, paper):
    """Stated settings of the spec that the list does not have: to be read by hand."""
    facts = expected(paper)["settings"]
    return [
        f"{_text(s)} = {s.value}"
        for s in spec.settings
        if isinstance(s, PaperSetting)
        and s.locator.table is None
        and not any(_says(s.value, f["value"]) and re.search(f["key"], _text(s), re.IGNORECASE) for f in facts)
    ]
