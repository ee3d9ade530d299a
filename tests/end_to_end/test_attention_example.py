"""The example of a claim that rests on a figure: accurate, and not for the reason that its paper gives."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from mlintern.author.draft.vetting import settings_that_differ
from mlintern.author.grounding.ground import reground
from mlintern.config import Composer
from mlintern.core.roots import PACKS, ROOT
from mlintern.paper.read import read
from mlintern.report.model.report import Report
from mlintern.spec.paper_spec import load_spec
from tests.end_to_end.runs import run

SLUG = "local_lesion_attention"


def test_its_spec_rests_on_its_paper():
    spec = load_spec(PACKS / SLUG / "spec.yaml")
    assert reground(spec, read(ROOT / "examples/lesion_attention.tex")) == []
    with Composer(SLUG) as composer:
        assert list(settings_that_differ(composer.compose, spec)) == []


@pytest.mark.slow
def test_the_claim_about_attention_is_contradicted(tmp_path):
    out = run(tmp_path, f"paper={SLUG}")
    assert "Contradicted: the model attends to the lesion" in out
    (path,) = (tmp_path / "reports").glob("**/report.json")
    report = Report.model_validate_json(path.read_text())
    assert report.headline.verdict == "contradicted"
    verdicts = {claim.id: claim.verdict for claim in report.claims}
    assert verdicts == {"accurate": "supported", "attends_to_the_lesion": "contradicted"}
    found = {(figure.probe, figure.data): figure for figure in report.figures}
    ruler, without = (found["attention_in_region", data] for data in ("with_ruler", "without_ruler"))
    assert ruler.mean < 1 and without.mean > 3  # the probe can tell: where only the lesion tells, it is looked at
    assert len(ruler.examples) == 6 and ruler.examples[0].region
    page = path.with_name("report.html").read_text()
    assert page.count("data:image/png") == 2 * 6 * len(report.figures)
    used = next(row for row in report.runs if row.data == "with_ruler" and row.seed == 0)
    (cell,) = (tmp_path / "runs" / SLUG).glob(f"{used.cell_id}")
    table = pq.read_table(cell / "predictions.parquet").to_pandas()
    assert np.isclose(table["attention_in_region"].mean(), used.metrics["test"]["attention_in_region"])
