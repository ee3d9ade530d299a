"""Displayed formulas and their numbers."""

from mlintern.paper.latex.source.commands import ROWED
from mlintern.paper.latex.source.drafts import EquationDraft
from mlintern.paper.latex.source.tokens import Token
from mlintern.paper.latex.state import PaperState


class Formulas(PaperState):
    """Reads equation environments."""

    def display(self, name: str, token: Token) -> None:
        self.equation = EquationDraft(token, self.ink.size, env=name)
        if self.depth == 0 and self.cell is None:
            block = self.open_block("equation", self.equation)
            self.equation.start = block.start
        self.enter(name, math=True)

    def cmd_nonumber(self, token: Token) -> None:
        if self.equation is not None:
            self.equation.rows.append(False)

    cmd_notag = cmd_nonumber

    def cmd_tag(self, token: Token) -> None:
        self.g.star()
        text = self.plain(self.g.argument())
        if self.equation is not None:
            self.equation.tag = text

    def _finish_equation(self, token: Token) -> None:
        draft = self.equation
        if draft is None:
            return
        self.equation = None
        draft.end, draft.stop = self.ink.size, token
        name = draft.env.rstrip("*")
        if not draft.env.endswith("*") and draft.env not in ("$$", "displaymath") and not draft.tag:
            breaks = draft.rows.count(True)
            silent = draft.rows.count(False)
            count = max(breaks + 1 - silent, 0) if name in ROWED else int(not silent)
            numbers = []
            for _ in range(count):
                self.p.step("equation")
                numbers.append(self.number_of("equation", token))
            draft.number = numbers[0] if len(numbers) == 1 else f"{numbers[0]}–{numbers[-1]}" if numbers else ""
            for i, key in enumerate(draft.labels):
                self.labels[key] = ("equation", numbers[min(i, len(numbers) - 1)] if numbers else "")
        else:
            draft.number = draft.tag
            for key in draft.labels:
                self.labels[key] = ("equation", draft.tag)
        self.equations.append(draft)
        if self.depth == 0 and self.cell is None:
            self.close_block()
