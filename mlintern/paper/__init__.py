"""Reading papers: from an id or a file to one `Document` that loses nothing and invents nothing.

`read.read` is the one door; `command` is `mlintern read`. `fetch/` gets the files; `latex/`, `html/` and `pdf/` are the
three roads from files to a Document; `document` and `parts` say what a Document is, `numbers/` what its cells say.
"""
