"""A provider whose answers a test writes, stage by stage, and the answers of one small paper."""

import json

from mlintern.author.asking.messages import Answer, Usage


class Scripted:
    """Answers each stage's requests from a list; what was asked stays in `asked`."""

    name, model, paid = "scripted", "scripted-1", False

    def __init__(self, **answers):
        self.answers = {stage: list(given) if isinstance(given, list) else [given] for stage, given in answers.items()}
        self.asked = []

    def count_tokens(self, request):
        return 0

    def ask(self, request, progress):
        self.asked.append(request)
        given = self.answers[request.stage]
        answer = given.pop(0) if len(given) > 1 else given[0]
        if isinstance(answer, BaseException):
            raise answer
        text = answer if isinstance(answer, str) else json.dumps(answer)
        return Answer(text=text, model=self.model, usage=Usage())

    def stages(self):
        return [request.stage for request in self.asked]


OUTLINE = {
    "kind": "architecture", "trainable": True, "why": "It trains two small models.",
    "evidence": "We train for 100K steps without Nesterov momentum",
    "experiments": [{"id": "main", "what": "two models", "trainable_here": True, "reason": "small"}],
    "out_of_reach": [], "published_scale": "one machine", "beyond_one_machine": False, "figures": [],
}  # fmt: skip


def setting(key, value, quote=None, **kw):
    return {
        "key": key, "value": value, "unit": None, "where": [], "quote": quote, "table": None, "row": None,
        "column": None, "in_config": True, "reason": "usual", "alternatives": ["7"], **kw,
    }  # fmt: skip


def cell(row, column, **kw):
    return {
        "row": row, "column": column, "row_name": f"r{row}", "column_name": f"c{column}", "variant": "cnn",
        "data": "toy", "levels": [], "metric": "accuracy", "split": "test", "testable": True, "reason": "", **kw,
    }  # fmt: skip


EXTRACTION = {
    "licence": None, "year": 2020,
    "datasets": [{"id": "toy", "description": "made here", "available": True, "reason": ""}],
    "variants": [
        {"id": "cnn", "name": "CNN", "description": "c", "parameters": 5210, "parameters_quote": None,
         "parameters_table": "tab:main", "parameters_row": 1, "parameters_column": 2},
        {"id": "mlp", "name": "MLP", "description": "m", "parameters": 9, "parameters_quote": "MLP has 9 parameters",
         "parameters_table": None, "parameters_row": None, "parameters_column": None},
    ],
    "settings": [
        setting("optimizer", "adam", "We use the Adam optimizer"),
        setting("optimizer.lr", "3e-4", "a learning rate of 3·10^{-4}"),
        setting("trainer.batch_size", "1024", "The batch size is 1,024"),
        setting("optimizer.weight_decay", "0.1", "Weight decay is 0.1 for all models"),
        setting("model.parameters", "5210", table="tab:main", row=1, column=2, in_config=False),
        setting("model.init", '"orthogonal"', alternatives=["default"]),
    ],
    "tables": [
        {
            "id": "t1", "table": "tab:main", "description": "accuracy", "metric": "accuracy", "unit": "percent",
            "better": "higher", "runs": 5, "runs_quote": "over five runs", "spread": "unknown",
            "caption_quote": "Our model is best", "cells": [cell(1, 1), cell(2, 1, variant="mlp"), cell(3, 1)],
        }
    ],
    "claims": [
        {"id": "best", "statement": "s", "quote": "Our model is best", "testable": True, "reason": "",
         "check": '{"kind":"greater","a":{"variant":"cnn"},"b":{"variant":"mlp"},"metric":"accuracy"}'},
        {"id": "made_up", "statement": "s", "quote": "Our model is a hundred times faster", "testable": False,
         "reason": "speed", "check": ""},
    ],
    "ablations": [], "reductions": [],
}  # fmt: skip
COMPLETION = {"settings": [], "tables": [], "claims": [], "unmapped": []}
MENDED = {
    "settings": [setting("optimizer.weight_decay", "0.01", "Weight decay is 0.01 for all models")],
    "claims": [EXTRACTION["claims"][1]],
}
WRITTEN = {
    "files": [
        {"path": "modules.py", "content": "from torch import nn\n\n\nclass CNN(nn.Module):\n    pass\n"},
        {"path": "conf/model/cnn.yaml", "content": "_target_: papers.arxiv_2001_00001.modules.CNN\n"},
        {
            "path": "conf/paper/arxiv_2001_00001.yaml",
            "content": "# @package _global_\npaper:\n  slug: arxiv_2001_00001\n",
        },
    ],
    "inputs": [{"variant": "cnn", "shape": [4], "dtype": "float32", "high": 2}],
}
CRITIQUE = {
    "components": [
        {"component": "cnn", "quote": "", "code": "modules.py:4 is empty", "verdict": "unclear", "fix": "say more"},
        {"component": "adam", "quote": "We use the Adam optimizer", "code": "adam", "verdict": "matches", "fix": ""},
    ]
}
