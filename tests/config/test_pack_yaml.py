"""What a pack's YAML may not say, at the one check before any composition; and all that it may."""

import contextlib
import socket
from pathlib import Path

import pytest

from mlintern.config import Composer
from mlintern.core.errors import UserError
from tests.config.packs import NET, PAPER, SLUG, link_to, pipe, sparse, write

TOP = "# @package _global_\n"


def bound_socket(path: Path) -> None:
    with contextlib.chdir(path.parent):  # the path of a socket is short
        socket.socket(socket.AF_UNIX).bind(path.name)


def bomb(path: Path) -> None:
    rows = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    rows += [
        f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}]"
        for a, b in zip("abcdef", "bcdefg", strict=True)
    ]
    path.write_text("\n".join(rows))


def defaults_bomb(depth: int) -> dict[str, str]:
    """Each option brings in the next one twice."""
    found = {f"conf/model/b{i}.yaml": f"defaults:\n  - b{i + 1}@x\n  - b{i + 1}@y\n" for i in range(depth)}
    return {**found, f"conf/model/b{depth}.yaml": "width: 1\n", NET: "+defaults:\n  - b0@z\n"}


def doubling(lines: int) -> str:
    rows = [f"k{i}: ${{.k{i + 1}}}${{.k{i + 1}}}" for i in range(lines)]
    return "+" + "\n".join([*rows, f"k{lines}: xxxxxxxx"]) + "\n"


HOSTILE = {
    # keys of the user's, and of Hydra's
    "sandbox": ({PAPER: "+sandbox: none\n"}, "paper/local_evil.yaml:14: sandbox is the user's to set"),
    "sandbox_group": ({PAPER: "+sandbox:\n  backend: none\n"}, ":14: sandbox is the user's"),
    "sandbox_in_model": (
        {NET: TOP + "model: {_target_: torch.nn.Identity}\nsandbox: none\n"},
        "net.yaml:3: sandbox is",
    ),
    "sandbox_in_ablation": ({"conf/ablation/x.yaml": TOP + "sandbox: none\n"}, "ablation/x.yaml:2: sandbox is"),
    "sandbox_dotted": ({PAPER: "+sandbox.backend: none\n"}, ":14: sandbox.backend is the user's"),
    "run": ({PAPER: "+run: {dir: /tmp/elsewhere}\n"}, ":14: run is the user's"),
    "env": ({PAPER: "+env: {drift: warn}\n"}, ":14: env is the user's"),
    "llm": ({PAPER: "+llm: {base_url: 'http://127.0.0.1:1'}\n"}, ":14: llm is the user's"),
    "logger": ({PAPER: "+logger: {kind: wandb}\n"}, ":14: logger is the user's"),
    "audit": ({PAPER: "+audit: {fail_on: never}\n"}, ":14: audit is the user's"),
    "acknowledge": ({PAPER: "+audit: {acknowledge: [selection_on_test]}\n"}, ":14: audit is the user's"),
    "determinism": ({PAPER: "+determinism: {level: fast}\n"}, ":14: determinism is the user's"),
    "study": ({PAPER: "+study: {budget_hours: 0.001}\n"}, ":14: study.budget_hours is the user's"),
    "study_jobs": ({PAPER: "+study: {design: full, jobs: 4000}\n"}, ":14: study.jobs is the user's"),
    "seed": ({PAPER: "+seed: 3\n"}, ":14: seed is the user's"),
    "unknown_part": ({PAPER: "+modle: {width: 3}\n"}, ":14: modle is no part of the configuration"),
    "hydra_callbacks": (
        {PAPER: "+hydra: {callbacks: {x: {_target_: papers.local_evil.modules.Net}}}\n"},
        ":14: hydra is the user's",
    ),
    "hydra_launcher": ({PAPER: "+hydra: {launcher: {_target_: papers.local_evil.modules.Net}}\n"}, ":14: hydra is"),
    "hydra_in_model": ({NET: "+hydra: {run: {dir: /tmp}}\n"}, "net.yaml:3: hydra is the user's"),
    "hydra_dotted": ({NET: "+hydra.sweep.dir: /tmp\n"}, "net.yaml:3: hydra.sweep.dir is the user's"),
    "searchpath": ({PAPER: "+hydra: {searchpath: ['file:///tmp']}\n"}, ":14: a search path"),
    "search_key": ({NET: "+searchpath: [pkg://x]\n"}, "net.yaml:3: a search path"),
    # packages
    "package_hydra": ({NET: "# @package hydra.launcher\nn_jobs: 4\n"}, "net.yaml:1: the package directive"),
    "package_sandbox": (
        {"conf/model/x.yaml": "# @package sandbox\nbackend: none\n"},
        "x.yaml:1: the package directive",
    ),
    "package_global_run": ({"conf/model/x.yaml": "# @package _global_.run\ndir: /tmp\n"}, "x.yaml:1: the package"),
    "package_case": ({"conf/model/x.yaml": "# @PACKAGE hydra\na: 1\n"}, "x.yaml:1: the package directive"),
    "package_close": ({"conf/model/x.yaml": "#@package hydra\na: 1\n"}, "x.yaml:1: the package directive"),
    "package_group": ({"conf/model/x.yaml": "# @package _group_.x\na: 1\n"}, "x.yaml:1: the package directive"),
    "package_too_late": (
        {"conf/model/x.yaml": "# a model\n" + TOP + "trainer: {max_steps: 1}\n"},
        "x.yaml:2: the line",
    ),
    "package_twice": ({"conf/model/x.yaml": "# @package model\n# @package hydra\na: 1\n"}, "x.yaml:2: the package"),
    "header_empty": ({"conf/model/x.yaml": "# @\na: 1\n"}, "x.yaml:1: the package directive '# @'"),
    "package_deep": ({"conf/model/x.yaml": f"# @package model{'.x' * 400}\na: 1\n"}, "x.yaml:1: the package"),
    # defaults
    "override_launcher": (
        {PAPER: "# @package _global_\ndefaults:\n  - override /hydra/launcher: mine\n", "conf/x/y.yaml": "a: 1\n"},
        "local_evil.yaml:3: the default 'override /hydra/launcher: mine': is not allowed",
    ),
    "override_sandbox": ({PAPER: TOP + "defaults:\n  - override /sandbox: none\n"}, ":3: the default"),
    "override_logger": ({PAPER: TOP + "defaults:\n  - override /logger: wandb\n"}, ":3: the default"),
    "determinism_fast": ({PAPER: TOP + "defaults:\n  - override /determinism: fast\n"}, ":3: the default"),
    "determinism_added": ({PAPER: TOP + "defaults:\n  - /determinism@model.x: portable\n"}, ":3: the default"),
    "default_at_hydra": ({PAPER: TOP + "defaults:\n  - /model@hydra.launcher: net\n"}, ":3: the default"),
    "default_at_top": ({PAPER: TOP + "defaults:\n  - /model@_global_: net\n"}, ":3: the default"),
    "default_here": ({PAPER: TOP + "defaults:\n  - /model@_here_: net\n"}, ":3: the default"),
    "default_group_word": ({NET: "+defaults:\n  - /optimizer@_group_.x: sgd\n"}, "net.yaml:4: the default"),
    "default_path": ({NET: "+defaults:\n  - ../../../../etc/passwd\n"}, "net.yaml:4: the default"),
    "default_url": ({NET: "+defaults:\n  - file:///etc/passwd\n"}, "net.yaml:4: "),
    "default_interpolated": ({NET: "+defaults:\n  - /optimizer@inner: ${data.name}\n"}, "net.yaml:4: the default"),
    "default_number": ({PAPER: TOP + "defaults:\n  - override /model: 3\n"}, ":3: the default 'override /model: 3'"),
    "default_two_keys": (
        {PAPER: TOP + "defaults:\n  - {override /model: net, override /loss: mse}\n"},
        ":3: the default",
    ),
    "default_list": ({PAPER: TOP + "defaults:\n  - [a, b]\n"}, ":3: the default"),
    "defaults_mapping": ({NET: "+defaults: {a: b}\n"}, "net.yaml:3: defaults must be a list"),
    "defaults_circle": (
        {NET: "+defaults:\n  - other\n", "conf/model/other.yaml": "defaults:\n  - net\n"},
        "comes round",
    ),
    "defaults_self": ({NET: "+defaults:\n  - net@x\n"}, "net.yaml:4: defaults: model/net comes round"),
    "defaults_bomb": (defaults_bomb(7), "defaults: "),
    "default_after_override": (
        {PAPER: TOP + "defaults:\n  - override /model: net\n  - /probe: brier\n"},
        ":3: the default 'override /model: net': overrides come last in the list",
    ),
    "own_group_at_top": (
        {PAPER: TOP + "defaults:\n  - /encoder: small\n", "conf/encoder/small.yaml": "width: 2\n"},
        ":3: the default '/encoder: small': puts it at encoder",
    ),
    # targets
    "target_os": ({NET: "_target_: os.system\n"}, "net.yaml:1: _target_: os.system is outside"),
    "target_nested": ({NET: "+inner: [{deep: {_target_: subprocess.run}}]\n"}, "net.yaml:3: _target_: subprocess.run"),
    "target_arguments": ({NET: "+_args_: [{_target_: builtins.eval}]\n"}, "net.yaml:3: _target_: builtins.eval"),
    "target_partial": ({NET: "_target_: shutil.rmtree\n_partial_: true\n"}, "net.yaml:1: _target_: shutil.rmtree"),
    "target_convert": ({NET: "+_convert_: os.system\n"}, "net.yaml:3: _convert_ must be one of"),
    "target_other_pack": ({NET: "_target_: papers.other.modules.Net\n"}, "net.yaml:1: _target_: papers.other"),
    "target_built": ({NET: "_target_: ${.name}\nname: os.system\n"}, "net.yaml:1: "),
    "target_joined": ({NET: "_target_: o${.s}.system\ns: s\n"}, "net.yaml:1: "),
    "target_through_torch": ({NET: "_target_: torch.nn.modules.module.torch.load\n"}, "net.yaml:1: _target_"),
    "target_load": ({NET: "_target_: torch.load\n"}, "net.yaml:1: _target_: torch.load is outside"),
    "target_hub": ({NET: "_target_: torchvision.models.get_model.hub\n"}, "net.yaml:1: _target_"),
    "target_pretrained": ({NET: "_target_: transformers.BertModel.from_pretrained\n"}, "net.yaml:1: _target_"),
    "target_dataparallel": ({NET: "_target_: torch.nn.DataParallel\n"}, "net.yaml:1: _target_"),
    "target_init": ({NET: "_target_: torch.nn.init.normal_\n"}, "net.yaml:1: _target_"),
    "target_machinery": ({NET: "_target_: mlintern.engine.checkpoint.save\n"}, "net.yaml:1: _target_"),
    "target_through_engine": ({NET: "_target_: mlintern.engine.loop.os.system\n"}, "net.yaml:1: _target_"),
    "target_case": ({NET: "+inner: {_Target_: os.system}\n"}, "net.yaml:3: the key '_Target_' looks like"),
    "target_dotted": ({NET: "+inner._target_: os.system\n"}, "net.yaml:3: _target_: os.system"),
    "target_list": ({NET: "_target_: [os.system]\n"}, "net.yaml:1: _target_ must be text"),
    "target_in_text": ({NET: "+note: x._target_=os.system\n"}, "net.yaml:3: a value holds _target_"),
    # references
    "env_value": ({NET: "+name: ${oc.env:HOME}\n"}, "net.yaml:3: '${oc.env:HOME}'"),
    "env_nested": ({NET: "+name: ${oc.${kind}:HOME}\n"}, "net.yaml:3: "),
    "oc_create": ({NET: "+inner: '${oc.create:{_target_: os.system}}'\n"}, "net.yaml:3: "),
    "oc_decode": ({NET: "+inner: \"${oc.decode:'[1]'}\"\n"}, "net.yaml:3: "),
    "hydra_resolver": ({NET: "+cwd: ${hydra:runtime.cwd}\n"}, "net.yaml:3: "),
    "hydra_node": ({NET: "+name: ${hydra.job.name}\n"}, "net.yaml:3: ${hydra.job.name} reads what is not the pack's"),
    "run_node": ({NET: "+name: ${run.dir}\n"}, "net.yaml:3: ${run.dir} reads"),
    "llm_relative": ({NET: "+name: ${..llm.base_url}\n"}, "net.yaml:3: ${..llm.base_url} reads"),
    "references_double": ({NET: doubling(30)}, "its references make it too large"),
    "references_round": ({NET: "+a: ${.b}\nb: ${.a}\n"}, "come round"),
    "references_long": ({NET: f"+a: {'${.width}' * 200}\n"}, "net.yaml:3: a text of 1,800 characters with references"),
    # overrides of the grid
    "set_sandbox": ({PAPER: "+  x: {grid: [{model: [net], set: ['sandbox=none']}]}\n"}, ":14: "),
    "grid_set": (
        {PAPER: TOP + "paper:\n  grid:\n    - {model: [net], data: [blobs], set: [sandbox=none]}\n"},
        ":4: set: sandbox=none: sandbox is the user's to set",
    ),
    "grid_set_plus": (
        {PAPER: TOP + "paper:\n  grid:\n    - {model: [net], data: [blobs], set: ['+x=1']}\n"},
        ":4: set: '+x=1': write it like",
    ),
    "grid_set_hydra": (
        {PAPER: TOP + "paper:\n  grid:\n    - {model: [net], data: [blobs], set: ['hydra.run.dir=x']}\n"},
        ":4: set: hydra.run.dir=x: hydra.run.dir is the user's",
    ),
    "grid_set_target": (
        {PAPER: TOP + "paper:\n  grid:\n    - {model: [net], data: [blobs], set: ['model._target_=os.system']}\n"},
        ":4: set: 'model._target_=os.system' holds _target_",
    ),
    "other_slug": (
        {PAPER: TOP + "paper:\n  slug: arxiv_2011_14439\n"},
        ":3: paper.slug: 'arxiv_2011_14439' is another",
    ),
    # YAML itself
    "anchor_bomb": ({NET: bomb}, "net.yaml:1: anchors and aliases are not allowed"),
    "anchor": ({NET: "+a: &x 1\nb: *x\n"}, "net.yaml:3: anchors and aliases"),
    "merge_key": ({NET: "+<<: {_target_: os.system}\n"}, "net.yaml:3: "),
    "tag": ({NET: "+a: !!python/object/apply:os.system ['id']\n"}, "net.yaml:3: the tag"),
    "tag_directive": ({NET: "%TAG ! tag:yaml.org,2002:python/\n---\na: !name:os.system x\n"}, "net.yaml:3: the tag"),
    "duplicate": ({NET: "+width: 8\n"}, "net.yaml:3: the key 'width' stands twice"),
    "deep": ({NET: "+a: " + "[" * 3000 + "]" * 3000 + "\n"}, "net.yaml:3: nested deeper than 50 levels"),
    "two_documents": ({NET: "+---\nb: 2\n"}, "net.yaml:3:1: not valid YAML"),
    "syntax": ({NET: "+a: [1\n"}, "net.yaml:4:1: not valid YAML"),
    "tab": ({NET: "+a:\n\tb: 1\n"}, "net.yaml:4:1: not valid YAML"),
    "list": ({NET: "- 1\n- 2\n"}, "net.yaml:1: is a list, and a config is a mapping"),
    "scalar": ({NET: "net\n"}, "net.yaml:1: is a single value"),
    "part_is_list": ({PAPER: "+optimizer: [adam]\n"}, ":14: optimizer: is a list, and must be a mapping"),
    "part_is_text": ({PAPER: "+loss: mse\n"}, ":14: loss: is 'mse', and must be a mapping"),
    "dotted_part": ({PAPER: "+model.width: 3\n"}, ":14: the key model.width has a dot in it"),
    "not_utf8": (
        {PAPER: b"# @package _global_\npaper:\n  title: caf\xff\n"},
        "local_evil.yaml:3: the byte 0xff is not UTF-8",
    ),
    "utf16": ({NET: "width: 4\n".encode("utf-16")}, "net.yaml:1: the byte 0xff is not UTF-8"),
    "byte_order_mark": ({NET: b"\xef\xbb\xbfwidth: 4\n"}, "net.yaml:1: holds a byte order mark"),
    "zero_byte": ({NET: "+a: x\x00y\n"}, "net.yaml:3: holds the invisible character U+0000"),
    "line_separator": ({NET: "# x\u2028# @package hydra\na: 1\n"}, "net.yaml:1: holds the invisible character U+2028"),
    "number_key": ({NET: "+names: {0: cat}\n"}, "net.yaml:3: the key '0' must be a string"),
    "long_number": ({NET: f"+a: {'1' * 5000}\n"}, "net.yaml:3: a number of 5000 characters"),
    "base_60": ({NET: f"+a: {'1:' * 60_000}1\n"}, "net.yaml:3: a number of 120001 characters"),
    # files
    "pipe": ({"conf/model/x.yaml": pipe}, "model/x.yaml:1: is no plain file (a pipe"),
    "pipe_that_is_chosen": ({NET: pipe}, "net.yaml:1: is no plain file (a pipe"),
    "pipe_elsewhere": ({"conf/notes/readme": pipe}, "notes/readme:1: is no plain file"),
    "socket": ({"conf/model/x.yaml": bound_socket}, "model/x.yaml:1: is no plain file"),
    "link_out": ({NET: link_to("/etc/passwd")}, "net.yaml:1: is a link"),
    "link_to_device": ({NET: link_to("/dev/zero")}, "net.yaml:1: is a link"),
    "link_of_folder": ({"conf/block": link_to("/etc")}, "conf/block:1: is a link"),
    "link_within": ({"conf/model/x.yaml": link_to("net.yaml")}, "x.yaml:1: is a link"),
    "sparse": ({NET: sparse}, "net.yaml:1: larger than 256 KiB"),
    "large": ({NET: "+a: " + "x" * 300_000 + "\n"}, "net.yaml:1: larger than 256 KiB"),
    "many": ({f"conf/block/f{i}.yaml": "a: 1\n" for i in range(4100)}, "is one too many: more than 4,000 files"),
    "too_deep": ({f"conf/{'a/' * 9}x.yaml": "a: 1\n"}, "lies too deep"),
    "primary": ({"conf/config.yaml": "seed: 1\n"}, "conf/config.yaml:1: would stand in"),
    "hydra_group": (
        {"conf/hydra/launcher/mine.yaml": "_target_: x.y\n"},
        "conf/hydra/launcher/mine.yaml:1: would stand in",
    ),
    "sandbox_option": ({"conf/sandbox/mine.yaml": "backend: none\n"}, "conf/sandbox/mine.yaml:1: would stand in"),
    "no_group": ({"conf/extra.yaml": "a: 1\n"}, "conf/extra.yaml:1: lies in no group"),
    "yml": ({"conf/model/x.yml": "a: 1\n"}, "x.yml:1: is not read by Hydra; name it .yaml"),
    "hidden_by_ours": (
        {"conf/optimizer/adam.yaml": "lr: 3\n"},
        "adam.yaml:1: has the name of an option of this tool's",
    ),
    "hidden_name": ({"conf/model/.x.yaml": "a: 1\n"}, ".x.yaml:1: has a name that no override can give"),
}


@pytest.mark.timeout(30)  # a hang: each takes milliseconds
@pytest.mark.parametrize("name", HOSTILE)
def test_one_line_at_once_that_names_the_file_and_nothing_is_imported(name, tmp_path):
    changes, says = HOSTILE[name]
    write(tmp_path, changes)
    with pytest.raises(UserError) as refused, Composer(SLUG, tmp_path / "papers") as composer:
        composer.compose([])
    message = str(refused.value)
    assert says in message
    assert "\n" not in message
    assert not (tmp_path / "canary").exists()


def test_there_are_enough_of_them():
    assert len(HOSTILE) >= 60
