"""Where a reader finds a value in the paper."""

from mlintern.spec.sourced import PaperLocator


def place_in_paper(locator: PaperLocator) -> str:
    """Table and cell, or section, or else the characters of the document's text."""
    if locator.table is not None:
        return f"{locator.table}, row {locator.row}, column {locator.column}"
    if locator.section is not None:
        return f"section {locator.section}"
    return f"characters {locator.span[0]}–{locator.span[1]}" if locator.span else ""
