"""The sign that stands beside a verdict's word, so that no view speaks by colour alone."""

from mlintern.report.model.report import Verdict

SIGNS: dict[Verdict, str] = {"supported": "✓", "contradicted": "✗", "inconclusive": "?", "not tested": "–"}
