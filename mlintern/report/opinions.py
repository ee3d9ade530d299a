"""Opinions on the paper's own figures, as `mlintern opinions` keeps them beside the records."""

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from mlintern.core import files
from mlintern.core.errors import UserError
from mlintern.report.model.figures import Opinion
from mlintern.report.model.report import Report

OPINIONS_FILE = "opinions.json"
_KEPT = TypeAdapter(dict[str, Opinion])


def with_opinions(report: Report, folder: Path) -> Report:
    """The report with what a model said of the figures that its claims rest on; itself where nobody asked one."""
    path = folder / OPINIONS_FILE
    if not path.exists():
        return report
    try:
        kept = _KEPT.validate_python(files.read_json(path))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"{path}: {where}: {first['msg']}; delete it and run `mlintern opinions` again") from None
    claims = [claim.model_copy(update={"opinion": kept.get(claim.id)}) for claim in report.claims]
    return report.model_copy(update={"claims": claims})
