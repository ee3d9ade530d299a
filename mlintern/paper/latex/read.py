"""From LaTeX source to a Document: runs the reader over the root file and assembles what it left behind."""

from pathlib import Path

from mlintern.core.errors import UserError
from mlintern.paper.document.document import Document
from mlintern.paper.latex.assembly.assemble import Assembly
from mlintern.paper.latex.paper import PaperReader
from mlintern.paper.latex.source.files import MAX_FILE, MAX_FILES, Folder, find_root, open_folder
from mlintern.paper.latex.state import BEGIN_DOCUMENT, outside_comments
from mlintern.paper.latex.typesetting.setting import MAX_DEPTH, NOWHERE


def read_latex(path: Path | str, id: str = "", name: str = "") -> Document:
    """Reads a folder with LaTeX source, or one .tex file with what lies beside it; `name` is what errors call it.

    Never raises for what the source says, however broken: what could not be read stands in `missing`. UserError if
    there is no source to read.
    """
    path = Path(path)
    name = name or str(path)
    if path.is_dir():
        folder = open_folder(path)
        root = find_root(folder, name)
    elif path.is_file():
        alone = path.parent == Path(path.anchor)
        folder = Folder(path.parent, {}) if alone else open_folder(path.parent, partly=True)
        root = path.name
        folder.names[root] = path
    else:
        raise UserError(f"{path}: no such file or folder; give a .tex file or a folder with one")
    text = folder.text(root)
    if text is None:
        raise UserError(f"{name}: {root} cannot be read, or is larger than {MAX_FILE >> 20} MB; no paper's source is")
    reader = PaperReader(folder, root)
    if folder.cut:
        reader.lack("limit", "files", f"{path.parent} holds more than {MAX_FILES} files; the nearest of them were seen")
    reader.body = "\\begin{document}" not in text and "\\begin {document}" not in text
    lexer = reader.lexer(root)
    assert lexer is not None  # its text was read above
    reader.g.frames = [lexer]
    reader.run()
    if not reader.body and (start := outside_comments(BEGIN_DOCUMENT, text)):
        # something in the preamble took it for its argument
        reader.lack("macro", "preamble", "a command in it hides where the text begins; its definitions may be amiss")
        lexer.at, reader.body, reader.stop = start.end(), True, False
        reader.g.frames = [lexer]
        reader.run()
    for _ in range(MAX_DEPTH):  # a footnote of a footnote comes after it
        reader.deferred, held = [], reader.deferred
        reader.close_block()
        reader.g.frames = [held[::-1]]
        reader.run()
        if not reader.deferred:
            break
    else:
        reader.too_deep(reader.deferred[0])
    while len(reader.scopes) > 1:
        scope = reader.scopes.pop()
        if scope.close:
            reader.ink.put(scope.close, NOWHERE, scope.style)
        reader.left(scope, NOWHERE)
    reader.close_block()
    return Assembly(reader, id or (path.name if path.is_dir() else path.stem)).document()
