"""Unpacking a paper's source without trusting it.

An archive is written by whoever submitted the paper. Nothing is written outside the folder it is unpacked to, links and
devices are refused rather than skipped (a paper that needs one would be read wrong), and every dimension has a limit
that is checked while unpacking, not believed from a header. The first violation ends the matter with one clear error.
"""

import errno
import gzip
import io
import lzma
import re
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from mlintern.core.errors import UserError
from mlintern.core.files import write_problem

BodyKind = Literal["gzip", "tar", "zip", "pdf", "postscript", "html", "text", "unknown"]

GZIP_ERRORS = (EOFError, zlib.error, gzip.BadGzipFile)
_CHUNK = 1 << 20
_HEADER_READ = 1 << 20  # pax and long-name headers are read whole by tarfile; an honest one has a few hundred bytes
_HEADERS = 64 << 20  # of a tar: headers and padding on top of the files
_ZIP_DIRECTORY = 4 << 20  # bytes of central directory, about 40,000 names
_TEX = re.compile(
    rb"\\(?:documentclass|documentstyle|begin|input|section|def|usepackage|magnification)\b|\A%&|%auto-ignore"
)


@dataclass(frozen=True)
class ArchiveLimits:
    """What an unpacked paper may measure at most; far above any honest submission (arXiv's own limit is 50 MB)."""

    files: int = 5_000
    """Files and folders together."""
    file_bytes: int = 200_000_000
    total_bytes: int = 500_000_000
    depth: int = 20
    """Folders inside folders."""
    name_bytes: int = 255
    """Of one path component."""


def sniff(path: Path) -> BodyKind:
    """What a file is, by its bytes; names and content types lie."""
    with open(path, "rb") as handle:
        head = handle.read(4096)
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if b"%PDF-" in head[:1024]:
        return "pdf"
    if head.startswith((b"%!PS", b"\x04%!PS", b"\xc5\xd0\xd3\xc6")):
        return "postscript"
    if len(head) >= 512 and _is_tar_header(head[:512]):
        return "tar"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<?xml", b"<!--")) or (b"<html" in start and b"\\" not in start):
        return "html"
    if _TEX.search(head) or (head and b"\0" not in head):
        return "text"
    return "unknown"


def _is_tar_header(block: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def unpack(archive: Path, folder: Path, name: str, limits: ArchiveLimits = ArchiveLimits()) -> None:
    """Unpack a tar, tar.gz, zip or single gzipped file into `folder`, which exists and is empty.

    `name` is what errors call the archive. Raises UserError for anything hostile, damaged or beyond `limits`; the
    caller throws the folder away then.
    """
    kind = sniff(archive)
    writer = _Writer(folder, name, limits)
    try:
        if kind == "gzip":
            with tempfile.TemporaryFile(dir=folder.parent) as plain:
                # before looking inside: tarfile would read a header of gigabytes from a bomb straight into memory
                if not gunzip(archive, limits.total_bytes + _HEADERS, plain):
                    raise writer.refuse(f"unpacks to more than {limits.total_bytes} bytes")
                plain.seek(0)
                head = plain.read(512)
                plain.seek(0)
                if len(head) == 512 and _is_tar_header(head):
                    _unpack_tar(plain, writer)
                else:
                    _store_single(plain, archive, writer)
        elif kind == "tar":
            with open(archive, "rb") as plain_tar:
                _unpack_tar(plain_tar, writer)
        elif kind == "zip":
            _unpack_zip(archive, writer)
        else:
            raise UserError(f"{name}: not an archive (it begins like {kind}); give a .tar.gz, .tar, .zip or .gz file")
    except (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, *GZIP_ERRORS) as error:
        raise UserError(f"{name}: the archive is damaged ({error}); download it again") from None
    except (OverflowError, ValueError, IndexError, RecursionError, NotImplementedError, struct.error) as error:
        # what tarfile and zipfile raise on numbers that make no sense and on headers for headers for headers
        raise UserError(f"{name}: the archive's headers make no sense ({error}); download it again") from None
    except OSError as error:
        if error.errno == errno.EINVAL:  # a seek to before the beginning
            raise UserError(f"{name}: the archive is damaged (it points outside itself); download it again") from None
        raise write_problem(folder, error) from error
    if writer.files == 0:
        raise UserError(f"{name}: the archive holds no files")


class _Writer:
    """Writes members below `folder` and keeps count."""

    def __init__(self, folder: Path, name: str, limits: ArchiveLimits):
        self.folder, self.name, self.limits = folder, name, limits
        self.entries = 0
        self.files = 0
        self.total = 0

    def refuse(self, why: str) -> UserError:
        return UserError(f"{self.name}: {why}; refused. If you trust it, unpack it yourself and give the folder")

    def count_member(self) -> None:
        self.entries += 1
        if self.entries > self.limits.files:
            raise self.refuse(f"holds more than {self.limits.files} entries")

    def target(self, member: str) -> Path:
        shown = repr(member[:80])
        if "\0" in member or any(ord(char) < 32 for char in member):
            raise self.refuse(f"holds a name with control characters ({shown})")
        parts = member.replace("\\", "/").split("/")
        if member.startswith(("/", "\\", "~")) or re.match(r"[A-Za-z]:", member):
            raise self.refuse(f"holds an absolute path ({shown})")
        if ".." in parts:
            raise self.refuse(f"holds a path that leaves the folder ({shown})")
        parts = [part for part in member.split("/") if part not in ("", ".")]
        if not parts:
            raise self.refuse(f"holds a file without a name ({shown})")
        if len(parts) - 1 > self.limits.depth:
            raise self.refuse(f"nests folders more than {self.limits.depth} deep ({shown})")
        if any(len(part.encode("utf-8", "replace")) > self.limits.name_bytes for part in parts):
            raise self.refuse(f"holds a name of more than {self.limits.name_bytes} bytes ({shown})")
        return self.folder.joinpath(*parts)

    def write(self, member: str, chunks: Iterator[bytes]) -> None:
        target = self.target(member)
        size = 0
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with open(target, "wb") as out:
                for chunk in chunks:
                    size += len(chunk)
                    self.total += len(chunk)
                    if size > self.limits.file_bytes:
                        raise self.refuse(f"{member[:80]!r} is larger than {self.limits.file_bytes} bytes")
                    if self.total > self.limits.total_bytes:
                        raise self.refuse(f"unpacks to more than {self.limits.total_bytes} bytes")
                    out.write(chunk)
            self.files += 1
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise self.refuse(f"uses {member[:80]!r} as a file and as a folder") from None


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk


def gunzip(path: Path, most_bytes: int, plain: IO[bytes] | None = None) -> bool:
    """Read a gzip file to its end, into `plain` if there is one; False, and the rest is left, beyond `most_bytes`."""
    written = 0
    with gzip.open(path) as source:
        for chunk in _chunks(source):  # type: ignore[arg-type]
            written += len(chunk)
            if written > most_bytes:
                return False
            if plain is not None:
                plain.write(chunk)
    return True


class _BoundedReads(io.RawIOBase):
    """A file that refuses to be read in one huge piece."""

    def __init__(self, file: IO[bytes]):
        self.file = file

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > _HEADER_READ:
            raise tarfile.ReadError("a header claims to be larger than a megabyte")
        return self.file.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()


def _unpack_tar(file: IO[bytes], writer: _Writer) -> None:
    with tarfile.open(fileobj=_BoundedReads(file), mode="r:", errors="surrogateescape") as tar:
        while (member := tar.next()) is not None:
            tar.members = []  # type: ignore[attr-defined]  # it would keep every header
            writer.count_member()
            name = _decoded(member.name)
            if member.isdir():
                writer.target(name + "/x")  # its name must be as good as that of a file in it
                continue
            if not member.isreg():
                kind = "link" if member.issym() or member.islnk() else "device or pipe"
                raise writer.refuse(f"holds a {kind} ({name[:80]!r})")
            source = tar.extractfile(member)
            if source is None:
                raise writer.refuse(f"holds an entry of an unknown kind ({name[:80]!r})")
            writer.write(name, _exactly(source, member.size))
        # tarfile takes a broken header for the end; files after it would be lost without a word
        file.seek(tar.offset)
        if file.read(tarfile.BLOCKSIZE).strip(b"\0"):
            raise tarfile.ReadError("a header in the middle is broken")


def _exactly(stream: IO[bytes], size: int) -> Iterator[bytes]:
    """All chunks of a stream that must hold `size` bytes."""
    seen = 0
    while chunk := stream.read(1 << 16):
        seen += len(chunk)
        yield chunk
    if seen != size:
        raise EOFError(f"it ends inside a file, {size - seen} bytes early")


def _decoded(name: str) -> str:
    """A member's name as UTF-8, or as Latin-1 where its bytes are no UTF-8."""
    raw = name.encode("utf-8", "surrogateescape")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _unpack_zip(archive: Path, writer: _Writer) -> None:
    _check_zip_directory(archive, writer)
    with zipfile.ZipFile(archive) as zipped:
        for info in zipped.infolist():
            writer.count_member()
            mode = info.external_attr >> 16
            if info.is_dir():
                writer.target(info.filename + "x")
                continue
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                kind = "link" if stat.S_ISLNK(mode) else "device or pipe"
                raise writer.refuse(f"holds a {kind} ({info.filename[:80]!r})")
            if info.flag_bits & 0x1:
                raise writer.refuse("is encrypted")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise writer.refuse(f"uses compression method {info.compress_type}, which is none of store and deflate")
            with zipped.open(info) as source:
                writer.write(info.filename, _chunks(source))


def _check_zip_directory(archive: Path, writer: _Writer) -> None:
    """zipfile builds an object for every name before we can count them, so look at the directory's size first."""
    with open(archive, "rb") as handle:
        size = handle.seek(0, io.SEEK_END)
        handle.seek(max(size - (1 << 16) - 22, 0))
        tail = handle.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        raise zipfile.BadZipFile("it has no end record")
    if int.from_bytes(tail[at + 12 : at + 16], "little") > _ZIP_DIRECTORY:
        raise writer.refuse(f"has a directory of more than {_ZIP_DIRECTORY} bytes")


def _store_single(plain: IO[bytes], archive: Path, writer: _Writer) -> None:
    """A gzipped single file: arXiv's form for a paper of one .tex file. Its kind is told by its bytes."""
    writer.count_member()
    writer.write("main", _chunks(plain))
    file = writer.folder / "main"
    kind = sniff(file)
    suffixes = {"text": ".tex", "pdf": ".pdf", "postscript": ".ps", "html": ".html"}
    if kind not in suffixes:
        what = f"a {kind} archive again" if kind in ("gzip", "zip") else "neither TeX, PDF, PostScript nor HTML"
        raise UserError(f"{writer.name}: the one file in it is {what}; unpack it yourself and give what is inside")
    file.rename(file.with_name("main" + suffixes[kind]))


def looks_like_tex(path: Path) -> bool:
    """Whether a file without a telling name holds TeX."""
    with open(path, "rb") as handle:
        return sniff(path) == "text" and bool(_TEX.search(handle.read(1 << 16)))


def gzip_problem(path: Path) -> str:
    """What is wrong with a gzip file (cut off, checksum), '' if nothing is; bombs are left to `unpack`."""
    try:
        gunzip(path, ArchiveLimits.total_bytes)
    except GZIP_ERRORS as error:
        return str(error)
    return ""
