"""Roman numerals, as some journals number their tables and sections."""


def roman(value: int) -> str:
    """A number below 200 in capital Roman numerals, any other in digits."""
    out = ""
    for size, letters in ((10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")):
        while 0 < size <= value < 200:
            out += letters
            value -= size
    return out or str(value)
