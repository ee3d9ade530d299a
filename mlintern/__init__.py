"""mlintern: reads a paper, runs it on a fixed, reproducible engine and says, claim by claim, what holds up."""

__version__ = "0.4.0"
