"""Which grid of a PDF page belongs to which table's caption."""

from dataclasses import replace

from mlintern.paper.document.document import MissingPart
from mlintern.paper.pdf.blocks import LineBlock
from mlintern.paper.pdf.order import is_page_number
from mlintern.paper.pdf.pages import PdfPage
from mlintern.paper.pdf.regions import Region, extended, left_over, regions_near
from mlintern.paper.pdf.tables import read_grid

Near = tuple[LineBlock, Region | None, Region | None]
"""A caption with the grids below and above it."""


def near_captions(page: PdfPage, blocks: list[LineBlock]) -> list[Near]:
    """Each table's caption with the grids below and above it."""
    captions = [block for block in blocks if block.caption]
    own = {id(line) for block in captions for line in block.lines}
    page.free = [line for line in page.lines if id(line) not in own and not is_page_number(line, page.height)]
    found = []
    for block in captions:
        if block.is_table or block.is_sub:
            others = [other.lines[0] for other in captions if other is not block]
            under, over = (
                extended(region, page.free) if region else None
                for region in regions_near(block.lines, page.rules, others, page.gutter)
            )
            found.append((block, under, over))
    return found


def find_grids(page: PdfPage, near: list[Near], captions_above: bool, taken: list[Region]) -> list[MissingPart]:
    """Gives each table's caption its grid: on the side where this paper has them, else on the other, and no grid to
    two captions. What of the grids was not read comes back."""
    for usual in (True, False):
        for block, under, over in near:
            region = under if usual == captions_above else over
            if block.region or region is None or any(other.meets(region) for other in taken):
                continue
            labels = [label for label in page.labels if region.has(label.box) or region.headed_by(label.box)]
            region = replace(region, top=min([region.top, *(label.box[2] for label in labels)]))
            inside = [part for line in page.free if (part := region.parted(line)[0])]
            block.grid = read_grid(region, inside, labels)
            if block.grid:
                block.region = region
                taken.append(region)
    lost = []
    for block, *_ in near:
        if block.region is None:
            continue
        name = f"Table {block.number if block.parent is None else f'{block.parent.number} ({block.number})'}"
        if why := left_over(block.region, page.rules, page.free, taken):
            lost.append(MissingPart(kind="table", name=name, why=why))
        if slanted := sum(block.region.has(box) for box in page.slanted):
            why = f"{slanted} of its characters are slanted and were not read"
            lost.append(MissingPart(kind="text", name=name, why=why))
    return lost


def adopt(blocks: list[LineBlock], above: bool) -> None:
    """Gives each subcaption of a page the table's caption before it (or behind it, if that is where the paper sets
    captions); where that side has no caption at all, the one on the other side."""
    for before in (above, not above):
        last: LineBlock | None = None
        for block in blocks if before else reversed(blocks):
            if block.caption and not block.is_sub:
                last = block
            elif block.is_sub and block.parent is None and last is not None and last.is_table:
                block.parent = last
                last.parts.append(block)


def captions_above(near: list[list[Near]]) -> bool:
    """Whether the paper sets captions above its tables: whichever side gives more of them a grid that no other caption
    on that side has, too."""
    score = [0, 0]
    for page in near:
        for side in (0, 1):
            taken: list[Region] = []
            for _, *regions in page:
                region = regions[side]
                if region is not None and not any(other.meets(region) for other in taken):
                    taken.append(region)
            score[side] += len(taken)
    return score[0] >= score[1]
