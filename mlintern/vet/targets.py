"""The check of targets, where other rooms look for it; it stands in `mlintern.config.targets`."""

from mlintern.config.targets import ENGINE_PREFIXES, TARGET, check_targets, target_problem, target_problems

__all__ = ["ENGINE_PREFIXES", "TARGET", "check_targets", "target_problem", "target_problems"]
