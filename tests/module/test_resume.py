"""A resumed run ends bit for bit where the unbroken one does."""

import warnings

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from _support.net import BATCHES, Net, fit, weights

PLATEAU = {"main": {"shape": "plateau", "factor": 0.5, "patience": 0, "threshold": 0.5}, "monitor": "val/loss"}
SCHEDULERS = {
    "warmup_cosine": "warmup_cosine",
    "warmup, cosine, cooldown": {"warmup": 3, "main": {"shape": "cosine"}, "cooldown": "20%"},
    "plateau": PLATEAU,
    "warmup_plateau": {**PLATEAU, "warmup": "1.5ep"},
    "plateau of training": {**PLATEAU, "monitor": "train/loss"},
    "plateaus of several values": {
        **PLATEAU,
        "drive": {"weight_decay": {"main": {**PLATEAU["main"], "factor": 0.3}}},
        "groups": {"no_decay": {"warmup": 5, "main": {**PLATEAU["main"], "patience": 1}}},
    },
    "StepLR": {"_target_": "torch.optim.lr_scheduler.StepLR", "step_size": 5, "interval": "step"},
}
LOSSES = [1.0, 1.0, 0.9, 0.9, 0.1]


def checkpoints(tmp_path, **options):
    return ModelCheckpoint(tmp_path, "{epoch}-{step}", save_top_k=-1, save_last=False, **options)


def unbroken(tmp_path, scheduler, **options):
    saves = [checkpoints(tmp_path / "steps", every_n_train_steps=1), checkpoints(tmp_path / "epochs"),
             checkpoints(tmp_path / "validated", monitor="val/loss")]  # fmt: skip
    module = Net(scheduler=scheduler, param_groups="no_decay", val_losses=LOSSES)
    module, run = fit(tmp_path, module, callbacks=saves, max_epochs=4, **options)
    return weights(module), run.lr_scheduler_configs[0].scheduler.state_dict()


def resumed(tmp_path, scheduler, path, **options):
    torch.manual_seed(99)
    module = Net(scheduler=scheduler, param_groups="no_decay", val_losses=LOSSES)
    module, run = fit(tmp_path, module, ckpt_path=path, max_epochs=4, **options)
    return weights(module), run.lr_scheduler_configs[0].scheduler.state_dict()


@pytest.mark.parametrize("optimizer", ["adamw"])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_bit_equal_from_every_kind_of_checkpoint(tmp_path, name, optimizer):
    scheduler = SCHEDULERS[name]
    expected, counters = unbroken(tmp_path, scheduler)
    mid_epoch = [f"steps/epoch={s // BATCHES}-step={s}.ckpt" for s in (1, 3, 11, 13, 20)]
    ends = [f"{kind}/epoch={e}-step={(e + 1) * BATCHES}.ckpt" for kind in ("epochs", "validated") for e in (0, 1, 2)]
    if name == "plateau of training":  # its metric, the mean over an epoch, Lightning begins anew on resume
        mid_epoch, ends = [], [path for path in ends if path.startswith("epochs")]
    for path in mid_epoch + ends:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", ".*plateau misses.*")
            result, state = resumed(tmp_path, scheduler, tmp_path / path)
        assert torch.equal(result, expected), path
        assert state == counters, path


@pytest.mark.parametrize("name", ["warmup_cosine", "warmup_plateau"])
def test_the_one_case_that_cannot_be_exact_warns(tmp_path, name):
    """A step checkpoint of an epoch's last batch: Lightning never runs the validation that was due."""
    expected, counters = unbroken(tmp_path, SCHEDULERS[name])
    path = tmp_path / f"steps/epoch=1-step={2 * BATCHES}.ckpt"
    if name == "warmup_cosine":
        result, state = resumed(tmp_path, SCHEDULERS[name], path)
        assert torch.equal(result, expected)
        assert state == counters
    else:
        with pytest.warns(UserWarning, match=r"plateau misses one value of 'val/loss'"):
            resumed(tmp_path, SCHEDULERS[name], path)


@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_only_a_validation_that_was_due_is_missed(tmp_path, every, epoch):
    options = {"check_val_every_n_epoch": every}
    unbroken(tmp_path, SCHEDULERS["plateau"], **options)
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        path = tmp_path / f"steps/epoch={epoch}-step={(epoch + 1) * BATCHES}.ckpt"
        resumed(tmp_path, SCHEDULERS["plateau"], path, **options)
    missed = any("plateau misses one value" in str(warning.message) for warning in record)
    assert missed == ((epoch + 1) % every == 0)


@pytest.mark.parametrize(
    "options", [{"accumulate_grad_batches": 3}, {"val_check_interval": 0.25}, {"check_val_every_n_epoch": 2}]
)
def test_bit_equal_under_other_rhythms(tmp_path, options):
    expected, counters = unbroken(tmp_path, SCHEDULERS["warmup_plateau"], **options)
    for path in sorted((tmp_path / "epochs").glob("*.ckpt")) + sorted((tmp_path / "validated").glob("*.ckpt"))[:2]:
        result, state = resumed(tmp_path, SCHEDULERS["warmup_plateau"], path, **options)
        assert torch.equal(result, expected), path
        assert state == counters, path
