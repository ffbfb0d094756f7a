"""A schedule finds its place in a run whose checkpoint has the state of another scheduler, or none."""

from __future__ import annotations

from typing import Any

import lightning as L
import pytest
import torch

from _support.net import Net, fit
from _support.resumed_runs import data, lrs_of, module, resumed
from lit_optim import ConfigError

LINEAR = {"main": {"shape": "linear"}}
STEP = {"_target_": "torch.optim.lr_scheduler.StepLR", "step_size": 1, "gamma": 0.5}
FIRST: dict[str, Any] = {
    "torch's, by epoch": STEP,
    "torch's, by step": {**STEP, "interval": "step"},
    "torch's cycle": {"_target_": "torch.optim.lr_scheduler.OneCycleLR", "max_lr": 0.1, "total_steps": 8, "interval": "step"},
    "none": None,
}  # fmt: skip


def first(tmp_path: Any, scheduler: Any, **specs: Any) -> str:
    _, run = fit(tmp_path, module(scheduler, **specs), train=data(), max_epochs=2)
    run.save_checkpoint(tmp_path / "first.ckpt")
    return str(tmp_path / "first.ckpt")


@pytest.mark.parametrize("scheduler", FIRST)
def test_ours_goes_on_at_the_steps_that_are_done(tmp_path, scheduler):
    path = first(tmp_path, FIRST[scheduler])
    initial = torch.load(path, weights_only=True)["optimizer_states"][0]["param_groups"][0].get("initial_lr", 0.1)
    lrs, tables = resumed(tmp_path, module(LINEAR), path)
    assert lrs == pytest.approx([lr * initial / 0.1 for lr in lrs_of(LINEAR, 16)[8:]])
    assert len(tables) == 1


@pytest.mark.parametrize("missing", [None, [], "no key"])
def test_without_the_state_of_a_schedule_too(tmp_path, missing):
    path = first(tmp_path, LINEAR)
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["lr_schedulers"] = missing
    if missing == "no key":
        del checkpoint["lr_schedulers"]
    torch.save(checkpoint, path)
    lrs, _ = resumed(tmp_path, module(LINEAR), path)
    assert lrs == pytest.approx(lrs_of(LINEAR, 16)[8:])


@pytest.mark.parametrize("before", ["constant", None])
def test_torchs_cannot_and_says_so(tmp_path, before):
    path = first(tmp_path, before)
    text = "scheduler='StepLR': StepLR cannot go on from the state of .*; write a preset, e.g. scheduler=step"
    with pytest.raises(ConfigError, match=text):
        resumed(tmp_path, module(STEP), path)
    lrs, _ = resumed(tmp_path, module(STEP, resume="restart"), path)
    assert lrs == pytest.approx([0.1] * 4 + [0.05] * 4)


def test_torchs_goes_on_from_its_own(tmp_path):
    whole, _ = fit(tmp_path, module(STEP), train=data(), max_epochs=4)
    lrs, _ = resumed(tmp_path, module(STEP), first(tmp_path, STEP))
    assert lrs == [used[0] for used in whole.used[8:]]


def test_a_checkpoint_of_lightning_alone(tmp_path):
    class Plain(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = Net().layer

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return (self.layer(batch[0]) - batch[1]).abs().mean()  # does not diverge at this lr

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.03, momentum=0.9)

    run = L.Trainer(max_epochs=2, logger=False, enable_checkpointing=False, accelerator="cpu", enable_progress_bar=False,
                    enable_model_summary=False, default_root_dir=tmp_path, use_distributed_sampler=False)  # fmt: skip
    run.fit(Plain(), data())
    run.save_checkpoint(tmp_path / "plain.ckpt")
    lrs, (table,) = resumed(tmp_path, module(LINEAR), str(tmp_path / "plain.ckpt"))
    assert lrs == pytest.approx([0.3 * lr for lr in lrs_of(LINEAR, 16)[8:]])
    assert "lr of default" in table or "lr  " in table
    lrs, _ = resumed(tmp_path, module(LINEAR, resume="lr_from_config"), str(tmp_path / "plain.ckpt"))
    assert lrs == pytest.approx(lrs_of(LINEAR, 16)[8:])


def test_a_cooldown_leaves_the_files_of_its_parent(tmp_path):
    from lightning.pytorch.callbacks import ModelCheckpoint

    path = first(tmp_path, "constant")
    net = module("constant", resume="cooldown")
    with pytest.raises(
        ConfigError, match=r"resume.schedule=cooldown: a ModelCheckpoint would write into the folder of"
    ):
        resumed(tmp_path, net, path, callbacks=[ModelCheckpoint(tmp_path)])
    again = ModelCheckpoint(tmp_path / "branch", "{step}", save_top_k=-1, every_n_train_steps=1)
    lrs, _ = resumed(
        tmp_path, module("constant", resume={"schedule": "cooldown", "cooldown": 4}), path, callbacks=[again]
    )
    for resume in ("continue", "cooldown"):
        options = {"max_epochs": -1, "max_steps": 12} if resume == "continue" else {}
        rest, _ = resumed(
            tmp_path, module("constant", resume=resume), str(tmp_path / "branch" / "step=10.ckpt"), **options
        )
        assert rest == lrs[2:], "an interrupted cooldown goes on"
