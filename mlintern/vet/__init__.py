"""Vetting of a pack that nobody has read: first its text by a static policy, then its models inside the sandbox."""

from mlintern.core.targets.check import check_targets
from mlintern.vet.checks import Check, Example, Factor, Variant
from mlintern.vet.policy import check_source
from mlintern.vet.refusal import Refusal
from mlintern.vet.run import check_models, check_pack

__all__ = [
    "Check",
    "Example",
    "Factor",
    "Refusal",
    "Variant",
    "check_models",
    "check_pack",
    "check_source",
    "check_targets",
]
