"""The typed language of claims, and what each verdict on one means.

A claim names the runs that it speaks of by *selectors*, dictionaries of coordinates: `{variant: cnn, data: mnist1d}`.
What both sides share may stand once in `where`. Numbers of a claim are in its `unit`: `percent` when the paper speaks
in percent and the runs record fractions.

Semantics (`mlintern.study.judge.verdicts`). Every claim says that an effect lies in a region; which ones, a kind's own
file says (`mlintern.claims.kinds`). With the 95 % t interval of the effect, corrected over the family of claims
(Holm):

- **supported**: the whole interval lies inside the region. For "A > B by at least d" this is the one-sided test of
  difference <= d, rejected; for "A within e of B" the two one-sided tests of equivalence.
- **contradicted**: the whole interval lies outside the region (for "A > B by at least d": difference >= d is rejected).
- **inconclusive**: neither; the verdict says how many seeds would settle it. One run, or seeds that all give the same
  value, have no interval and are never better than inconclusive, with one exception: a single run may contradict a
  printed value whose own spread it falls out of.
- **not_tested**: the runs are missing, ambiguous or lack the metric; the reason says which. Not part of the family.

Differences are paired over shared seeds where both sides have at least two in common (a fixed rule: nothing is chosen
after looking), otherwise Welch's. A run that diverged makes its claims inconclusive: a mean over the rest would flatter
the method. By default the chance meant is that of the seed, with the test set held fixed; `over: seeds_and_examples`
counts the choice of test examples too.
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Annotated, Any

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from mlintern.claims.forms import BaseClaim, NotTestable
from mlintern.claims.kinds import KINDS
from mlintern.core.errors import UserError

Claim = BaseClaim
_ADAPTER: TypeAdapter[Claim] = TypeAdapter(
    Annotated[reduce(or_, (*KINDS, NotTestable)), Field(discriminator="kind")]  # type: ignore[arg-type]
)


def kinds_in_words() -> str:
    """Every kind of claim that can be tested, as the author's prompt shows them."""
    return ", ".join(kind.prompt for kind in KINDS)


def parse_claim(item: Claim | BaseModel | Mapping[str, Any]) -> Claim:
    """One typed claim from itself, from a flat mapping, or from a spec's claim with `id`, `statement` and `check`.

    A spec's claim with `testable: false` becomes NotTestable with its reason. Raises UserError naming the claim's id,
    the field and what is wrong with it.
    """
    if isinstance(item, BaseClaim):
        return item
    data = item.model_dump() if isinstance(item, BaseModel) else dict(item)
    name = data.get("id", "?")
    if data.get("testable") is False:
        reason = data.get("not_tested_reason") or "the pack does not say why"
        return NotTestable(id=name, statement=data.get("statement", ""), reason=reason)
    flat = {"id": data.get("id"), "statement": data.get("statement", ""), **data["check"]} if "check" in data else data
    try:
        return _ADAPTER.validate_python(flat)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "check"
        raise UserError(f"claim {name!r}: {where}: {first['msg']}") from error


def parse_claims(items: Sequence[Claim | BaseModel | Mapping[str, Any]]) -> list[Claim]:
    """`parse_claim` for each, refusing an id that stands twice."""
    claims = [parse_claim(item) for item in items]
    ids = [claim.id for claim in claims]
    for name in ids:
        if ids.count(name) > 1:
            raise UserError(f"claim {name!r} stands twice; give each claim an id of its own")
    return claims
