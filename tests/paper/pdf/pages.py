"""PDFs written by hand: text at places, in sizes, with rules, as TeX would set it."""

from dataclasses import dataclass, field

import pdfminer.fontmetrics

_WIDTHS = pdfminer.fontmetrics.FONT_METRICS["Helvetica"][1]


def width(text: str, size: float) -> float:
    """Width of a text in Helvetica."""
    return sum(_WIDTHS.get(char, 556) for char in text) * size / 1000


@dataclass
class Page:
    """One page of 612 x 792 points; y counts from the bottom, as PDF does."""

    operators: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, text: str, size: float = 10, bold: bool = False) -> float:
        """Text at a place; returns the x of its end."""
        escaped = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        self.operators.append(f"BT /F{2 if bold else 1} {size} Tf {x} {y} Td ({escaped}) Tj ET")
        return x + width(text, size)

    def power(self, x: float, y: float, base: str, exponent: str, size: float = 10, rise: float = 3.6) -> float:
        """A base with a smaller, raised exponent."""
        return self.text(self.text(x, y, base, size), y + rise, exponent, 0.7 * size)

    def rule(self, x0: float, x1: float, y: float) -> None:
        self.operators.append(f"{x0} {y} m {x1} {y} l 0.5 w S")

    def row(self, y: float, columns: list[float], texts: list[str], size: float = 10) -> None:
        """Centred texts; an empty one leaves its column free."""
        for x, text in zip(columns, texts, strict=True):
            if text:
                self.text(x - width(text, size) / 2, y, text, size)

    def paragraph(self, x: float, y: float, lines: list[str], size: float = 10) -> float:
        for line in lines:
            self.text(x, y, line, size)
            y -= 1.2 * size
        return y


def write_pdf(pages: list[Page], extra: str = "", catalog: str = "") -> bytes:
    """A PDF with a correct cross-reference table; `extra` objects are numbered from 5 + 2 * pages on."""
    kids = " ".join(f"{5 + 2 * n} 0 R" for n in range(len(pages)))
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R {catalog} >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold >>",
    ]
    for n, page in enumerate(pages):
        stream = "\n".join(page.operators)
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {6 + 2 * n} 0 R "
            "/Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    if extra:
        objects.append(extra)
    out, offsets = b"%PDF-1.5\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode("latin-1")
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    return out


WORDS = "the model reads every token of the line and learns to say which class it belongs to".split()


def filler(lines: int, words: int = 9, start: int = 0) -> list[str]:
    """Lines of words, no two alike."""
    return [" ".join(WORDS[(start + n * 5 + k) % len(WORDS)] for k in range(words)) for n in range(lines)]


def paper() -> bytes:
    """A paper of two pages: headings, a booktabs table with a spanning header, a figure's caption, references."""
    one = Page()
    one.text(180, 730, "On Learning to Test", 17)
    one.text(250, 705, "Ada Example", 11)
    one.text(280, 680, "Abstract", 12, bold=True)
    one.paragraph(110, 660, ["We reach good accuracy on a tiny prob-", "lem with few steps of training."])
    one.text(72, 620, "1 Method", 12, bold=True)
    one.paragraph(72, 600, filler(4))
    x = one.text(72, 540, "The learning rate is ")
    x = one.power(x, 540, "10", "-3")
    one.text(x + 2.8, 540, "for all models.")
    one.text(72, 515, "1.1 Data", 10, bold=True)
    one.paragraph(72, 500, filler(3, start=4))
    one.text(150, 440, "Table 1: Accuracy in percent over five seeds.")
    columns = [150.0, 230.0, 310.0, 390.0]
    for y in (425, 395, 345):
        one.rule(110, 430, y)
    one.text(255, 414, "MNIST-1D")
    one.rule(205, 335, 410)
    one.row(399, columns, ["Model", "plain", "shuffled", "Steps"])
    one.row(383, columns, ["MLP", "68.2", "94.1", ""])
    one.power(380, 383, "10", "3")
    one.row(371, columns, ["CNN", "94.0", "57.3", "6000"])
    one.row(359, columns, ["GRU", "91.5", "-", "6000"])
    one.paragraph(72, 320, filler(3, start=2))
    one.text(300, 30, "1")
    two = Page()
    two.text(72, 720, "Figure 1: A curve that rises.")
    two.text(72, 690, "References", 12, bold=True)
    two.text(72, 670, "[1] J. Doe. Learning to test. 2020.")
    two.text(72, 655, "[2] A. Roe. Testing to learn. 2021. https://example.org/roe")
    two.text(72, 620, "A More", 12, bold=True)
    two.text(72, 600, "Nothing else.")
    return write_pdf([one, two])
