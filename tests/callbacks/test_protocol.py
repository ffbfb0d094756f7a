"""A callback of a third party takes part in building and saving what it acts on."""

from dataclasses import replace

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from _support.net import Net, fit
from lit_optim import ConfigError
from lit_optim.callbacks import OptimizerCallback


class Centered(OptimizerCallback):
    """RMSprop, centered, with a group key that a schedule drives, which saves zeros."""

    def replace_spec(self, spec):
        if spec.path != "torch.optim.RMSprop":
            raise ConfigError(f"{spec.key}={spec.path}: only RMSprop can be centered")
        return replace(spec, arguments={**spec.arguments, "centered": True})

    def prepare_optimizer(self, optimizer):
        for group in optimizer.param_groups:
            group["temperature"] = 4.0

    def put_evaluated_weights(self, module, checkpoint):
        checkpoint["state_dict"] = {name: torch.zeros_like(w) for name, w in checkpoint["state_dict"].items()}


class Momentum(OptimizerCallback):
    def __init__(self, momentum):
        self.momentum = momentum

    def replace_spec(self, spec):
        assert spec.arguments["momentum"] == 0.0
        return replace(spec, arguments={**spec.arguments, "momentum": self.momentum})


DRIVEN = {"main": {"shape": "linear"}, "drive": {"temperature": {"main": {"shape": "linear"}}}}


@pytest.mark.parametrize("of_trainer", [True, False])
def test_replaces_the_spec_and_adds_a_group_key(tmp_path, of_trainer):
    specs, options = ({}, {"callbacks": [Centered()]}) if of_trainer else ({"optim_callbacks": [Centered()]}, {})
    _, run = fit(tmp_path, Net("rmsprop", scheduler=DRIVEN, **specs), max_epochs=1, **options)
    group = run.optimizers[0].param_groups[0]
    assert group["centered"] is True
    assert 0 <= group["temperature"] < 4.0


def test_rejects_a_spec_before_data_is_prepared(tmp_path):
    net = Net("sgd", optim_callbacks=[Centered()])
    net.prepare_data = lambda: pytest.fail("data was prepared")
    with pytest.raises(ConfigError, match=r"^optimizer=torch\.optim\.SGD: only RMSprop can be centered$"):
        fit(tmp_path, net)


def test_replaces_the_trainers_callback_of_the_same_class(tmp_path):
    net = Net("sgd", optim_callbacks=[Momentum(0.5)])
    _, run = fit(tmp_path, net, max_epochs=1, callbacks=[Momentum(0.9)], enable_checkpointing=False)
    assert run.optimizers[0].param_groups[0]["momentum"] == 0.5


@pytest.mark.parametrize("weights_only", [True, False])
def test_fills_checkpoints_of_weights_only(tmp_path, weights_only):
    saving = ModelCheckpoint(tmp_path, "last", save_weights_only=weights_only)
    fit(tmp_path, Net("rmsprop"), max_epochs=1, callbacks=[saving, Centered()])
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)["state_dict"]
    assert any(w.any() for w in saved.values()) is not weights_only
