"""The one check of a pack's configuration, before any composition: its conf/ read as data, within bounds, by rules.

Hydra would follow a link, wait for a pipe, expand an anchor, and put a pack's `hydra.callbacks` among its own. So
before it reads a file of a pack, every file of the pack's conf/ has been read here. What has been judged is remembered
as long as no file changes.
"""

from __future__ import annotations

import functools
import os
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlintern.config.keys import OF_USERS
from mlintern.config.pack_rules import ConfFile, Problem, problems_of, read_source
from mlintern.core import roots, strict_yaml
from mlintern.core.errors import UserError
from mlintern.core.plain import read_plain

LARGEST_FILE = 256 << 10  # bytes; the largest file of the bundled packs has a hundredth of that
LARGEST_SUM = 4 << 20
MOST_ENTRIES = 4000
DEEPEST_FOLDER = 6
MOST_INCLUDED = 100
"""Files that one option may bring in by its defaults, with theirs; a bomb of defaults doubles with each file."""
DEEPEST_DEFAULTS = 8

_NAME = re.compile(r"[A-Za-z0-9_][\w.\-+]*", re.ASCII)

Stamp = tuple[tuple[str, int, int, int, int], ...]
"""(name, time of change, size, inode, mode) of every entry below conf/."""

_judged: dict[tuple[Path, str, tuple[str, ...]], tuple[Stamp, list[Problem]]] = {}


def check_pack(pack: Path) -> None:
    """Raises UserError with the first reason not to compose the pack in this folder, and the number of others."""
    problems = pack_problems(pack)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise UserError(f"{problems[0]}{more}")


def pack_problems(pack: Path, resolvers: Sequence[str] = (), by_name: bool = True) -> list[Problem]:
    """Every reason not to compose the pack in the folder `pack`, named after its slug; sorted by file and line.

    With `by_name` targets are judged by their names and need not be defined yet.
    """
    key = (pack, pack.name, (*resolvers, "" if by_name else "defined"))
    listed, found = _listed(pack)
    if not by_name:
        return sorted(set(found or _judge(pack, listed, resolvers, by_name)))
    if found:
        return sorted(found)
    stamp = tuple(entry for entry, _ in listed)
    known = _judged.get(key)
    if known is None or known[0] != stamp:
        known = _judged[key] = (stamp, sorted(set(_judge(pack, listed, resolvers, by_name))))
    return known[1]


def _listed(pack: Path) -> tuple[list[tuple[tuple[str, int, int, int, int], os.stat_result]], list[Problem]]:
    """(every entry below conf/, by name, without following a link; what has no place there)."""
    found: list[tuple[tuple[str, int, int, int, int], os.stat_result]] = []
    problems: list[Problem] = []
    left, total = ["conf"], 0
    while left:
        folder = left.pop()
        try:
            with os.scandir(pack / folder) as entries:
                listed = [(f"{folder}/{entry.name}", entry.stat(follow_symlinks=False)) for entry in entries]
        except FileNotFoundError:
            continue
        except OSError as error:
            return [], [Problem(_shown(pack, folder), 1, "file", f"cannot be read: {error.strerror}")]
        for name, facts in listed:
            total += facts.st_size if facts.st_size <= LARGEST_FILE else 0  # a larger one is refused by itself
            found.append(((name, facts.st_ctime_ns, facts.st_size, facts.st_ino, facts.st_mode), facts))
            if len(found) > MOST_ENTRIES or total > LARGEST_SUM:
                bound = f"more than {MOST_ENTRIES:,} files or {LARGEST_SUM >> 20} MiB of configuration"
                return [], [
                    Problem(_shown(pack, name), 1, "size", f"is one too many: {bound}; remove what is no config")
                ]
            if stat.S_ISDIR(facts.st_mode) and not stat.S_ISLNK(facts.st_mode):
                if name.count("/") > DEEPEST_FOLDER:
                    problems.append(Problem(_shown(pack, name), 1, "file", "lies too deep; flatten the folders"))
                else:
                    left.append(name)
    conf = os.lstat(pack / "conf") if (pack / "conf").is_symlink() else None
    if conf is not None:
        return [], [Problem(_shown(pack, "conf"), 1, "file", "is a link; a pack holds plain files")]
    return sorted(found), problems


def _judge(
    pack: Path,
    listed: Sequence[tuple[tuple[str, int, int, int, int], os.stat_result]],
    resolvers: Sequence[str],
    by_name: bool,
) -> list[Problem]:
    from mlintern.engine.instantiate import allowed_prefixes

    slug = pack.name
    problems: list[Problem] = []
    sources: list[ConfFile] = []
    for (name, *_), facts in listed:
        shown = _shown(pack, name)
        why = _misplaced(name, facts)
        if why is not None:
            problems.append(Problem(shown, 1, "file", why))
        elif stat.S_ISREG(facts.st_mode) and name.endswith(".yaml"):
            source, found = _read(pack / name, name, shown, facts)
            problems += found
            sources += [source] if source is not None else []
    own = {f"{source.group}/{source.option}": source for source in sources}
    packages = {**_own_options(roots.CONF), **{name: source.package for name, source in own.items()}}
    prefixes = allowed_prefixes(slug)
    for source in sources:
        problems += problems_of(
            source, slug, prefixes, packages, roots=_roots(pack), resolvers=resolvers, by_name=by_name
        )
    return [*problems, *_bombs(own)]


def _roots(pack: Path) -> list[Path]:
    """Where the modules of targets are looked for: the project of the pack, and the one that holds mlintern."""
    return [pack.parent.parent, roots.ROOT]


def _shown(pack: Path, name: str) -> str:
    """What messages call a file, on one line whatever its name is."""
    return f"papers/{pack.name}/{''.join(c if c.isprintable() else '?' for c in name)}"


def _misplaced(name: str, facts: os.stat_result) -> str | None:
    """Why a file or folder has no place in a pack's conf/, or None."""
    parts = name.split("/")[1:]
    mode = facts.st_mode
    if stat.S_ISLNK(mode):
        return "is a link; a pack holds plain files"
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return "is no plain file (a pipe, a socket or a device); remove it"
    if stat.S_ISREG(mode) and (parts[0] in OF_USERS or parts[0] == "config.yaml"):
        return "would stand in for a config of the user's; a pack brings groups"
    if stat.S_ISREG(mode) and name.endswith((".yaml", ".yml")):
        if name.endswith(".yml"):
            return "is not read by Hydra; name it .yaml"
        if len(parts) < 2:
            return "lies in no group; put it into a folder named after the group, like conf/model/"
        if not all(_NAME.fullmatch(part) for part in parts):
            return "has a name that no override can give; use letters, digits and _"
        if (roots.CONF / name.removeprefix("conf/")).exists():
            return "has the name of an option of this tool's own, which hides it; give it another name"
    return None


def _read(path: Path, name: str, shown: str, facts: os.stat_result) -> tuple[ConfFile | None, list[Problem]]:
    if facts.st_size > LARGEST_FILE:
        return None, [Problem(shown, 1, "size", f"larger than {LARGEST_FILE >> 10} KiB; leave data out")]
    try:
        text = strict_yaml.decode(read_plain(path, LARGEST_FILE, mend="put a config there"), shown)
    except UserError as error:
        message = str(error).removeprefix(f"{shown}:").removeprefix(f"{path}:")
        line, _, rest = message.partition(":")
        located = line.strip().isdigit()
        return None, [Problem(shown, int(line) if located else 1, "encoding", (rest if located else message).strip())]
    group, _, option = name.removeprefix("conf/").removesuffix(".yaml").rpartition("/")
    return read_source(text, shown, group, option)


@functools.cache
def _own_options(conf: Path) -> dict[str, str | None]:
    """{group/option: what its header says} of this tool's own groups."""
    found: dict[str, str | None] = {}
    for path in sorted(conf.glob("*/**/*.yaml")):
        first = path.read_text(encoding="utf-8").split("\n", 1)[0]
        header = re.fullmatch(r"#\s*@package\s+(\S+)\s*", first)
        found[path.relative_to(conf).with_suffix("").as_posix()] = header[1] if header else None
    return found


def _bombs(own: Mapping[str, ConfFile]) -> list[Problem]:
    """Options whose defaults go round in a circle, or bring in more files than any paper needs."""
    sizes: dict[str, int] = {}
    problems: list[Problem] = []

    def size(name: str, way: tuple[str, ...]) -> int:
        """Files that the option `name` brings in, itself counted; `way` is how it was reached."""
        if name in sizes or name not in own:
            return sizes.get(name, 1)
        total = 1
        source = own[name]
        for index, inner in enumerate(_included(source)):
            if inner in (*way, name) or len(way) >= DEEPEST_DEFAULTS:
                message = f"defaults: {inner} comes round to itself, or is more than {DEEPEST_DEFAULTS} files away"
                problems.append(source.problem(("defaults", index), "config-defaults", f"{message}; flatten them"))
                continue
            total += size(inner, (*way, name))
        if total > MOST_INCLUDED:
            message = f"defaults: they bring in {total:,} files, at most {MOST_INCLUDED} are allowed; flatten them"
            problems.append(source.problem(("defaults",), "config-defaults", message))
            total = 1
        sizes[name] = total
        return total

    for name in own:
        size(name, ())
    return problems


def _included(source: ConfFile) -> list[str]:
    """`group/option` of every file that a file's defaults name."""
    defaults = source.value.get("defaults")
    found = []
    for entry in defaults if isinstance(defaults, list) else []:
        pairs = entry.items() if isinstance(entry, dict) else [(entry, "")]
        for group, option in pairs:
            if not isinstance(group, str) or group == "_self_":
                continue
            name = group.split(" ")[-1].partition("@")[0]
            place = name.lstrip("/") if name.startswith("/") or " " in group else f"{source.group}/{name}"
            options = option if isinstance(option, list) else [option]
            found += [f"{place}/{one}" if one else place for one in options if isinstance(one, str)]
    return found
