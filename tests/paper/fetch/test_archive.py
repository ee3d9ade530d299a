"""Hostile archives: one clear error, bounded time and memory, nothing outside the folder."""

import gzip
import io
import resource
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlintern.core.errors import UserError
from mlintern.paper.fetch.archive import ArchiveLimits, sniff, unpack
from tests.paper.fetch.loopback_arxiv import TEX, minimal_pdf, tarball
from tests.paper.work import calls_in


def tar_of(*members: tarfile.TarInfo | tuple[str, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as tar:
        for member in members:
            if isinstance(member, tuple):
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
            else:
                tar.addfile(member)
    return out.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info


def zip_of(*members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as zipped:
        for name, data in members:
            zipped.writestr(name, data)
    return out.getvalue()


def zip_link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def bomb(size: int, head: bytes = b"") -> bytes:
    """A gzip file that expands to `size` zeros; made in pieces, since making one costs as much as unpacking it."""
    member = gzip.compress(b"\0" * (1 << 24), mtime=0)
    return gzip.compress(head, mtime=0) + member * (size >> 24)


def run(tmp_path: Path, data: bytes, **limits: int) -> Path:
    archive = tmp_path / "archive"
    archive.write_bytes(data)
    folder = tmp_path / "cache" / "folder"
    folder.mkdir(parents=True)
    unpack(archive, folder, "paper.tar.gz", ArchiveLimits(**limits))
    return folder


def refusal(tmp_path: Path, data: bytes, **limits: int) -> str:
    with pytest.raises(UserError) as caught:
        run(tmp_path, data, **limits)
    outside = [p for p in tmp_path.rglob("*") if p.is_file() and p.name != "archive" and "folder" not in p.parts]
    assert outside == []
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))
    assert str(caught.value).startswith("paper.tar.gz: ")
    return str(caught.value)


@pytest.mark.parametrize("pack", [tarball, lambda files: tar_of(*files.items()), lambda files: zip_of(*files.items())])
def test_honest_archives(tmp_path: Path, pack: Callable[[dict[str, bytes]], bytes]) -> None:
    files = {"main.tex": TEX, "./a/b.tex": b"b", "empty.tex": b"", "figür.png": b"\x89PNG"}
    folder = run(tmp_path, pack(files))
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found == {name.removeprefix("./"): data for name, data in files.items()}


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (TEX, "main.tex"),
        (minimal_pdf(), "main.pdf"),
        (b"%!PS-Adobe-2.0\n", "main.ps"),
        (b"<html>x</html>", "main.html"),
    ],
)
def test_a_gzipped_single_file_is_named_by_its_bytes(tmp_path: Path, data: bytes, name: str) -> None:
    folder = run(tmp_path, gzip.compress(data))
    assert [path.name for path in folder.iterdir()] == [name]
    assert (folder / name).read_bytes() == data


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    data = tar_of(("caf\udce9.tex", TEX), format=tarfile.GNU_FORMAT)
    assert [path.name for path in run(tmp_path, data).iterdir()] == ["café.tex"]


HOSTILE: dict[str, tuple[bytes, str]] = {
    "absolute": (tar_of(("/etc/evil.tex", TEX)), "an absolute path"),
    "parent": (tar_of(("../evil.tex", TEX)), "leaves the folder"),
    "parent inside": (tar_of(("a/../../evil.tex", TEX)), "leaves the folder"),
    "backslashes": (tar_of(("..\\evil.tex", TEX)), "leaves the folder"),
    "drive": (tar_of(("C:\\evil.tex", TEX)), "an absolute path"),
    "home": (tar_of(("~/evil.tex", TEX)), "an absolute path"),
    "control characters": (tar_of(("a\x1b[2Jb.tex", TEX)), "control characters"),
    "symlink": (tar_of(special("link", tarfile.SYMTYPE, "/etc")), "holds a link"),
    "symlink then file": (tar_of(special("a", tarfile.SYMTYPE, "/tmp"), ("a/evil.tex", TEX)), "holds a link"),
    "hard link": (tar_of(("a.tex", TEX), special("b.tex", tarfile.LNKTYPE, "a.tex")), "holds a link"),
    "device": (tar_of(special("null", tarfile.CHRTYPE)), "device or pipe"),
    "block device": (tar_of(special("disk", tarfile.BLKTYPE)), "device or pipe"),
    "pipe": (tar_of(special("pipe", tarfile.FIFOTYPE)), "device or pipe"),
    "parent folder": (tar_of(special("../evil", tarfile.DIRTYPE)), "leaves the folder"),
    "file and folder": (tar_of(("a", b"1"), ("a/b.tex", TEX)), "as a file and as a folder"),
    "folder and file": (tar_of(("a/b.tex", TEX), ("a", b"1")), "as a file and as a folder"),
    "nested": (tar_of(("/".join(["d"] * 1000) + "/x.tex", TEX)), "nests folders"),
    "nested folder": (tar_of(special("/".join(["d"] * 1000), tarfile.DIRTYPE)), "nests folders"),
    "long name": (tar_of(("n" * 300 + ".tex", TEX)), "more than 255 bytes"),
    "nameless": (tar_of(("./", b"")), "a file without a name"),
    "folders only": (tar_of(special("a", tarfile.DIRTYPE)), "holds no files"),
    "not an archive": (TEX, "not an archive"),
    "binary": (gzip.compress(b"\x00\x01\x02" * 400), "neither TeX"),
    "gzip in a gzip": (gzip.compress(gzip.compress(TEX)), "a gzip archive again"),
    "zip absolute": (zip_of(("/etc/evil.tex", TEX)), "an absolute path"),
    "zip parent": (zip_of(("../evil.tex", TEX)), "leaves the folder"),
    "zip link": (zip_of((zip_link("a"), b"/etc")), "holds a link"),
    "zip method": (zip_of(("a.tex", TEX), method=zipfile.ZIP_LZMA), "compression method 14"),
    "cut gzip": (tarball({"main.tex": TEX * 50})[:-30], "damaged"),
    "cut tar": (tar_of(("main.tex", TEX * 50))[:2000], "damaged"),
    "cut zip": (zip_of(("main.tex", TEX * 50))[:-30], "damaged"),
    "rotten zip": (zip_of(("main.tex", TEX), method=zipfile.ZIP_STORED).replace(TEX[:5], b"#####"), "damaged"),
    "rotten header": (tar_of(("a.tex", TEX), ("b.tex", TEX)).replace(b"b.tex", b"!!!!!"), "broken"),
    "headers for headers": (tar_of(("n" * 200, b""))[:1024] * 3000, "headers make no sense"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_archives(tmp_path: Path, case: str) -> None:
    data, says = HOSTILE[case]
    assert says in refusal(tmp_path, data)


def test_limits(tmp_path: Path) -> None:
    files = tuple((f"{n}.tex", b"x" * 100) for n in range(30))
    for case, (limits, says) in enumerate(
        [
            ({"files": 29}, "more than 29 entries"),
            ({"file_bytes": 99}, "larger than 99 bytes"),
            ({"total_bytes": 2999}, "more than 2999 bytes"),
        ]
    ):
        for pack in (tar_of(*files), zip_of(*files)):
            place = tmp_path / f"{case}-{pack[:2].hex()}"
            place.mkdir()
            assert says in refusal(place, pack, **limits)
    run(tmp_path, tar_of(*files), files=30, file_bytes=100, total_bytes=3000)


def test_a_bomb_is_cut_off(tmp_path: Path) -> None:
    """10 GB of zeros after an honest header, stopped at the limit: bounded work and memory."""
    info = tarfile.TarInfo("zeros")
    info.size = 10 << 30
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    packed = bomb(10 << 30, info.tobuf())
    says: list[str] = []
    calls = calls_in(lambda: says.append(refusal(tmp_path, packed, total_bytes=50_000_000)))
    assert "unpacks to more than" in says[0]
    assert calls < 10_000  # one tenth of it alone would take 30,000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_a_header_of_gigabytes_is_not_read_into_memory(tmp_path: Path) -> None:
    info = special("pax", tarfile.XHDTYPE)
    info.size = 100 << 20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    message = refusal(tmp_path, bomb(100 << 20, info.tobuf()))
    assert "a header claims to be larger than a megabyte" in message
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # kB


def test_a_sparse_file_is_counted_as_what_it_expands_to(tmp_path: Path) -> None:
    sparse = tarfile.TarInfo("big")
    sparse.type = tarfile.GNUTYPE_SPARSE
    header = bytearray(sparse.tobuf(format=tarfile.GNU_FORMAT))
    header[386:410] = b"%011o\0%011o\0" % (10 << 30, 0)  # one empty piece at the far end
    header[483:495] = b"%011o\0" % (8 << 30)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    assert "is larger than" in refusal(tmp_path, bytes(header) + b"\0" * 1024, file_bytes=10_000_000)


def test_a_zip_with_a_huge_directory(tmp_path: Path) -> None:
    data = bytearray(zip_of(("a.tex", TEX)))
    at = data.rindex(b"PK\x05\x06")
    data[at + 12 : at + 16] = (1 << 30).to_bytes(4, "little")
    assert "directory" in refusal(tmp_path, bytes(data))


def test_an_encrypted_zip(tmp_path: Path) -> None:
    data = bytearray(zip_of(("a.tex", TEX)))
    at = data.rindex(b"PK\x01\x02")
    data[at + 8] |= 1
    assert "encrypted" in refusal(tmp_path, bytes(data))


@given(st.binary(max_size=2000))
@settings(max_examples=300, deadline=None)
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    run_or_refuse(tmp_path_factory.mktemp("fuzz"), data)


BASES = [
    tarball({"main.tex": TEX, "a/b.tex": b"x" * 600}),
    tar_of(("main.tex", TEX), ("n" * 150, b"y" * 600), format=tarfile.GNU_FORMAT),
    tar_of(("main.tex", TEX), ("é" * 80, b"y" * 600)),
    zip_of(("main.tex", TEX), ("a/b.tex", b"x" * 600)),
]


@given(
    st.sampled_from(BASES),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=12)), min_size=1, max_size=6),
    st.floats(0.2, 1),
)
@settings(max_examples=300, deadline=None)
def test_damaged_archives(
    tmp_path_factory: pytest.TempPathFactory, base: bytes, edits: list[tuple[float, bytes]], keep: float
) -> None:
    data = bytearray(base[: int(len(base) * keep) + 1])
    for place, new in edits:
        at = int(place * len(data))
        data[at : at + len(new)] = new
    run_or_refuse(tmp_path_factory.mktemp("fuzz"), bytes(data))


def run_or_refuse(tmp_path: Path, data: bytes) -> None:
    """Either files below the folder or one UserError; nothing else, nowhere else."""
    try:
        run(tmp_path, data, total_bytes=1_000_000)
    except UserError:
        pass
    else:
        assert any(path.is_file() for path in (tmp_path / "cache" / "folder").rglob("*"))
    assert {path.name for path in tmp_path.iterdir()} == {"archive", "cache"}
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {"folder"}


@given(st.binary(max_size=600))
@settings(deadline=None)
def test_sniffing_any_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.mktemp("sniff") / "x"
    file.write_bytes(data)
    assert sniff(file) in ("gzip", "tar", "zip", "pdf", "postscript", "html", "text", "unknown")
