"""BatchNorms of an average: measured with it before it is evaluated or saved, and training does not notice."""

import copy

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.optim.swa_utils import update_bn
from torch.utils.data import DataLoader

import lit_optim
from _support.net import BATCHES, Net, data, fit
from lit_optim import ConfigError
from lit_optim.averaging.batch_norm_statistics import read_statistics, same_batches


class Normed(Net):
    def __init__(self, optim_callbacks=None):
        torch.manual_seed(3)
        super().__init__("adamw", optim_callbacks=optim_callbacks)
        self.layer = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 1))
        self.evaluated = []

    def forward(self, x):
        return self.layer(x)

    def on_validation_epoch_end(self):
        self.evaluated.append(copy.deepcopy(self.layer.state_dict()))


def ema(batches):
    return {"ema": {"_target_": "ema", "decay": 0.5, "recalibrate_batch_norm": batches}}


def train(tmp_path, batches, **options):
    return fit(tmp_path, Normed(ema(batches)), **{"max_epochs": 2, "num_sanity_val_steps": 0, **options})[0]


def test_statistics_are_those_of_torchs_update_bn(tmp_path):
    plain, ours = train(tmp_path / "a", 0), train(tmp_path / "b", 3)
    loader = DataLoader(data(), 4)
    for seen, module in zip(ours.evaluated, (plain, ours), strict=False):
        layer = copy.deepcopy(module.layer)
        layer.load_state_dict(seen)
        update_bn(same_batches(loader, 3), layer)
        for name, value in read_statistics(layer).items():
            torch.testing.assert_close(value, seen[name], rtol=1e-5, atol=1e-6)
    for p, q in zip(plain.parameters(), ours.parameters(), strict=True):
        assert torch.equal(p, q), "training does not notice"
    names = [name for name in ours.layer.state_dict() if "running" in name]
    assert all(torch.equal(ours.layer.state_dict()[name], ours.evaluated[-1][name]) for name in names)
    assert not torch.equal(plain.layer[1].running_mean, ours.layer[1].running_mean)


def test_it_is_exact_over_a_resume(tmp_path):
    saves = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=BATCHES - 3, save_top_k=-1)
    whole = train(tmp_path, 3, callbacks=[saves])
    path = tmp_path / f"step={BATCHES - 3}.ckpt"
    saved = torch.load(path, weights_only=True)
    live = saved["callbacks"]["ExponentialMovingAverage"]["batch_norm"]
    assert not torch.equal(live["layer.1.running_mean"], saved["state_dict"]["layer.1.running_mean"])
    resumed = train(tmp_path, 3, ckpt_path=path)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    for a, b in zip(whole.evaluated[-1].values(), resumed.evaluated[-1].values(), strict=True):
        assert torch.equal(a, b)


def test_what_cannot_be_recalibrated(tmp_path):
    with pytest.raises(ConfigError, match="recalibrate_batch_norm=3: the module has no BatchNorm with running stat"):
        fit(tmp_path, Net("adamw", optim_callbacks=ema(3)))
    with pytest.raises(ConfigError, match="recalibrate_batch_norm=-1: must be a number of batches, or 0"):
        lit_optim.build_callbacks(ema(-1))
    with pytest.raises(ConfigError, match="needs one DataLoader with a map-style dataset"):
        next(same_batches([], 3))
