"""What makes an extraction unusable, in words for the model that wrote it: asked again before anything is grounded.

The spec is fixed before code is written, so what could not be composed or validated later must be said here: keys that
no configuration has, coordinates that no cell has, reductions of nothing.
"""

from collections.abc import Iterator

from mlintern.author.forms import Extraction, FoundClaim, FoundSetting, Outline, Pair, coordinates, value_of
from mlintern.author.grounding import grounded_spec
from mlintern.author.grounding.authors_code import AuthorsCode
from mlintern.claims.parsing import parse_claim
from mlintern.core.errors import UserError
from mlintern.paper.document.document import Document
from mlintern.paper.ids import PaperId

MOST = 30
GROUPS = (
    "seed", "model", "data", "optimizer", "scheduler", "loss", "augment", "method", "metrics", "protocol", "trainer",
)  # fmt: skip
"""First parts of the keys that a pack may set."""


def complaints(
    extraction: Extraction, outline: Outline, document: Document, paper: PaperId, code: AuthorsCode | None = None
) -> str:
    """Everything that is wrong beyond the form; empty if nothing."""
    found = [*_complaints(extraction), *_code_files(extraction, code)]
    if not found:
        try:
            grounded_spec.build_spec(outline, extraction, document, paper, code)
        except UserError as error:
            found = [str(error)]
    more = f"; and {len(found) - MOST} more" if len(found) > MOST else ""
    return "; ".join(found[:MOST]) + more


def _complaints(extraction: Extraction) -> Iterator[str]:
    variants = {variant.id for variant in extraction.variants}
    datasets = {dataset.id: dataset for dataset in extraction.datasets}
    known = {"variant": variants, "data": {d.id for d in extraction.datasets if d.available}}
    known |= {factor.id: {level.id for level in factor.levels} for factor in extraction.ablations}
    sections = {section.id for section in extraction.sections}
    for setting in extraction.settings:
        yield from _setting(setting, known | ({"section": sections} if sections else {}))
    for claim in extraction.claims:
        try:
            grounded_spec.check_of(claim)
        except UserError as error:
            yield str(error)
            continue
        if claim.testable and not claim.check.strip():
            yield f"claim {claim.id}: testable, but without a check"
        if claim.testable:
            yield from (f"claim {claim.id}: {problem}" for problem in _unknown_coordinates(claim, known))
        if claim.section is not None and claim.section not in sections:
            yield f"claim {claim.id}: section {claim.section!r} is not one of {', '.join(sorted(sections)) or 'none'}"
    for table in extraction.tables:
        for cell in table.cells:
            where = f"table {table.id} row {cell.row} column {cell.column}"
            if cell.testable and cell.variant not in variants:
                yield f"{where}: testable, but its variant {cell.variant!r} is not one of the variants"
            if cell.testable and (cell.data not in datasets or not datasets[cell.data].available):
                yield f"{where}: testable, but its data {cell.data!r} is not an available dataset"
    for factor in extraction.ablations:
        for pair in factor.where:
            if pair.name not in ("variant", "data") or _level(pair) not in known[pair.name]:
                yield (
                    f"factor {factor.id}: where: {pair.name} {pair.value!r} is no variant or available dataset; it may "
                    "name one of each, with their ids"
                )
        for level in factor.levels:
            for pair in level.overrides:
                yield from (f"level {level.id} of {factor.id}: {problem}" for problem in _key(pair.name))
    testable = [cell.testable for table in extraction.tables for cell in table.cells]
    testable += [found.testable for found in extraction.claims]
    if not any(testable):
        yield "no claim and no result is testable; a study needs at least one, on a stand-in and reduced if need be"
    yield from _reductions(extraction)


def _code_files(extraction: Extraction, code: AuthorsCode | None) -> Iterator[str]:
    """Files of the authors' code that were not given."""
    have = list(code.files) if code else []
    named = [(f"setting {s.key}", s.code_file) for s in extraction.settings]
    named += [(f"variant {v.id}", v.parameters_code_file) for v in extraction.variants]
    for what, file in named:
        if file and file not in have:
            yield f"{what}: the authors' code has no file {file!r}; it has {', '.join(have) or 'not been given'}"


def _setting(setting: FoundSetting, known: dict[str, set[str]]) -> Iterator[str]:
    try:
        value_of(setting.value)
    except ValueError as error:
        yield f"setting {setting.key}: {error}"
    if not setting.in_config:
        return
    yield from (f"setting {setting.key}: {problem}, or say in_config: false" for problem in _key(setting.key))
    for pair in setting.where:
        if pair.name == "protocol":
            continue
        if pair.name not in known:
            yield (
                f"setting {setting.key}: where names the coordinate {pair.name!r}; known are {', '.join(known)}; what "
                "holds for an experiment that this study does not run has in_config: false"
            )
        elif _level(pair) not in known[pair.name]:
            yield (
                f"setting {setting.key}: where: {pair.name} {pair.value!r} is not one of "
                f"{', '.join(sorted(known[pair.name])) or 'none'}; what the study does not run has in_config: false"
            )


def _key(key: str) -> Iterator[str]:
    """What is wrong with a key that is to stand in the configuration."""
    from mlintern.config import Config
    from mlintern.core.schema import field_names, group_at

    group, _, rest = key.partition(".")
    if group not in GROUPS:
        yield f"the configuration has no {group!r}; its keys begin with {', '.join(GROUPS)}"
        return
    typed = group_at(Config, [group])
    if typed is not None and rest and rest.split(".")[0] not in (known := field_names(typed)):
        yield f"the configuration has no {key}; {group} has {', '.join(known)}"


def _level(pair: Pair) -> str:
    return str(coordinates([pair])[pair.name])


def _unknown_coordinates(claim: FoundClaim, known: dict[str, set[str]]) -> Iterator[str]:
    """Coordinates of a claim's selectors that the study will not have; a numeric level of a factor is not checked."""
    check = grounded_spec.check_of(claim)
    typed = None if check is None else parse_claim({"id": claim.id, "check": check})
    for part, selector in typed.selectors.items() if typed else ():
        for coordinate, level in selector.items():
            if coordinate not in known and coordinate != "protocol":
                yield f"{part} names the coordinate {coordinate!r}; known are {', '.join(known)}"
            elif isinstance(level, str) and coordinate in known and level not in known[coordinate]:
                yield f"{part}: {coordinate} {level!r} is not one of {', '.join(sorted(known[coordinate])) or 'none'}"


def _reductions(extraction: Extraction) -> Iterator[str]:
    """A reduction stands beside the published setting that it reduces, with the same key, coordinates and value."""
    settings = {(s.key, _frozen(s.where)): s for s in extraction.settings if s.in_config}
    datasets = {dataset.id: dataset for dataset in extraction.datasets}
    for reduction in extraction.reductions:
        if reduction.key == "data":  # a stand-in: datasets are no settings
            if reduction.published not in datasets:
                yield f"reduction data: published {reduction.published!r} is not the id of a dataset"
            if reduction.reduced not in datasets or not datasets[reduction.reduced].available:
                yield f"reduction data: reduced {reduction.reduced!r} is not the id of an available dataset"
            continue
        yield from (f"reduction {reduction.key}: {problem}" for problem in _key(reduction.key))
        setting = settings.get((reduction.key, _frozen(reduction.where)))
        if setting is None:
            yield (
                f"reduction {reduction.key}: settings has no entry of this key and where with in_config: true; add the "
                "published value as one, or give both the same coordinates"
            )
            continue
        try:
            published, given = value_of(reduction.published), value_of(setting.value)
        except ValueError as error:
            yield f"reduction {reduction.key}: {error}"
            continue
        if published != given:
            yield f"reduction {reduction.key}: published {published!r}, but its setting has {given!r}"


def _frozen(where: list[Pair]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((pair.name, _level(pair)) for pair in where))
