"""A run that is resumed with another length: every lr that it still uses is that of the policy's formula."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from _support.net import fit, loader
from _support.resumed_runs import data, lrs_of, module, resumed, saved, spec_of
from conftest import SCHEDULERS

# at step 8, behind the second epoch; the steps of the whole run are those done, and what the new Trainer has to do
BEHIND_AN_EPOCH: dict[str, tuple[dict[str, Any], int]] = {
    "nothing": ({}, 16),
    "twice the batch size": ({"batch_size": 8}, 8 + 2 * 2),
    "half the batch size": ({"batch_size": 2}, 8 + 2 * 8),
    "accumulation": ({"accumulate_grad_batches": 2}, 8 + 2 * 2),
    "more epochs": ({"max_epochs": 7}, 8 + 5 * 4),
    "fewer epochs": ({"max_epochs": 3}, 8 + 4),
    "max_steps": ({"max_steps": 11}, 11),
    "steps in place of epochs": ({"max_steps": 30, "max_epochs": -1}, 30),
    "precision": ({"precision": "bf16-mixed"}, 16),
    "batch size and epochs": ({"batch_size": 2, "max_epochs": 3, "accumulate_grad_batches": 3}, 8 + 3),
}
# at step 6, at the second batch of the second epoch
WITHIN_AN_EPOCH: dict[str, tuple[dict[str, Any], int]] = {
    "nothing": ({}, 16),
    "half the batch size": ({"batch_size": 2}, 6 + 6 + 2 * 8),
    "accumulation": ({"accumulate_grad_batches": 2}, 6 + 1 + 2 * 2),
    "more epochs": ({"max_epochs": 7}, 6 + 2 + 5 * 4),
    "max_steps": ({"max_steps": 11}, 11),
    "an epoch of as many batches as are done, of which its loader has none left": ({"batch_size": 8}, 6 + 2 * 2),
}
QUICK = ("nothing", "twice the batch size", "more epochs")


def check(tmp_path: Any, name: str, at: int, changes: dict[str, tuple[dict[str, Any], int]]) -> None:
    spec = spec_of(name)
    paths = saved(tmp_path, spec)
    for change, (options, total) in changes.items():
        lrs, tables = resumed(tmp_path, module(spec), paths[at], **options)
        assert lrs == pytest.approx(lrs_of(spec, total)[at:], rel=1e-9, abs=1e-12), change
        assert len(tables) == (change != "nothing"), change


@pytest.mark.parametrize("name", SCHEDULERS)
def test_continue_behind_an_epoch(tmp_path, name):
    check(tmp_path, name, 8, {change: BEHIND_AN_EPOCH[change] for change in QUICK})


@pytest.mark.slow
@pytest.mark.parametrize("name", SCHEDULERS)
def test_continue_after_any_change(tmp_path, name):
    check(tmp_path, name, 8, BEHIND_AN_EPOCH)


@pytest.mark.parametrize("name", ["warmup_cosine", "wsd"])
def test_continue_within_an_epoch(tmp_path, name):
    check(tmp_path, name, 6, WITHIN_AN_EPOCH)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_stretch_reads_what_is_left_at_the_share_of_the_run(tmp_path, name):
    spec = spec_of(name)
    path = saved(tmp_path, spec)[8]
    lrs, tables = resumed(tmp_path, module(spec, resume="stretch"), path, max_epochs=6)
    before = lrs_of(spec, 16)
    assert len(lrs) == 16
    assert lrs[::2] == pytest.approx(before[8:], rel=1e-9, abs=1e-12), "twice as many steps: every second is as before"
    ends = [(*sorted(pair),) for pair in pairwise(before[8:])]
    between = zip(lrs[1::2], ends, strict=False)
    assert (
        "restarts" in name
        or "triangular" in name
        or all(low - 1e-9 <= lr <= high + 1e-9 for lr, (low, high) in between)
    )
    assert len(tables) == 1


@pytest.mark.parametrize("name", SCHEDULERS)
def test_restart_begins_anew_over_what_is_left(tmp_path, name):
    spec = spec_of(name)
    path = saved(tmp_path, spec)[8]
    lrs, _ = resumed(tmp_path, module(spec, resume="restart"), path, max_epochs=5)
    assert lrs == pytest.approx(lrs_of(spec, 12), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_cooldown_falls_from_the_lr_of_the_run_to_its_end(tmp_path, name):
    spec = spec_of(name)
    path = saved(tmp_path, spec)[8]
    net = module(spec, resume={"schedule": "cooldown", "cooldown": 4})
    lrs, (table,) = resumed(tmp_path, net, path, max_epochs=2)
    lr = lrs_of(spec, 16)[8]
    assert lrs == pytest.approx([lr, lr * 0.75, lr * 0.5, lr * 0.25], rel=1e-9)
    assert "the lr falls over 4 optimizer steps, and the run ends" in table


@pytest.mark.parametrize("resume", ["continue", "stretch", "restart", "cooldown"])
def test_a_resumed_run_is_resumed_to_the_bit(tmp_path, resume):
    """The plan of a run is in its checkpoints: `continue` goes on with a restart, a stretch or a cooldown."""
    first = saved(tmp_path / "first", "warmup_cosine")[8]
    each = ModelCheckpoint(tmp_path, "{step}", save_top_k=-1, every_n_train_steps=1)
    options = {"max_epochs": 6, "batch_size": 8}
    net = module("warmup_cosine", resume=resume)
    lrs, _ = resumed(tmp_path, net, first, callbacks=[each], **options)
    for step in (9, len(lrs) + 7):
        again = module("warmup_cosine")
        limit = {"max_epochs": -1, "max_steps": 8 + len(lrs)} if resume == "cooldown" else {}
        rest, tables = resumed(tmp_path, again, str(tmp_path / f"step={step}.ckpt"), **{**options, **limit})
        assert rest == lrs[step - 8 :]
        assert not tables
        assert all(torch.equal(a, b) for a, b in zip(net.parameters(), again.parameters(), strict=True))


def test_epochs_of_another_length_are_counted_as_epochs(tmp_path):
    """Two epochs of 4 steps, then epochs of 2: the lr drops behind every second epoch, at steps 8 and 12."""
    spec = {"main": {"shape": "step", "step_size": "2ep", "gamma": 0.1}}
    path = saved(tmp_path, spec)[6]
    lrs, _ = resumed(tmp_path, module(spec), path, accumulate_grad_batches=2, max_epochs=6)
    assert lrs == pytest.approx([0.1] * 1 + [0.01] * 4 + [0.001] * 4), "one step is left of the second epoch"


def test_values_are_held_for_epochs_of_another_length(tmp_path):
    spec = {"main": {"shape": "linear"}, "interval": "epoch"}
    path = saved(tmp_path, spec)[8]
    lrs, _ = resumed(tmp_path, module(spec), path, batch_size=8)
    assert lrs == pytest.approx([0.1 * (1 - 8 / 12)] * 2 + [0.1 * (1 - 10 / 12)] * 2)


def test_a_second_fit_of_one_trainer_ends_its_schedule(tmp_path):
    net, run = fit(tmp_path, module({"main": {"shape": "linear"}}), train=data(), max_epochs=2)
    run.fit_loop.max_epochs = 4
    run.fit(net, data(), loader(8))
    assert [lrs[0] for lrs in net.used[8:]] == pytest.approx([0.1 * (1 - t / 8) for t in range(8)])


def test_an_explicit_length_is_kept(tmp_path):
    spec = {"main": {"shape": "linear"}, "total_steps": 20}
    path = saved(tmp_path, spec)[8]
    lrs, _ = resumed(tmp_path, module(spec), path, batch_size=8)
    assert lrs == pytest.approx([0.1 * (1 - t / 20) for t in range(8, 12)])
