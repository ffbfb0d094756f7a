"""The example app, or another one, as a process of its own, forked from the warm one: what the shell would see, in a second."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
from dataclasses import dataclass
from pathlib import Path

import fsspec
from hydra import compose, initialize_config_dir

import app.checks
import app.console
import app.data
import app.nets
import app.task  # noqa: F401 - imported once here, not in every fork

TRAIN = Path(__file__).resolve().parents[2] / "examples" / "train.py"

with initialize_config_dir(str(TRAIN.parent / "conf"), version_base="1.3"):  # Hydra's plugins and grammar, once
    compose("train", ["optimizer=sgd", "+x={a:[1,b,null,${seed}]}", "~logger", "optimizer.lr=1e-3"])
fsspec.filesystem("file")  # asked for by Lightning's callbacks


@dataclass(frozen=True)
class Outcome:
    """Exit code and what was printed."""

    code: int
    out: str
    err: str


def train(folder: Path, *arguments: str, timeout: float = 300.0) -> Outcome:
    """``python examples/train.py <arguments>`` in ``folder``."""
    return run(TRAIN, TRAIN.parent, folder, *arguments, timeout=timeout)


def run(script: Path, root: Path, folder: Path, *arguments: str, timeout: float = 300.0) -> Outcome:
    """``python <script> <arguments>`` in ``folder``, with ``root`` on the import path."""
    out, err = folder / "out.txt", folder / "err.txt"
    process = multiprocessing.get_context("fork").Process(
        target=_main, args=(script, root, folder, out, err, arguments)
    )
    process.start()
    process.join(timeout)
    if process.is_alive():
        process.kill()
        raise AssertionError(f"{arguments} did not end within {timeout} s:\n{err.read_text()[-2000:]}")
    return Outcome(process.exitcode or 0, out.read_text(), err.read_text())


def _main(script: Path, root: Path, folder: Path, out: Path, err: Path, arguments: tuple[str, ...]) -> None:
    for file, number in ((out, 1), (err, 2)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115 - to the end
    os.chdir(folder)
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # the same run on machines with a GPU, which `accelerator: auto` would take
    sys.argv = [str(script), *arguments]
    sys.path.insert(0, str(root))
    sys.settrace(None)  # a coverage run looks like a debugger to Hydra, which then raises what it would print
    code = 0
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
