"""Lightning's own callbacks that write lrs, add groups or swap weights, with every scheduler preset."""

import csv
import warnings

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import (
    BackboneFinetuning,
    BaseFinetuning,
    LearningRateMonitor,
    ModelCheckpoint,
    StochasticWeightAveraging,
)
from lightning.pytorch.loggers import CSVLogger

from _support.by_version import NO_WEIGHT_AVERAGING, needs_muon, needs_weight_averaging
from _support.net import Net, fit, weights
from conftest import SCHEDULERS
from lit_optim.config.read.presets import load_preset
from lit_optim.versions import older

if not NO_WEIGHT_AVERAGING:
    from lightning.pytorch.callbacks import WeightAveraging


class Unfreezes(BaseFinetuning):
    """The first layer joins in the second epoch, at a tenth of the lr, as BackboneFinetuning does it."""

    def freeze_before_training(self, module):
        self.freeze(module.layer[0])

    def finetune_function(self, module, epoch, optimizer):
        if epoch == 1:
            lr = optimizer.param_groups[0]["lr"]
            self.unfreeze_and_add_param_group(module.layer[0], optimizer, lr=max(lr, 1e-8) / 10, initial_denom_lr=1)


def spec(name):
    """The preset, following a metric that Net logs."""
    return {**load_preset("scheduler", name), "monitor": "val/loss"} if "plateau" in name else name


@pytest.mark.parametrize("name", SCHEDULERS)
def test_finetuning_and_the_monitor(tmp_path, name):
    logger = CSVLogger(tmp_path)
    module = Net("adamw", scheduler=spec(name))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*was written where the schedule stands at factor.*")
        _, run = fit(tmp_path, module, max_epochs=3, logger=logger, callbacks=[Unfreezes(), LearningRateMonitor("step")], enable_checkpointing=False, log_every_n_steps=1)  # fmt: skip
    scheduler = run.lr_scheduler_configs[0].scheduler
    first, late = run.optimizers[0].param_groups
    assert len(module.used) == 24
    assert [len(lrs) for lrs in module.used] == [1] * 8 + [2] * 16
    factor = scheduler.factor(scheduler.last_epoch) * scheduler.plateau.scale
    for group in (first, late):
        assert group["lr"] == pytest.approx(group["initial_lr"] * factor, rel=1e-12, abs=1e-300)
    with open(f"{logger.log_dir}/metrics.csv") as file:
        keys = {key for key in csv.DictReader(file).fieldnames if key.startswith("lr")}
    assert keys == {"lr", "lr/pg1", "lr/pg2"}, "as Lightning names groups without names"


# before 2.5 Lightning begins the epoch again in which a run is resumed, and finds the layers unfrozen already
@pytest.mark.filterwarnings("ignore:The provided params to be frozen already exist:UserWarning")
@pytest.mark.parametrize("chosen", [None, ["lookahead", "ema", "gradient_noise", "agc"]])
def test_a_run_that_has_unfrozen_layers_is_resumed_to_the_bit(tmp_path, chosen):
    def run(ckpt_path=None):
        torch.manual_seed(0)
        module = Net("adamw", scheduler="warmup_cosine", optim_callbacks=chosen)
        saves = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1)
        return fit(
            tmp_path,
            module,
            ckpt_path,
            max_epochs=3,
            callbacks=[Unfreezes(), *([saves] if ckpt_path is None else [])],
        )[0]

    unbroken = run()
    for step in (5, 10, 16, 21):
        assert torch.equal(weights(run(tmp_path / f"step={step}.ckpt")), weights(unbroken)), step


@needs_weight_averaging
@pytest.mark.parametrize("name", SCHEDULERS)
def test_averages_of_weights(tmp_path, name):
    _, run = fit(tmp_path, Net(scheduler=spec(name)), max_epochs=2, callbacks=[WeightAveraging(avg_fn=lambda a, m, n: 0.9 * a + 0.1 * m)], enable_checkpointing=False)  # fmt: skip
    assert run.lr_scheduler_configs[0].scheduler.last_epoch == 16


@pytest.mark.parametrize("name", SCHEDULERS)
def test_stochastic_weight_averaging_takes_the_schedule_over(tmp_path, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that it swaps the scheduler
        module, run = fit(tmp_path, Net("momentum", scheduler=spec(name)), max_epochs=4, callbacks=[StochasticWeightAveraging(swa_lrs=0.05, swa_epoch_start=2, annealing_epochs=1)], enable_checkpointing=False)  # fmt: skip
    assert run.current_epoch == 4
    assert run.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.05)
    assert all(torch.isfinite(p).all() for p in module.parameters())
    assert isinstance(run.lightning_module, L.LightningModule)


RULES = {
    "rules": {
        "no_decay": {"match": {"type": ["norm", "bias"]}, "weight_decay": 0.0},
        "first": {"match": {"module": "layer.0"}, "lr": "x3"},
    }
}


def test_groups_that_finetuning_adds_obey_the_rules(tmp_path):
    """The layer that joins is split by no_decay; the lr that the callback gives counts, not the rule's factor."""
    module = Net({"_target_": "adamw", "lr": 0.01}, param_groups=RULES)
    _, run = fit(tmp_path, module, max_epochs=2, callbacks=[Unfreezes()], enable_checkpointing=False)
    groups = {group["name"]: group for group in run.optimizers[0].param_groups}
    layer = module.layer[0]
    assert [*groups] == ["default", "no_decay", "finetuning/first", "finetuning/first/no_decay"]
    assert [p is layer.weight for p in groups["finetuning/first"]["params"]] == [True]
    assert [p is layer.bias for p in groups["finetuning/first/no_decay"]["params"]] == [True]
    assert [group["weight_decay"] for group in groups.values()] == [0.01, 0.0, 0.01, 0.0]
    assert [group["lr"] for group in groups.values()] == pytest.approx([0.01, 0.01, 0.001, 0.001])


def test_a_group_that_is_added_without_an_lr_has_the_rules_factor():
    net = Net({"_target_": "sgd", "lr": 0.1}, param_groups=RULES)
    first = net.layer[0].requires_grad_(False)
    optimizer = net.configure_optimizers()["optimizer"]
    optimizer.add_param_group({"params": first.requires_grad_(True).weight})
    optimizer.add_param_group({"params": [first.bias], "name": "mine", "momentum": 0.5})
    optimizer.add_param_group({"params": [torch.zeros(2, requires_grad=True)], "lr": 7.0})
    optimizer.add_param_group({"params": [torch.zeros(2, requires_grad=True)]})
    found = [(group["name"], group["lr"], group["momentum"]) for group in optimizer.param_groups[-4:]]
    assert found == [
        ("finetuning/first", pytest.approx(0.3), 0.0), ("mine/first/no_decay", pytest.approx(0.3), 0.5),
        ("finetuning", 7.0, 0.0), ("finetuning/2", 0.1, 0.0),
    ]  # fmt: skip


def test_what_a_rule_freezes_stays_frozen_in_an_added_group(tmp_path):
    rules = {"rules": {"still": {"match": {"name": "layer.0.bias"}, "freeze": True}}}
    module = Net("sgd", param_groups=rules)
    start = module.layer[0].bias.detach().clone()
    _, run = fit(tmp_path, module, max_epochs=3, callbacks=[Unfreezes()], enable_checkpointing=False)
    assert torch.equal(module.layer[0].bias, start)
    assert [len(group["params"]) for group in run.optimizers[0].param_groups] == [4, 1]


class WithBackbone(Net):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.backbone = self.layer[0]


@pytest.mark.parametrize("scheduler", ["constant", "warmup_cosine"])
def test_backbone_finetuning_moves_all_parts_of_its_group_and_is_resumed(tmp_path, scheduler):
    """It writes the last group alone."""

    def run(ckpt_path=None):
        torch.manual_seed(0)
        module = WithBackbone("adamw", scheduler=scheduler, param_groups=RULES)
        saves = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1)

        grows = BackboneFinetuning(1, lambda epoch: 1.5, backbone_initial_lr=1e-4, should_align=False)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*was written where the schedule stands at factor.*")
            warnings.filterwarnings("ignore", "The provided params to be frozen already exist")
            return fit(tmp_path, module, ckpt_path, max_epochs=4, callbacks=[grows, *([saves] if ckpt_path is None else [])])  # fmt: skip

    module, fitting = run()
    lrs = [lrs for lrs in module.used if len(lrs) == 4]
    assert len(lrs) == 24
    if scheduler == "constant":
        assert [lrs[i][3] for i in (0, 8, 16)] == pytest.approx([1e-4, 1.5e-4, 2.25e-4])
    repeats = [group for group in fitting.optimizers[0].param_groups if "lr_follows" in group]
    assert [group["name"] for group in repeats] == ["finetuning/first"]
    assert repeats[0]["lr"] == fitting.optimizers[0].param_groups[-1]["lr"]
    # Lightning before 2.5 begins an epoch again that it goes on with, so that the callback multiplies the lr twice
    for step in (12,) if older("lightning", "2.5") else (12, 20, 29):
        assert torch.equal(weights(run(tmp_path / f"step={step}.ckpt")[0]), weights(module)), step


def test_the_schedule_of_a_rule_drives_its_group_that_is_added_later(tmp_path):
    rules = {"rules": {"first": {"match": {"module": "layer.0"}, "schedule": {"main": {"shape": "constant"}}}}}
    module = Net({"_target_": "sgd", "lr": 0.1}, scheduler={"main": {"shape": "linear"}}, param_groups=rules)
    fit(tmp_path, module, max_epochs=2, callbacks=[Unfreezes()], enable_checkpointing=False)
    assert [lrs[0] for lrs in module.used] == pytest.approx([0.1 * (1 - t / 16) for t in range(16)])
    assert [lrs[1] for lrs in module.used[8:]] == pytest.approx([0.005] * 8)


@needs_muon
def test_groups_added_to_a_composite_repeat_the_lr_of_the_last():
    """It splits them once more, by its parts."""
    net = Net("muon_adamw", param_groups=RULES)
    first = net.layer[0].requires_grad_(False)
    optimizer = net.configure_optimizers()["optimizer"]
    optimizer.add_param_group({"params": first.requires_grad_(True).parameters(), "lr": 0.5})
    added = [group for group in optimizer.param_groups if "finetuning" in group["name"]]
    assert sum(len(group["params"]) for group in added) == 2
    added[-1]["lr"] = 0.25
    net.layer(torch.ones(3, 4)).sum().backward()
    optimizer.step()
    assert [group["lr"] for group in added] == [0.25, 0.25]
