"""Configurations and files of packs that attack the host's side: composition, approval, hashing, reading."""

import importlib.util
import json
import marshal
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from tests.adversarial.packs import CONF as ANY_CONF
from tests.adversarial.packs import GRID, Project

PAPER = "conf/paper/SLUG.yaml"
CONF = ANY_CONF.replace("OPTIMIZER", "sgd").replace("GRID", GRID)


def more(text: str) -> dict[str, str]:
    """The paper's configuration with `text` at its end."""
    return {PAPER: CONF + text}


def grid(entry: str) -> dict[str, str]:
    """The paper's configuration with another grid."""
    return {PAPER: CONF.replace(GRID, entry)}


def defaults(entry: str) -> dict[str, str]:
    """The paper's configuration with one more default."""
    return {PAPER: CONF.replace("defaults:\n", f"defaults:\n  - {entry}\n")}


def model(text: str) -> dict[str, str]:
    """Another conf/model/net.yaml."""
    return {"conf/model/net.yaml": text}


CALL = "_target_: papers.SLUG.modules.effect"
ANCHORS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)
)
CONFIGS = {
    "sandbox_none": more("sandbox: none\n"),
    "sandbox_none_mapping": more("sandbox: {backend: none}\n"),
    "sandbox_network": more("sandbox: {network: peers}\n"),
    "sandbox_none_in_model": model("# @package _global_\nsandbox: none\nmodel: {_target_: papers.SLUG.modules.Net}\n"),
    "sandbox_dotted_package": model("# @package sandbox\nx: none\n"),
    "hydra_callbacks": more(f"hydra: {{callbacks: {{x: {{{CALL}}}}}}}\n"),
    "hydra_callbacks_package": model(f"# @package hydra.callbacks.x\n{CALL}\n"),
    "hydra_callbacks_in_model": model(f"# @package _global_\nhydra: {{callbacks: {{x: {{{CALL}}}}}}}\n"),
    "hydra_launcher": more(f"hydra: {{launcher: {{{CALL}}}}}\n"),
    "hydra_launcher_default": defaults("override /hydra/launcher: joblib"),
    "hydra_sweeper_default": defaults("override /hydra/sweeper: optuna"),
    "hydra_logging_default": defaults("override /hydra/job_logging: default"),
    "hydra_group_of_own": {**defaults("/hydra/callbacks: x"), "conf/hydra/callbacks/x.yaml": f"x: {{{CALL}}}\n"},
    "hydra_group_unasked": {"conf/hydra/callbacks/default.yaml": f"x: {{{CALL}}}\n"},
    "hydra_searchpath": more("hydra: {searchpath: ['file://OUT']}\n"),
    "hydra_run_dir": more("hydra: {run: {dir: OUT/hydra}}\n"),
    "hydra_output_subdir": more("hydra: {output_subdir: OUT/hydra}\n"),
    "hydra_env_set": more("hydra: {job: {env_set: {LD_PRELOAD: OUT/x.so}}}\n"),
    "hydra_job_chdir": more("hydra: {job: {chdir: true}}\n"),
    "hydra_at": defaults("/model@hydra.callbacks.x: net"),
    "run_dir": more("run: {dir: OUT/runs}\n"),
    "run_data_dir": more("run: {data_dir: OUT/data}\n"),
    "run_report_dir": more("run: {report_dir: OUT/reports}\n"),
    "env_drift": more("env: {drift: warn}\n"),
    "llm_base_url": more("llm: {base_url: 'http://127.0.0.1:1'}\n"),
    "logger_default": defaults("override /logger: wandb"),
    "logger_target": more(f"logger: {{{CALL}}}\n"),
    "audit_off": more("audit: {fail_on: never}\n"),
    "determinism_env": more("determinism: {environment: {LD_PRELOAD: OUT/x.so}}\n"),
    "environment_read": more("note: '${oc.env:ANTHROPIC_API_KEY}'\n"),
    "environment_in_title": {PAPER: CONF.replace("A hostile paper", "'${oc.env:HF_TOKEN}'")},
    "environment_decoded": model("_target_: papers.SLUG.modules.Net\nx: \"${oc.decode:'${oc.env:HF_TOKEN}'}\"\n"),
    "target_os_system": model("_target_: os.system\ncommand: touch OUT/os\n"),
    "target_exec": model("_target_: builtins.exec\nsource: open('OUT/exec','w')\n"),
    "target_other_pack": model("_target_: papers.local_other.modules.ViT\n"),
    "target_torch_load": model("_target_: torch.load\nf: OUT/keep\n"),
    "target_through_torch": model("_target_: torch.nn.modules.module.torch.os.system\ncommand: touch OUT/os\n"),
    "target_through_engine": model("_target_: mlintern.engine.methods.os.system\ncommand: touch OUT/os\n"),
    "target_outside_engine": model("_target_: mlintern.core.files.write_text\npath: OUT/files\ntext: x\n"),
    "target_writer_of_data": model("_target_: mlintern.data.prepare.prepare\nfolder: OUT/data\n"),
    "target_nested": model(
        "_target_: papers.SLUG.modules.Net\nx: {y: [{_target_: os.system, command: touch OUT/n}]}\n"
    ),
    "target_lookalike": model("_t\u0430rget_: os.system\n_target_: papers.SLUG.modules.Net\n"),
    "target_computed": model("_target_: ${.x}\nx: os.system\n"),
    "target_args": model("_target_: papers.SLUG.modules.Net\n_args_: [1]\n"),
    "target_at_import": model("_target_: papers.SLUG.modules\n"),
    "python_tag": model("_target_: papers.SLUG.modules.Net\nx: !!python/object/apply:os.system ['touch OUT/tag']\n"),
    "python_tag_in_spec": {"spec.yaml": "!!python/object/apply:os.system ['touch OUT/tag']\n"},
    "anchors": model("_target_: papers.SLUG.modules.Net\n" + ANCHORS),
    "anchors_in_spec": {"spec.yaml": ANCHORS},
    "deep": model("_target_: papers.SLUG.modules.Net\nx: " + "{a: " * 3000 + "}" * 3000 + "\n"),
    "wide": model("_target_: papers.SLUG.modules.Net\nx: [" + "1,\n" * 300_000 + "]\n"),
    "long_number": model("_target_: papers.SLUG.modules.Net\nx: " + "9" * 90_000 + "\n"),
    "twice": model("_target_: papers.SLUG.modules.Net\n_target_: os.system\n"),
    "searchpath_default": defaults("file://OUT/keep"),
    "primary_config": {"conf/config.yaml": "sandbox: none\n"},
    "group_of_the_users": {"conf/sandbox/default.yaml": "none\n", "conf/llm/anthropic.yaml": "base_url: http://x\n"},
    "grid_override": grid("[{model: [net], data: [secret], set: [sandbox=none]}]"),
    "grid_hydra": grid(
        "[{model: [net], data: [secret], set: ['+hydra.callbacks.x._target_=papers.SLUG.modules.effect']}]"
    ),
    "grid_run_dir": grid("[{model: [net], data: [secret], set: [run.dir=OUT/runs]}]"),
    "grid_two_in_one": grid("[{model: ['net sandbox=none'], data: [secret]}]"),
    "slug_of_another": {PAPER: CONF.replace("slug: SLUG", "slug: ../../outside")},
}
"""{name: {file: text}} of what must be refused in one line, exit 2, before anything is run."""


def _replace(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(3 << 30)


def _unix(path: Path) -> None:
    before = os.getcwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(before)


def _bytecode(path: Path, code: str) -> None:
    """A cache that Python would believe: of the source's time and size."""
    about = (path / "modules.py").stat()
    header = importlib.util.MAGIC_NUMBER + (0).to_bytes(4, "little")
    header += int(about.st_mtime).to_bytes(4, "little") + (about.st_size & 0xFFFFFFFF).to_bytes(4, "little")
    cache = path / "__pycache__" / f"modules.{sys.implementation.cache_tag}.pyc"
    cache.parent.mkdir(exist_ok=True)
    cache.write_bytes(header + marshal.dumps(compile(code, "modules.py", "exec")))


def _code(project: Project, name: str) -> str:
    """Python that leaves a file outside."""
    return f"open({str(project.out / name)!r}, 'w').write({project.mark!r})\n"


def _run_folder(project: Project, pack: Path) -> Path:
    folder = project.folder / "runs" / pack.name
    folder.parent.mkdir(exist_ok=True)
    return folder


def _deep(folder: Path) -> None:
    for _ in range(300):
        folder = folder / "d"
        folder.mkdir()


FILES: dict[str, Callable[[Project, Path], object]] = {
    "fifo_modules": lambda p, f: _replace(f / "modules.py", os.mkfifo),
    "fifo_spec": lambda p, f: _replace(f / "spec.yaml", os.mkfifo),
    "fifo_config": lambda p, f: _replace(f / "conf" / "model" / "net.yaml", os.mkfifo),
    "fifo_paper": lambda p, f: _replace(f / "conf" / "paper" / f"{f.name}.yaml", os.mkfifo),
    "fifo_beside": lambda p, f: os.mkfifo(f / "more.yaml"),
    "fifo_lock": lambda p, f: os.mkfifo(f / "pack.lock"),
    "fifo_composed": lambda p, f: os.mkfifo(f / "composed.yaml"),
    "socket": lambda p, f: _unix(f / "conf" / "s.yaml"),
    "sparse_modules": lambda p, f: _replace(f / "modules.py", _sparse),
    "sparse_spec": lambda p, f: _replace(f / "spec.yaml", _sparse),
    "sparse_config": lambda p, f: _replace(f / "conf" / "model" / "net.yaml", _sparse),
    "sparse_beside": lambda p, f: _sparse(f / "a.bin"),
    "link_modules": lambda p, f: _replace(f / "modules.py", lambda x: x.symlink_to(p.home / ".netrc")),
    "link_to_zero": lambda p, f: _replace(f / "modules.py", lambda x: x.symlink_to("/dev/zero")),
    "link_spec": lambda p, f: _replace(f / "spec.yaml", lambda x: x.symlink_to("/dev/zero")),
    "link_config": lambda p, f: _replace(f / "conf" / "model" / "net.yaml", lambda x: x.symlink_to(p.home / ".netrc")),
    "link_folder": lambda p, f: (f / "conf" / "up").symlink_to(".."),
    "link_to_home": lambda p, f: (f / "home").symlink_to(p.home),
    "deep": lambda p, f: _deep(f),
    "newline": lambda p, f: (f / "a\nb.yaml").write_text("x: 1\n"),
    "no_text": lambda p, f: (f / "conf" / "model" / "net.yaml").write_bytes(b"\xff\xfe\x00"),
    "init_of_pack": lambda p, f: (f / "__init__.py").write_text(_code(p, "init")),
    "init_of_papers": lambda p, f: (f / "papers.py").write_text(_code(p, "papers")),
    "package_beside": lambda p, f: (
        (f / "modules").mkdir(),
        (f / "modules" / "__init__.py").write_text(_code(p, "package")),
    ),
    "sitecustomize": lambda p, f: (f / "sitecustomize.py").write_text(_code(p, "site")),
    "conftest": lambda p, f: (f / "conftest.py").write_text(_code(p, "conftest")),
    "path_file": lambda p, f: (f / "x.pth").write_text(f"import os; {_code(p, 'pth')}"),
    "extension": lambda p, f: (f / f"modules.{sys.implementation.cache_tag}-x86_64-linux-gnu.so").write_bytes(
        b"\x7fELF"
    ),
    "bytecode": lambda p, f: _bytecode(f, _code(p, "bytecode")),
    "bytecode_beside": lambda p, f: (
        _bytecode(f, _code(p, "pyc")),
        os.rename(next((f / "__pycache__").iterdir()), f / "extra.pyc"),
    ),
    "forged_lock": lambda p, f: (f / "pack.lock").write_text("approved_by: you\nfiles: {modules.py: x}\n"),
    "lock_tag": lambda p, f: (f / "pack.lock").write_text(
        f"files: !!python/object/apply:os.system ['touch {p.out}/lock']\n"
    ),
    "runs_is_a_fifo": lambda p, f: os.mkfifo(_run_folder(p, f)),
    "record_is_a_fifo": lambda p, f: (
        (_run_folder(p, f) / "c0ffee").mkdir(parents=True),
        os.mkfifo(_run_folder(p, f) / "c0ffee" / "run.json"),
    ),
    "record_is_a_bomb": lambda p, f: (
        (_run_folder(p, f) / "c0ffee").mkdir(parents=True),
        (_run_folder(p, f) / "c0ffee" / "run.json").write_text("[" * 500_000),
    ),
    "record_of_another": lambda p, f: (
        (_run_folder(p, f) / "c0ffee").mkdir(parents=True),
        (_run_folder(p, f) / "c0ffee" / "run.json").write_text(json.dumps({"status": "finished", "cell_id": "c0ffee"})),
    ),
}
"""{name: what plants the file}: the command ends soon, in one line or with a result, and nothing else happened."""
