"""What packs say in YAML that is none of the check's business: it must go on working."""

# ruff: noqa: E501 - a table of cases, one a line

from pathlib import Path

import pytest

from mlintern.config import Composer
from mlintern.config.pack_yaml import pack_problems
from mlintern.core.roots import PACKS
from tests.config.packs import NET, PAPER, SLUG, write

TOP = "# @package _global_\n"
HEAD = TOP + "defaults:\n  - override /model: net\n  - override /data: blobs\n"
FIRST = TOP + "defaults:\n  - FIRST\n  - override /model: net\n  - override /data: blobs\n"
BASE = "paper: {slug: local_evil, id: local_evil, title: A paper, seeds: [0], grid: [{model: [net], data: [blobs]}]}\n"


def at(config, key):
    for part in key.split("."):
        config = config[int(part)] if isinstance(config, list) else config[part]
    return config


IDIOMS = {
    # (changes, overrides, key, value)
    "reference_to_data": ({NET: "+outputs: ${data.classes}\n"}, [], "model.outputs", 2),
    "reference_beside": ({NET: "+hidden: ${.width}\n"}, [], "model.hidden", 4),
    "reference_in_text": ({NET: "+name: net-${data.name}-${model.width}\n"}, [], "model.name", "net-blobs-4"),
    "reference_to_trainer": ({NET: "+steps: ${trainer.max_steps}\n"}, [], "model.steps", 10),
    "reference_to_mapping": ({NET: "+sizes: ${data.source}\n"}, [], "model.sizes.n", 10),
    "reference_to_item": ({NET: "+sizes: [3, 5]\nlast: '${.sizes[1]}'\n"}, [], "model.last", 5),
    "list_of_lists": ({NET: "+kernels: [[3, 3], [5, 5]]\n"}, [], "model.kernels.1.0", 5),
    "nested_modules": (
        {NET: "+stem: {_target_: torch.nn.Sequential, _args_: [{_target_: torch.nn.Linear, in_features: 8, out_features: 4}]}\n"},
        [],
        "model.stem._args_.0.out_features",
        4,
    ),
    "partial": ({NET: "+act: {_target_: torch.nn.GELU, _partial_: true}\n"}, [], "model.act._partial_", True),
    "function": ({NET: "+act: {_target_: torch.nn.functional.relu, _partial_: true}\n"}, [], "model.act._partial_", True),
    "function_of_pack": ({NET: "+head: {_target_: papers.local_evil.modules.head, width: 2}\n"}, [], "model.head.width", 2),
    "convert": ({NET: "+_convert_: all\n"}, [], "model._convert_", "all"),
    "library_model": ({NET: "_target_: torchmetrics.classification.MulticlassF1Score\nnum_classes: 3\n"}, [], "model.num_classes", 3),
    "null_group": ({NET: "+norm: null\n"}, [], "model.norm", None),
    "words_of_the_user": ({NET: "+run: fast\nenv: cartpole\nlogger: none\naudit: 3\n"}, [], "model.env", "cartpole"),
    "ablation_of_values": ({"conf/ablation/wide.yaml": TOP + "model:\n  width: 8\n"}, ["ablation=wide"], "model.width", 8),
    "ablation_of_nothing": ({"conf/ablation/base.yaml": TOP + "{}\n"}, ["ablation=base"], "model.width", 4),
    "ablation_of_choice": (
        {"conf/ablation/sgd.yaml": TOP + "defaults:\n  - override /optimizer: sgd\n"},
        ["ablation=sgd"],
        "optimizer._target_",
        "torch.optim.SGD",
    ),
    "two_ablations": (
        {"conf/ablation/a.yaml": TOP + "model: {width: 8}\n", "conf/ablation/b.yaml": TOP + "trainer: {clip_norm: 1.0}\n"},
        ["ablation=[a,b]"],
        "trainer.clip_norm",
        1.0,
    ),
    "variant_with_optimizer": (
        {NET: TOP + "defaults:\n  - override /optimizer: sgd\nmodel:\n  _target_: papers.local_evil.modules.Net\noptimizer:\n  lr: 0.5\n"},
        [],
        "optimizer.lr",
        0.5,
    ),
    "own_optimizer": (
        {"conf/optimizer/lion.yaml": "_target_: papers.local_evil.modules.Deep\nlr: 0.1\n", PAPER: HEAD + "  - override /optimizer: lion\n" + BASE},
        [],
        "optimizer.lr",
        0.1,
    ),
    "own_group_below_model": (
        {"conf/block/small.yaml": "width: 2\n", NET: "+defaults:\n  - /block@block: small\n"},
        [],
        "model.block.width",
        2,
    ),
    "own_group_from_paper": (
        {"conf/block/small.yaml": "width: 2\n", PAPER: FIRST.replace("FIRST", "/block@model.block: small") + BASE},
        [],
        "model.block.width",
        2,
    ),
    "own_group_with_header": (
        {"conf/block/small.yaml": "# @package model.block\nwidth: 2\n", PAPER: FIRST.replace("FIRST", "/block: small") + BASE},
        [],
        "model.block.width",
        2,
    ),
    "own_group_chosen": (
        {
            "conf/block/small.yaml": "width: 2\n",
            "conf/block/large.yaml": "width: 9\n",
            NET: "+defaults:\n  - /block@block: small\n",
            "conf/ablation/large.yaml": TOP + "defaults:\n  - override /block@model.block: large\n",
        },
        ["ablation=large"],
        "model.block.width",
        9,
    ),
    "base_option": ({"conf/model/wide.yaml": "defaults:\n  - net\n  - _self_\nwidth: 8\n"}, ["model=wide"], "model.width", 8),
    "optional_default": ({NET: "+defaults:\n  - optional /block@block: other\n  - _self_\n"}, [], "model.width", 4),
    "several_metrics": (
        {PAPER: HEAD + "  - override /metrics: [accuracy, squared_error]\n" + BASE},
        [],
        "metrics.squared_error._target_",
        "mlintern.engine.metrics.SquaredError",
    ),
    "own_metrics": (
        {"conf/metrics/two.yaml": "a:\n  _target_: papers.local_evil.modules.Net\nb:\n  _target_: papers.local_evil.modules.Deep\n"},
        ["metrics=two"],
        "metrics.b._target_",
        "papers.local_evil.modules.Deep",
    ),
    "probes": ({PAPER: FIRST.replace("FIRST", "/probe: [brier, saliency_in_region]") + BASE}, [], "metrics.saliency_in_region.spatial", 2),
    "own_protocol": (
        {"conf/protocol/mine.yaml": "name: mine\nfit_on: [train]\nvalid_fraction: 0.2\nselect_on: valid\nmetric: accuracy\nmode: max\nsplit_seed: 3\n"},
        ["protocol=mine"],
        "protocol.split_seed",
        3,
    ),
    "promise": ({PAPER: HEAD + "  - override /determinism: portable\n" + BASE}, [], "determinism.level", "portable"),
    "design": ({PAPER: "+study: {design: full}\n"}, [], "study.design", "full"),
    "quoted_id": ({PAPER: HEAD + BASE.replace("id: local_evil,", "id: '1412.6980',")}, [], "paper.id", "1412.6980"),
    "fraction_as_text": ({NET: "+ffn: 8/3\nrho: 1/(20n)\n"}, [], "model.ffn", "8/3"),
    "exponent": ({NET: "+eps: 1e-5\n"}, [], "model.eps", 1e-5),
    "label_noise": ({"conf/data/blobs.yaml": "+label_noise: {fraction: 0.15}\n"}, [], "data.label_noise.fraction", 0.15),
    "title_with_signs": ({PAPER: HEAD + BASE.replace("A paper", "'run=1: a, b @ $5 & more'")}, [], "paper.title", "run=1: a, b @ $5 & more"),
    "comments": ({NET: "# a net @ 4 units\n_target_: papers.local_evil.modules.Net  # see @smith\nwidth: 4\n"}, [], "model.width", 4),
    "windows_lines": ({NET: "_target_: papers.local_evil.modules.Net\r\nwidth: 4\r\n"}, [], "model.width", 4),
    "empty_file": ({"conf/augment/nothing.yaml": ""}, ["augment=nothing"], "augment", {}),
    "option_with_hyphen": ({"conf/model/net-2.yaml": "_target_: papers.local_evil.modules.Net\n"}, ["model=net-2"], "model._target_", "papers.local_evil.modules.Net"),
    "library_below": ({NET: "+loss: {_target_: torch.nn.CrossEntropyLoss}\n"}, [], "model.loss._target_", "torch.nn.CrossEntropyLoss"),
    "deep_package": ({"conf/block/x.yaml": "# @package model.encoder.block\nn: 1\n", PAPER: FIRST.replace("FIRST", "/block: x") + BASE}, [], "model.encoder.block.n", 1),
    "notes_beside": ({"conf/README.md": "what these are\n", "conf/model/notes.txt": "x\n"}, [], "model.width", 4),
}  # fmt: skip


@pytest.mark.parametrize("name", IDIOMS)
def test_composes(name, tmp_path):
    changes, overrides, key, value = IDIOMS[name]
    modules = write(tmp_path, changes) / "modules.py"
    modules.write_text(modules.read_text().replace("norm=None):", "norm=None, **rest):"))
    with Composer(SLUG, tmp_path / "papers") as composer:
        config, _ = composer.compose(overrides)
    assert at(config.plain(), key) == value
    assert not (tmp_path / "canary").exists()


def test_there_are_enough_of_them():
    assert len(IDIOMS) >= 20


@pytest.mark.parametrize("pack", sorted(PACKS.glob("*/")), ids=lambda path: path.name)
def test_the_packs_of_this_project_pass(pack: Path):
    assert pack_problems(pack.resolve(), by_name=False) == []
