"""`freeze: true` of a rule under a Trainer: before DDP wraps the module, wherever the module is built."""

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.strategies import ModelParallelStrategy
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

import lit_optim
from _support.fork import on_two_ranks
from _support.net import Net, fit, loader, trainer, weights
from lit_optim import ConfigError

FIRST = {"rules": {"stem": {"match": {"module": "layer.0"}, "freeze": True}}}
LAST = {"rules": {"head": {"match": {"module": "layer.2"}, "freeze": True}}}


def layers():
    torch.manual_seed(3)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.LayerNorm(8), torch.nn.Linear(8, 1))


class Late(lit_optim.ConfigureOptimizersMixin, L.LightningModule):
    """Has no layers before `setup` or `configure_model`, which do not call super()."""

    def __init__(self, optimizer="sgd", param_groups=None):
        super().__init__()
        self.save_hyperparameters()

    def training_step(self, batch, batch_idx):
        return (self.layer(batch[0]) - batch[1]).square().mean()


class BuiltInSetup(Late):
    def setup(self, stage):
        self.layer = layers()


class BuiltInConfigureModel(Late):
    def configure_model(self):
        self.layer = layers()


class BuiltInTwoSteps(BuiltInSetup):
    """The inner `setup` ends before the head is there."""

    def setup(self, stage):
        super().setup(stage)
        self.head = torch.nn.Linear(1, 1)

    def training_step(self, batch, batch_idx):
        return (self.head(self.layer(batch[0])) - batch[1]).square().mean()


class Early(Late):
    def __init__(self, optimizer="sgd", param_groups=None):
        super().__init__(optimizer, param_groups)
        self.layer = layers()


HEAD = {"rules": {"head": {"match": {"module": "head"}, "freeze": True}, **FIRST["rules"]}}


@pytest.mark.parametrize(
    ("cls", "rules", "frozen"),
    [
        (Early, FIRST, ["layer.0.weight", "layer.0.bias"]),
        (BuiltInSetup, FIRST, ["layer.0.weight", "layer.0.bias"]),
        (BuiltInConfigureModel, FIRST, ["layer.0.weight", "layer.0.bias"]),
        (BuiltInTwoSteps, HEAD, ["layer.0.weight", "layer.0.bias", "head.weight", "head.bias"]),
    ],
)
def test_ddp_does_not_wait_for_gradients_of_what_a_rule_freezes(tmp_path, cls, rules, frozen):
    def work(rank):
        module = cls(param_groups=rules)
        fitting = trainer(tmp_path, devices=2, strategy="ddp", max_epochs=1)
        fitting.fit(module, loader())
        return weights(module), [name for name, p in module.named_parameters() if not p.requires_grad]

    (first, names), (second, _) = on_two_ranks(work)
    assert torch.equal(first, second)
    assert names == frozen


class Sharded(Early):
    def configure_model(self):
        if not isinstance(self.layer[0].weight, DTensor):
            for part in self.layer:
                fully_shard(part, mesh=self.device_mesh["data_parallel"])


def test_sharded_weights_that_a_rule_freezes_stay(tmp_path):
    def work(rank):
        module = Sharded(param_groups=FIRST)
        trainer(tmp_path, devices=2, strategy=ModelParallelStrategy(2, 1), max_epochs=1).fit(module, loader())
        for part in module.layer:
            part.reshard()  # a layer without a backward stays gathered
        return {name: p.full_tensor().detach() for name, p in module.named_parameters()}

    start = dict(Early().named_parameters())
    found, _ = on_two_ranks(work)
    changed = [name for name, value in found.items() if not torch.equal(value, start[name])]
    assert changed == ["layer.1.weight", "layer.1.bias", "layer.2.weight", "layer.2.bias"]


def test_a_resumed_run_freezes_by_the_configured_rules_or_those_of_its_checkpoint(tmp_path):
    def frozen(module):
        return [name for name, p in module.named_parameters() if not p.requires_grad]

    def run(rules, resume=None, **options):
        torch.manual_seed(0)
        return fit(tmp_path, Net("sgd", param_groups=rules, resume=resume), **options)[0]

    unbroken = run(FIRST, callbacks=[ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=10, save_top_k=-1)])
    with pytest.warns(UserWarning, match="param_groups"):
        resumed = run(LAST, {"groups": "checkpoint"}, ckpt_path=tmp_path / "step=10.ckpt")
    assert frozen(resumed) == ["layer.0.weight", "layer.0.bias"]
    assert torch.equal(weights(resumed), weights(unbroken))
    with pytest.warns(UserWarning, match="param_groups"):
        resumed = run(LAST, ckpt_path=tmp_path / "step=10.ckpt")
    assert frozen(resumed) == ["layer.2.weight", "layer.2.bias"]


def test_only_a_fit_freezes_and_the_next_one_begins_anew(tmp_path):
    module = Net("sgd", param_groups=FIRST)
    trainer(tmp_path).validate(module, loader(8), verbose=False)
    assert all(p.requires_grad for p in module.parameters())
    fit(tmp_path, module, max_epochs=1)
    assert [p.requires_grad for p in module.parameters()] == [False] * 2 + [True] * 4
    module.hparams.param_groups = LAST
    fit(tmp_path, module, max_epochs=1)
    assert [p.requires_grad for p in module.parameters()] == [True] * 4 + [False] * 2


def test_a_pattern_that_matches_nothing_stops_a_fit_with_names(tmp_path):
    rules = {"rules": {"stem": {"match": {"module": "layr.0"}, "freeze": True}}}
    with pytest.raises(ConfigError, match=r"stem\.match\.module='layr\.0': matches no parameter; did you mean 'layer"):
        fit(tmp_path, Net("sgd", param_groups=rules))


def test_rules_freeze_and_name_added_groups_of_several_optimizers_too(tmp_path):
    class Two(Early):
        def __init__(self):
            super().__init__()
            self.automatic_optimization = False
            self.optim_spec = {
                "optimizer": {"one": {"_target_": "sgd", "of": "layer.0"}, "two": {"_target_": "sgd", "of": "layer.2"}},
                "param_groups": {"rules": {"still": {"match": {"name": "layer.0.bias"}, "freeze": True}}},
            }

        def training_step(self, batch, batch_idx):
            optimizers = self.optimizers()
            self.manual_backward(super().training_step(batch, batch_idx))
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()

    def work(rank):
        module = Two()
        module.layer[1].requires_grad_(False)
        fitting = trainer(tmp_path, devices=2, strategy="ddp", max_epochs=1)
        fitting.fit(module, loader())
        optimizer = fitting.optimizers[0]
        optimizer.add_param_group({"params": module.layer[1].requires_grad_(True).parameters()})
        return weights(module), [group["name"] for group in optimizer.param_groups if "name" in group]

    (first, names), (second, _) = on_two_ranks(work)
    assert torch.equal(first, second)
    assert names == ["one", "one/finetuning"]
