"""A stack of inputs, and reading arguments from it as TeX does: undelimited, bracketed, up to some tokens.

The budget: all that is read was written by the authors or put here by the reader, and what the reader puts here is
counted (`work`): what macros make, arguments that are put back or read again, cells of grids. Real papers need a third
of a token for each character of their source, so one budget in proportion to the source (`allowed`) bounds the work on
any input. Once it is `spent` nothing is expanded any more and the rest of the source is read as it stands; should even
that take as much again, arguments that would be read anew are dropped.
"""

from __future__ import annotations

from mlintern.paper.latex.source.tokens import BEGIN, END, EOF, PAR, SPACE, STOP, TEXT, Lexer, Token, split

WORK = 100_000
"""Tokens that the reader may put into the input, and `WORK_PER_CHARACTER` for each character of the source."""
WORK_PER_CHARACTER = 8
MAX_WORK = 8_000_000
MAX_FRAMES = 2_000
"""Inputs inside inputs; what is pushed beyond them is dropped."""


MAX_UNCLOSED = 4
"""Budgets of tokens read in search of brackets that never close; after so many, brackets are text."""


class Input:
    """Sources and token lists; the last one is read first. Nothing is expanded here."""

    def __init__(self) -> None:
        self.frames: list[Lexer | list[Token]] = []
        self.allowed = WORK
        self.work = self._unclosed = 0

    def allow(self, characters: int) -> None:
        """Sets the budget for a source of so many characters."""
        self.allowed = min(WORK + WORK_PER_CHARACTER * characters, MAX_WORK)

    @property
    def spent(self) -> bool:
        """Whether the budget is used up."""
        return self.work > self.allowed

    def _count(self, tokens: int) -> bool:
        """Counts tokens that are put into the input; False if they are too many and what holds them is dropped."""
        self.work += tokens
        return tokens < 3 or self.work <= 2 * self.allowed

    def raw(self) -> Token:
        """The next token, unexpanded; STOP at the end of all input."""
        frames = self.frames
        while frames:
            top = frames[-1]
            if type(top) is list:
                if top:
                    return top.pop()
            else:
                token = top.next()  # type: ignore[union-attr]
                if token.kind != EOF:
                    return token
            frames.pop()
        return STOP

    def push(self, tokens: list[Token]) -> None:
        """Makes these the next tokens."""
        if not tokens or not self._count(len(tokens)):
            return
        if self.frames and type(self.frames[-1]) is list:
            self.frames[-1].extend(reversed(tokens))
        elif len(self.frames) < MAX_FRAMES:
            self.frames.append(tokens[::-1])

    def peek(self) -> Token:
        """The next unexpanded token, left in place."""
        token = self.raw()
        if token.kind != EOF:
            self.push([token])
        return token

    def skip_spaces(self) -> None:
        while (token := self.raw()).kind == SPACE:
            pass
        if token.kind != EOF:
            self.push([token])

    def argument(self) -> list[Token]:
        """An undelimited argument: the tokens of a group, or one token."""
        token = self.raw()
        while token.kind in (SPACE, PAR):
            token = self.raw()
        if token.kind == BEGIN:
            return self.balanced()
        if token.kind == EOF:
            return []
        if token.kind == END:
            self.push([token])
            return []
        if token.kind == TEXT and len(token.text) > 1:
            first, rest = split(token, 1)
            self.push([rest])
            return [first]
        return [token]

    def balanced(self) -> list[Token]:
        """Tokens up to the brace that closes a group already opened."""
        found: list[Token] = []
        depth = 0
        while (token := self.raw()).kind != EOF:
            if token.kind == BEGIN:
                depth += 1
            elif token.kind == END:
                if depth == 0:
                    break
                depth -= 1
            found.append(token)
        return found

    def group(self) -> list[Token] | None:
        """An optional argument in braces; None, and nothing read, if there is none."""
        return self.argument() if self.peek().kind == BEGIN else None

    def optional(self, opening: str = "[", closing: str = "]") -> list[Token] | None:
        """An optional argument in brackets; None, and nothing read, if there is none."""
        held: list[Token] = []
        token = self.raw()
        while token.kind == SPACE:
            held.append(token)
            token = self.raw()
        if token.kind != TEXT or not token.text.startswith(opening) or self._unclosed > MAX_UNCLOSED * self.allowed:
            self.push(held + ([token] if token.kind != EOF else []))
            return None
        first = token
        if len(token.text) > 1:
            first, rest = split(token, 1)
            self.push([rest])
        found: list[Token] = []
        depth = nested = 0
        while (token := self.raw()).kind != EOF:
            if token.kind == BEGIN:
                depth += 1
            elif token.kind == END:
                if depth == 0:
                    found.append(token)
                    break  # the bracket never closes within its group: it is text
                depth -= 1
            elif token.kind == TEXT and depth == 0:
                for i, c in enumerate(token.text):
                    if c == opening and opening != closing:
                        nested += 1
                    elif c == closing:
                        if nested == 0:
                            before, after = split(token, i)
                            if before.text:
                                found.append(before)
                            if len(after.text) > 1:
                                self.push([split(after, 1)[1]])
                            return found
                        nested -= 1
            elif token.kind == PAR and opening == "[" and len(found) > 2_000:
                break
            found.append(token)
            if len(found) > 2_000:
                break
        self._unclosed += len(found)
        self.work -= len(found)  # they have their own limit
        self.push([first, *found])
        return None

    def star(self) -> bool:
        """Whether a `*` comes next; it is consumed."""
        token = self.raw()
        if token.kind == TEXT and token.text.startswith("*"):
            if len(token.text) > 1:
                self.push([split(token, 1)[1]])
            return True
        if token.kind != EOF:
            self.push([token])
        return False

    def delimited(self, mark: list[Token]) -> list[Token]:
        """A delimited argument of `\\def`: everything up to the tokens of `mark`, outer braces dropped."""
        if not mark:
            return self.argument()
        found: list[Token] = []
        depth = 0
        want = mark[0]
        while (token := self.raw()).kind != EOF:
            if token.kind == BEGIN:
                depth += 1
            elif token.kind == END:
                depth -= 1
                if depth < 0:
                    self.push([token])
                    break
            if depth == 0 and token.kind == want.kind and want.kind != TEXT and token.text == want.text:
                if self._rest(mark[1:]):
                    break
            elif depth == 0 and token.kind == TEXT == want.kind and want.text in token.text:
                at = token.text.index(want.text)
                before, after = split(token, at)
                if before.text:
                    found.append(before)
                rest = split(after, len(want.text))[1]
                if rest.text:
                    self.push([rest])
                if self._rest(mark[1:]):
                    break
                continue
            found.append(token)
            if len(found) > 50_000:
                break
        if len(found) >= 2 and found[0].kind == BEGIN and found[-1].kind == END:
            inner = found[1:-1]
            level = 0
            for t in inner:
                level += (t.kind == BEGIN) - (t.kind == END)
                if level < 0:
                    return found
            return inner
        return found

    def _rest(self, mark: list[Token]) -> bool:
        """Consumes the remaining tokens of a delimiter."""
        for want in mark:
            got = self.raw()
            if (got.kind, got.text) != (want.kind, want.text) and got.kind != EOF:
                if got.kind == TEXT == want.kind and got.text.startswith(want.text):
                    self.push([split(got, len(want.text))[1]])
                    continue
                self.push([got])
        return True

    def only(self, tokens: list[Token] | Lexer) -> list[Lexer | list[Token]]:
        """Makes these the only input and returns the input they replace, for `self.frames` to take back afterwards."""
        before = self.frames
        if isinstance(tokens, Lexer):
            self.frames = [tokens]
        else:
            self.frames = [tokens[::-1]] if self._count(len(tokens)) else []
        return before
