"""Ids of parts, each given once: `table-3`, `table-3-2`."""


class UniqueIds:
    """Numbers what asks for an id that is taken; a paper of ten thousand equal headings costs no more than another."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._last: dict[str, int] = {}

    def peek(self, wanted: str) -> str:
        """The id that `take` would give."""
        n = self._last.get(wanted, 1)
        name = wanted if n == 1 else f"{wanted}-{n}"
        while name in self._taken:
            n += 1
            name = f"{wanted}-{n}"
        self._last[wanted] = n
        return name

    def take(self, wanted: str) -> str:
        """`wanted`, or `wanted-2`, `wanted-3`, … if it is taken."""
        name = self.peek(wanted)
        self._taken.add(name)
        return name
