"""Lightning's learning-rate finder, both ways in: what it finds is what the first step uses."""

import lightning as L
import pytest
from lightning.pytorch.callbacks import LearningRateFinder
from lightning.pytorch.tuner import Tuner
from omegaconf import OmegaConf

from _support.by_version import LOADER_GOES_ON
from _support.net import Net, loader, trainer
from conftest import SCHEDULERS
from lit_optim.config.read.presets import load_preset

GROUPS = {"rules": [{"match": {"type": "bias"}, "lr": 2e-3}]}
SPECS = {
    "name": "adamw",
    "DictConfig": OmegaConf.create({"_target_": "torch.optim.AdamW", "lr": 1e-3}),
    "NAdam, whose betas leak": OmegaConf.create({"_target_": "torch.optim.NAdam", "lr": 1e-3, "betas": [0.9, 0.99]}),
}


@pytest.fixture(autouse=True)
def _in_tmp(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("form", SPECS)
@pytest.mark.parametrize("scheduler", [None, "warmup_cosine", {"warmup": 4, "main": {"shape": "constant"}}])
def test_tuner(tmp_path, form, scheduler):
    module = Net(SPECS[form], scheduler=scheduler, param_groups=GROUPS)
    run = trainer(tmp_path, max_epochs=2)
    found = Tuner(run).lr_find(module, loader(), loader(8), num_training=30).suggestion()
    assert found is not None
    assert module.lr == found
    module.used.clear()
    run.fit(module, loader(), loader(8))
    warm = {None: 1.0, "warmup_cosine": 1.0}.get(scheduler if not isinstance(scheduler, dict) else "x", 0.25)
    assert module.used[0][0] == pytest.approx(found * warm)
    assert all(b == pytest.approx(2e-3 / 1e-3 * a) or b == pytest.approx(2e-3 * warm) for a, b in module.used[:1])


class Search(L.Callback):
    """Tells the run's own steps from those of the search, which Lightning runs through the same hooks of the module."""

    def __init__(self):
        self.real = []

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        self.real.append(len(module.used))


class LateFinder(L.Callback):
    """What a finder of Lightning's does at the beginning of an epoch: the module's lr first, then all groups alike."""

    def on_train_epoch_start(self, trainer, module):
        if trainer.current_epoch == 1:
            module.lr = 0.01
            for group in trainer.optimizers[0].param_groups:
                group["lr"] = 0.01


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("scheduler", [None, "warmup_cosine", {"warmup": {"steps": 4}}])
def test_callback(tmp_path, late, scheduler):
    module = Net(SPECS["DictConfig"], scheduler=scheduler, param_groups=GROUPS)
    callback = LateFinder() if late else LearningRateFinder(num_training_steps=30)
    steps = Search()
    run = trainer(tmp_path, max_epochs=6, callbacks=[callback, steps])
    run.fit(module, loader(), loader(8))
    found = 0.01 if late else callback.optimal_lr.suggestion()
    assert found is not None
    assert module.lr == found
    used = [module.used[i] for i in steps.real]
    length = run.global_step
    assert len(used) == length
    assert length == 48 or (LOADER_GOES_ON and not late)
    scheduler_now = run.lr_scheduler_configs[0].scheduler
    for step in range(8 if late else 0, length):
        factor = scheduler_now.factor(step)
        assert used[step] == pytest.approx([found * factor, 2 * found * factor]), step
    assert scheduler_now.base_lrs == pytest.approx([found, 2 * found])


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_preset_goes_on_from_what_was_found(tmp_path, name):
    scheduler = {**load_preset("scheduler", name), "monitor": "val/loss"} if "plateau" in name else name
    module = Net("sgd", scheduler=scheduler)
    callback, steps = LearningRateFinder(num_training_steps=20), Search()
    run = trainer(tmp_path, max_epochs=2, callbacks=[callback, steps])
    run.fit(module, loader(), loader(8))
    found, now = callback.optimal_lr.suggestion(), run.lr_scheduler_configs[0].scheduler
    assert found is not None
    assert run.global_step == 16 or LOADER_GOES_ON
    assert [module.used[i][0] for i in steps.real] == pytest.approx(
        [found * now.factor(t) for t in range(run.global_step)], rel=1e-12
    )
