"""The headline: what a reader takes away who reads nothing else. Every sentence is made from the report's numbers."""

from collections.abc import Mapping, Sequence

from mlintern.report import numbers
from mlintern.report.model.report import (
    POOLED,
    VERDICTS,
    AuditSection,
    ClaimRow,
    Contrast,
    Headline,
    Smell,
    TableCell,
    Verdict,
)

_NAMED = 3  # more open cells or claims than this are counted, not named


def headline(
    table: Sequence[TableCell],
    claims: Sequence[ClaimRow],
    contrasts: Sequence[Contrast],
    audit: Sequence[AuditSection],
    smells: Sequence[Smell],
    lost: int,
    reductions: int,
) -> Headline:
    """Count the verdicts and say what contradicts, what a leak is worth, and what is missing, in that order."""
    cells = _count([cell.verdict for cell in table])
    judged = _count([claim.verdict for claim in claims])
    details = [_cell_against(cell) for cell in table if cell.verdict == "contradicted"]
    details += [_claim_against(claim) for claim in claims if claim.verdict == "contradicted"]
    details += _open(table, claims)
    details += _protocols(contrasts, audit)
    grave = sorted({smell.kind.replace("_", " ") for smell in smells if smell.severity == "high"})
    if grave:
        details.append(f"Ask about this first: {_list(grave)} (see Smells).")
    if lost:
        details.append(f"{lost} planned {_plural('run', lost)} gave no number; cells with fewer seeds say so.")
    if reductions:
        details.append("The study runs below the paper's scale: every number carries the mark of what was reduced.")
    return Headline(
        verdict=_overall(cells, judged),
        sentence=_sentence(table, cells, judged),
        details=details,
        cells=cells,
        claims=judged,
    )


def _count(verdicts: Sequence[Verdict]) -> dict[Verdict, int]:
    return {verdict: verdicts.count(verdict) for verdict in VERDICTS}


def _overall(cells: dict[Verdict, int], claims: dict[Verdict, int]) -> Verdict:
    for verdict in ("contradicted", "inconclusive", "supported"):
        if cells[verdict] or claims[verdict]:
            return verdict
    return "not tested"


def _sentence(table: Sequence[TableCell], cells: dict[Verdict, int], claims: dict[Verdict, int]) -> str:
    measured = [cell for cell in table if cell.within_printed is not None]
    judged = sum(claims.values()) - claims["not tested"]
    parts = []
    if measured:
        within = sum(bool(cell.within_printed) for cell in measured)
        what = f"{within} of {len(measured)} measured means lie within what the paper prints"
        parts.append(f"{what}; tested with intervals over seeds, {_tally(cells)}.")
    if judged:
        parts.append(f"Of {judged} {'further ' if measured else ''}{_plural('claim', judged)}, {_tally(claims)}.")
    return " ".join(parts) or "Nothing of this paper has been tested yet."


def _tally(counts: Mapping[Verdict, int]) -> str:
    said = [f"{n} {'is' if n == 1 else 'are'} {word}" for word, n in counts.items() if n and word != "not tested"]
    return _list(said) if said else "none could be tested"


def _cell_against(cell: TableCell) -> str:
    assert cell.measured is not None
    unit = cell.unit
    mean = numbers.value(cell.measured.mean, unit, suffix=True)
    interval = numbers.interval(cell.measured.ci_low, cell.measured.ci_high, unit)
    return f"{cell.column}, {cell.row}: {mean} {interval} where the paper prints {cell.paper.raw}."


def _claim_against(claim: ClaimRow) -> str:
    unit, sign = claim.unit or "none", claim.unit == "points"
    effect = f" (effect {numbers.value(claim.effect, unit, sign=sign, suffix=True)}" if claim.effect is not None else ""
    if effect:
        effect += f" {numbers.interval(claim.ci_low, claim.ci_high, unit, sign=sign)})"
    return f"Contradicted: {claim.statement.rstrip('.')}{effect}."


def _open(table: Sequence[TableCell], claims: Sequence[ClaimRow]) -> list[str]:
    lines = []
    cells = [cell for cell in table if cell.verdict == "inconclusive"]
    if cells:
        named = (
            _list([f"{cell.column} ({cell.row})" for cell in cells]) if len(cells) <= _NAMED else f"{len(cells)} cells"
        )
        lines.append(f"Not settled: {named}{_needed([cell.judgement.seeds_needed for cell in cells])}.")
    rows = [claim for claim in claims if claim.verdict == "inconclusive"]
    if rows:
        said = (
            "; ".join(claim.statement.rstrip(".") for claim in rows) if len(rows) <= _NAMED else f"{len(rows)} claims"
        )
        lines.append(f"Not settled: {said}{_needed([claim.seeds_needed for claim in rows])}.")
    return lines


def _needed(seeds: Sequence[int | None]) -> str:
    """How many seeds would settle what is open, from the least to the most demanding."""
    known = sorted(n for n in seeds if n is not None)
    if not known:
        return ""
    span = f"{known[0]}" if known[0] == known[-1] else f"{known[0]} to {known[-1]}"
    what = f"{len(known)} of them" if len(known) < len(seeds) else "it" if len(seeds) == 1 else "them"
    return f" (about {span} seeds would settle {what})"


def _protocols(contrasts: Sequence[Contrast], audit: Sequence[AuditSection]) -> list[str]:
    """What the audit says of each protocol that a number rests on, and what a leaking one changes."""
    lines = []
    measured = [section for section in audit if section.runs]
    dirty = sorted({section.protocol for section in measured if not section.clean})
    clean = sorted({section.protocol for section in measured} - set(dirty))
    if clean:
        lines.append(f"The audit found no leak under the protocol {_list(clean)}.")
    for protocol in dirty:
        sections = [section for section in measured if section.protocol == protocol and not section.clean]
        worth = _worth([c for c in contrasts if c.factor == "protocol" and c.level == protocol])
        lines.append(f"Under the protocol {protocol} the audit {_seen(sections)}{worth}.")
    return lines


def _seen(sections: Sequence[AuditSection]) -> str:
    kinds = sorted({f["kind"] for s in sections for f in s.findings if f["severity"] != "info"})
    open_checks = {
        c["name"]: c["status"] for s in sections for c in s.checks if c["status"] in ("FAIL", "INCONCLUSIVE")
    }
    if kinds:
        return f"found {_list(kinds)}"
    failed = [name for name, status in open_checks.items() if status == "FAIL"]
    return f"failed {_list(failed)}" if failed else f"could not settle {_list(list(open_checks))}"


def _worth(contrasts: Sequence[Contrast]) -> str:
    """What the protocol changes, for the mean over variants where there is one."""
    pooled = [c for c in contrasts if c.variant.startswith(POOLED)]
    if not contrasts or (len(contrasts) > 1 and not pooled):
        return ""
    contrast = pooled[0] if pooled else contrasts[0]
    difference = contrast.differences[0]
    unit = numbers.points(contrast.unit)
    mean = numbers.value(difference.mean, unit, sign=True)
    interval = numbers.interval(difference.ci_low, difference.ci_high, unit, sign=True)
    where = f"{contrast.variant}, {contrast.data}"
    return f"; its scores differ from the {contrast.base} ones by {mean} {unit} {interval} ({where})"


def _list(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"
