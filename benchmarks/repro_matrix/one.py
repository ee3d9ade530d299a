"""Runs jobs in this interpreter: `python -m benchmarks.repro_matrix.one JOBS.json ANSWERS.json`."""

import json
import sys
from pathlib import Path

from benchmarks.repro_matrix.forks import run


def main() -> None:
    jobs = json.loads(Path(sys.argv[1]).read_text())
    answers = [run(job) for job in jobs]
    Path(sys.argv[2]).write_text(json.dumps(answers))


if __name__ == "__main__":
    main()
