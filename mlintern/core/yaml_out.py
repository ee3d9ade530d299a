"""YAML that reads the same under every parser: what YAML 1.1 would misread is quoted, and strict_yaml takes it all.

Short lists and locators stand on one line, everything else in blocks; no anchors, no tags, keys in the order given.
"""

import re
from typing import Any

import yaml

_MISREAD = re.compile(r"[-+.\d].*|yes|no|on|off|true|false|null|~|y|n|=|<<|", re.IGNORECASE | re.DOTALL)
"""What one YAML version or another reads as a number, a date, a truth value or nothing."""
_FOLDED = re.compile("[\\r\x85\u2028\u2029]")
"""Line breaks that some parsers fold into spaces where they are not written as escapes."""
_ONE_LINE = 100  # characters


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # equal objects are written out twice, never as an alias
        return True


def _plain(value: Any) -> bool:
    return not isinstance(value, dict | list)


def _mapping(dumper: _Dumper, value: dict[str, Any]) -> yaml.Node:
    flow = "sha256" in value and all(_plain(v) or (isinstance(v, list) and all(map(_plain, v))) for v in value.values())
    return dumper.represent_mapping("tag:yaml.org,2002:map", value.items(), flow_style=flow)


def _sequence(dumper: _Dumper, value: list[Any]) -> yaml.Node:
    flow = all(map(_plain, value)) and len(str(value)) <= _ONE_LINE
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=flow)


def _string(dumper: _Dumper, value: str) -> yaml.Node:
    style = '"' if _FOLDED.search(value) else "'" if _MISREAD.fullmatch(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(dict, _mapping)
_Dumper.add_representer(list, _sequence)
_Dumper.add_representer(str, _string)


def dump(value: Any, comment: str = "") -> str:
    """`value` (None, truth values, finite numbers, text, lists, string-keyed mappings) as YAML text.

    `comment` becomes the file's first line.
    """
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=118, allow_unicode=True)
    return f"# {comment}\n{text}" if comment else text
