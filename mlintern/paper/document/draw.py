"""A Document in the terminal: its outline, and a table as the paper has it."""

from rich.cells import cell_len
from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.containers import Lines
from rich.style import Style
from rich.text import Text

from mlintern.paper.document.document import Document, MissingPart, Section, Table

MAX_WIDTH = 28
"""Characters of a column before its text is broken into lines."""

_MISSING_LINES = 20
_CONSOLE = Console()
_NAMES = 4
"""Names of missing things of one kind that are shown."""
_JUSTIFY: dict[str, JustifyMethod] = {"l": "left", "c": "center", "r": "right"}


def outline(document: Document) -> RenderableType:
    """Sections as a tree, then tables, figures, and what is missing."""
    parts: list[RenderableType] = [Text(document.title or document.id, style="bold")]
    if document.authors:
        more = f" and {len(document.authors) - 8} more" if len(document.authors) > 8 else ""
        parts.append(Text(", ".join(document.authors[:8]) + more, style="italic"))
    facts = [f"{document.id}{document.version}", f"by the {document.road} road", f"{len(document.text):,} characters"]
    facts += [f"{len(document.equations)} equations", f"{len(document.references)} references"]
    parts.append(Text(" · ".join(facts), style="dim"))
    if notes := document.metadata.get("notes"):
        parts.append(Text(f"note: {notes}", style="yellow"))
    parts += _tree(document.sections)
    if document.tables:
        parts.append(Text("\nTables", style="bold"))
    for t in document.tables:
        name = f"  {t.number + t.part or t.id:>4}  {t.rows} x {t.columns}  {_short(t.subcaption or t.caption)}"
        doubts = sum(c.doubtful or any(n.doubtful for n in c.numbers) for c in t.cells)
        parts.append(Text.assemble(name, (f"  {doubts} doubtful cells" if doubts else "", "yellow")))
    if document.figures:
        parts.append(Text("\nFigures", style="bold"))
    for f in document.figures:
        parts.append(
            Text(f"  {f.number or f.id:>4}  {_short(f.caption)}" + (f"  [{', '.join(f.files[:3])}]" if f.files else ""))
        )
    if document.missing:
        parts.append(Text("\nMissing", style="bold yellow"))
        lines = _missing(document.missing)
        parts += [Text(line, style="yellow") for line in lines[:_MISSING_LINES]]
        if len(lines) > _MISSING_LINES:
            parts.append(Text(f"  and {len(lines) - _MISSING_LINES} more", style="yellow"))
    return Group(*parts)


def _missing(missing: tuple[MissingPart, ...]) -> list[str]:
    """One line for each kind of loss and its reason, figures last: they are many and say the least."""
    groups: dict[tuple[str, str], list[str]] = {}
    for m in sorted(missing, key=lambda m: m.kind == "figure"):
        groups.setdefault((m.kind, m.why), []).append(m.name)
    lines = []
    for (kind, why), names in groups.items():
        shown = ", ".join(name for name in names[:_NAMES] if name)
        more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
        lines.append(f"  {f'{kind} {shown}'.strip()}{more}: {why}")
    return lines


def _tree(sections: tuple[Section, ...]) -> list[RenderableType]:
    """Sections as a tree, one line each, however long (rich's own Tree crops lines at the console's width)."""
    depths: list[int] = []
    open_levels: list[int] = []
    for section in sections:
        while open_levels and open_levels[-1] >= section.level:
            open_levels.pop()
        depths.append(len(open_levels))
        open_levels.append(section.level)
    lines: list[RenderableType] = []
    continued: set[int] = set()
    """Depths at which another section follows below the current line."""
    for section, depth in zip(reversed(sections), reversed(depths), strict=True):
        guides = "".join("│   " if d in continued else "    " for d in range(depth))
        guides += "├── " if depth in continued else "└── "
        name = f"{section.number} {section.title}".strip()
        lines.append(Text.assemble(guides, name, (" (appendix)" if section.appendix else "", "dim")))
        continued = {d for d in continued if d < depth} | {depth}
    return lines[::-1]


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 72 else text[:71] + "…"


def table(t: Table) -> RenderableType:
    """The grid with its spans, rules and bold cells, caption above, notes and doubts below."""
    parts: list[RenderableType] = [Text(f"Table {t.number}{t.part}" if t.number else t.id, style="bold")]
    for caption in (t.caption, t.subcaption):
        if caption:
            parts.append(Text(caption, style="italic"))
    parts += [*_lines(t)]
    parts += [Text(note, style="dim") for note in t.notes]
    for cell in t.cells:
        why = cell.why or next((n.why for n in cell.numbers if n.doubtful), "")
        if why:
            parts.append(Text(f"? {cell.text} (row {cell.row + 1}, column {cell.column + 1}): {why}", style="yellow"))
    return Group(*parts)


def _lines(t: Table) -> list[Text]:
    """The grid as styled lines of text."""
    widths = [1] * t.columns
    for cell in t.cells:
        if cell.colspan == 1:
            longest = max((cell_len(w) for w in cell.text.split()), default=1)
            widths[cell.column] = max(widths[cell.column], min(cell_len(cell.text), max(MAX_WIDTH, min(longest, 48))))
    for cell in t.cells:
        if cell.colspan > 1:
            have = sum(widths[cell.column : cell.column + cell.colspan]) + 2 * (cell.colspan - 1)
            lack = min(cell_len(cell.text), MAX_WIDTH * cell.colspan) - have
            for i in range(max(lack, 0)):
                widths[cell.column + i % cell.colspan] += 1
    total = sum(widths) + 2 * (t.columns - 1)
    out: list[Text] = []
    for row in range(t.rows):
        if row in t.rules or (row == t.header_rows and row):
            out.append(Text("─" * total, style="dim"))
        columns: list[tuple[Lines, int]] = []
        c = 0
        while c < t.columns:
            cell = t.cell(row, c)
            if cell is None:
                columns.append((Lines(), widths[c]))
                c += 1
                continue
            span = cell.column + cell.colspan - c
            width = sum(widths[c : c + span]) + 2 * (span - 1)
            shown = cell.text if cell.row == row else ""
            style = Style(bold=cell.bold or row < t.header_rows, underline=cell.underline, italic=cell.italic)
            align = "c" if span > 1 else (t.alignment[c] if c < len(t.alignment) else "l")
            text = Text.assemble((shown, style))
            columns.append((text.wrap(_CONSOLE, max(width, 1), justify=_JUSTIFY[align], overflow="fold"), width))
            c += span
        for i in range(max(len(lines) for lines, _ in columns) or 1):
            line = Text("  ").join(lines[i] if i < len(lines) else Text(" " * width) for lines, width in columns)
            line.rstrip()
            out.append(line)
    if t.rows in t.rules:
        out.append(Text("─" * total, style="dim"))
    return out


def console_for(width: int | None = None) -> Console:
    """A console that never breaks a table's lines; a pipe gets plain text."""
    return Console(soft_wrap=True, highlight=False, width=width)
