"""Real processes that are killed at random moments: what they leave goes on to the weights of the unbroken run."""

import multiprocessing
import os
import random
import resource
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from _support.net import fit, weights
from _support.signalled import signalled
from lit_optim.callbacks import SaveOnSignal

pytestmark = pytest.mark.slow
SPECS: dict[str, Any] = {"scheduler": "warmup_cosine", "param_groups": "no_decay", "optim_callbacks": "ema"}
LAST: dict[str, Any] = {"filename": "last", "enable_version_counter": False}


class FullDisk(Callback):
    """No file may grow from the sixth step on."""

    def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
        if trainer.global_step == 5:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))


def run(folder: Path, *callbacks: Callback, ckpt_path: Path | None = None) -> torch.Tensor:
    """A run that saves at every step, so that many a moment lies within a save."""
    saves = [ModelCheckpoint(folder, every_n_train_steps=1, **LAST)]
    model, _ = fit(
        folder, signalled(**SPECS), ckpt_path=ckpt_path, max_epochs=4, callbacks=[SaveOnSignal(), *saves, *callbacks]
    )
    return weights(model)


class Started(Callback):
    """Says when the first batch begins: until then there is nothing to lose."""

    def __init__(self, event: Any) -> None:
        self.event = event

    def on_train_batch_start(self, *_: Any) -> None:
        self.event.set()


def in_process(folder: Path, *callbacks: Callback, number: int | None = None, after: float = 0.0) -> tuple[int, float]:
    """The exit code of a run in a forked process, which gets a signal so many seconds after its first batch, and its seconds."""
    context = multiprocessing.get_context("fork")
    started = context.Event()

    def child() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background ignores it
        run(folder, Started(started), *callbacks)

    process = context.Process(target=child)
    process.start()
    assert started.wait(60)
    began = time.monotonic()
    if number is not None:
        time.sleep(after)
        os.kill(process.pid or 0, number)
    process.join(60)
    assert process.exitcode is not None, "the run hangs"
    return process.exitcode, time.monotonic() - began


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[torch.Tensor, float]:
    """The final weights, and the seconds of a run in a forked process."""
    folder = tmp_path_factory.mktemp("unbroken")
    code, duration = in_process(folder / "forked")
    assert code == 0
    return run(folder / "here"), duration


def resumed(folder: Path) -> torch.Tensor:
    last = folder / "last.ckpt"
    return run(folder, ckpt_path=last if last.exists() else None)


@pytest.mark.parametrize(
    ("number", "code", "times"),
    [(signal.SIGKILL, -9, 20), (signal.SIGTERM, 143, 3), (signal.SIGINT, 130, 3), (signal.SIGUSR1, 138, 3)],
)
def test_stopped_at_random_moments(
    tmp_path: Path, unbroken: tuple[torch.Tensor, float], number: int, code: int, times: int
) -> None:
    expected, duration = unbroken
    moments, codes = random.Random(number), []
    for i in range(times):
        after = 0.7 * duration * (i + moments.random()) / times
        found, _ = in_process(tmp_path / str(i), number=number, after=after)
        assert torch.equal(resumed(tmp_path / str(i)), expected), f"after {after} s"
        codes.append(found)
    assert code in codes, f"not one run was stopped: {codes}"  # some may be faster than their signal


def test_a_disk_that_is_full_leaves_the_checkpoint_before(tmp_path: Path, unbroken: tuple[torch.Tensor, float]) -> None:
    assert in_process(tmp_path, FullDisk())[0] == 1
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 5
    assert torch.equal(resumed(tmp_path), unbroken[0])
