"""Writes the checkpoints of this folder, and ``expected.json``: how the runs that were not interrupted end.

Commit 766a6b3 wrote the files, under torch 2.13 and Lightning 2.6. Do not write them again with a later commit: they show
that what users have on disk still resumes. With a checkout of the old commit in ``$OLD``::

    PYTHONPATH=$OLD:$OLD/tests:tests OMP_NUM_THREADS=1 python tests/old_checkpoints/write.py [case ...]
"""

from __future__ import annotations

import functools
import json
import shutil
import sys
import tempfile
from pathlib import Path

import torch

from old_checkpoints.cases import ONE_PROCESS, TWO_PROCESSES, result

HERE = Path(__file__).resolve().parent


def write(cases: list[str]) -> None:
    """Writes the checkpoints of some cases, and puts their ends beside those of the others."""
    from _support.fork import on_two_ranks  # the old commit's, from its tests

    torch.set_num_threads(1)
    kept = HERE / "expected.json"
    expected = json.loads(kept.read_text()) if kept.exists() else {}
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{case}.ckpt"
            run = functools.partial(result, case, Path(folder), save_to=path)
            expected[case] = on_two_ranks(lambda rank, run=run: run())[0] if case in TWO_PROCESSES else run()
            if path.is_dir():
                shutil.make_archive(str(HERE / path.name), "zip", path)
            else:
                shutil.copyfile(path, HERE / path.name)
    lines = [f"{json.dumps(case)}: {json.dumps(end)}" for case, end in sorted(expected.items())]
    kept.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    # The cases of two processes come first: a process that has compiled has threads, and is not to be forked.
    write(sys.argv[1:] or [*TWO_PROCESSES, *ONE_PROCESS])
