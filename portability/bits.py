"""What this CPU computes under determinism=portable: `python -m portability.bits [--no-training]`.

Every operation of `operations`, then short trainings (the golden runs: MLP, CNN, GRU and transformer, with fused Adam
and AdamW, SGD, clipping, mixup, shards), as lines of JSON `{"name", "sha256"}`. `emulation` runs it on one CPU after
the other.
"""

import contextlib
import hashlib
import io
import json
import sys

import yaml

from mlintern.core.roots import ROOT
from mlintern.engine.determinism import Determinism
from portability import operations


def main() -> None:
    level = Determinism(**yaml.safe_load((ROOT / "conf/determinism/portable.yaml").read_text(encoding="utf-8")))
    level.check_pins()
    level.apply()
    operations.report()
    if "--no-training" not in sys.argv:
        from tests.golden import runs

        with contextlib.redirect_stdout(io.StringIO()) as printed:
            runs.main()
        for name, run in json.loads(printed.getvalue().splitlines()[-1])["runs"].items():
            value = hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()[:16]
            print(json.dumps({"name": f"training: {name}", "sha256": value}), flush=True)


if __name__ == "__main__":
    main()
