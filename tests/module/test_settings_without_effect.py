"""What is configured and does not reach the optimizer gets a word when a fit begins."""

import sys
from types import SimpleNamespace

import pytest
import torch

from _support.net import Net, fit
from lit_optim import ConfigError

SGD = {"_target_": "torch.optim.SGD", "lr": 3e-4}


class AssignsLr(Net):
    def __init__(self, *args, lr=1e-3, **kwargs):
        super().__init__(*args, **kwargs)
        self.lr = lr


def test_an_lr_that_init_overrides(tmp_path):
    with pytest.warns(
        UserWarning, match=r"optimizer.lr=0.0003 has no effect: AssignsLr.__init__ assigns self.lr=0.001; rem"
    ):
        module, _ = fit(tmp_path, AssignsLr(SGD), max_epochs=1)
    assert module.used[0] == [1e-3]


@pytest.mark.parametrize(
    "make", [lambda: AssignsLr("sgd"), lambda: AssignsLr(SGD, lr=3e-4), lambda: AssignsLr(SGD, lr=None)]
)
def test_an_lr_that_init_does_not_override(tmp_path, make):
    fit(tmp_path, make(), max_epochs=1)  # warnings are errors


def test_an_lr_that_is_assigned_later_is_meant(tmp_path):
    module = AssignsLr(SGD)
    module.lr = 0.01
    assert fit(tmp_path, module, max_epochs=1)[0].used[0] == [0.01]


def test_a_layer_named_lr(tmp_path):
    class Layer(Net):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.lr = torch.nn.Linear(1, 1)

    with pytest.raises(ConfigError, match="Layer.lr: is the learning rate of the configured optimizer; give the layer"):
        fit(tmp_path, Layer("sgd"))


@pytest.fixture
def app(monkeypatch):
    """The overrides of a Hydra app that runs; its defaults list chooses the ema."""
    words = []
    choices = {
        "optimizer": "adam",
        "param_groups": "all",
        "resume": "continue",
        "optim_callbacks": "ema",
        "model": "cnn",
    }
    config = SimpleNamespace(overrides=SimpleNamespace(task=words), runtime=SimpleNamespace(choices=choices))
    running = SimpleNamespace(initialized=lambda: True, get=lambda: config)
    monkeypatch.setitem(sys.modules, "hydra.core.hydra_config", SimpleNamespace(HydraConfig=running))
    return words


class TakesTwo(Net):
    def __init__(self, optimizer, scheduler=None):
        super().__init__(optimizer, scheduler)


def test_a_group_of_the_command_line_that_the_module_does_not_get(tmp_path, app):
    app += ["optimizer=adam", "scheduler=none", "+optim_callbacks=lookahead", "trainer.max_epochs=1"]
    with pytest.warns(
        UserWarning, match="^optim_callbacks=lookahead has no effect: TakesTwo gets no optim_callbacks; take"
    ):
        fit(tmp_path, TakesTwo("adam"), max_epochs=1)


def test_a_group_of_the_defaults_list_that_the_module_does_not_get(tmp_path, app):
    with pytest.warns(UserWarning, match=r"^optim_callbacks=ema has no effect: .* TakesTwo\(..., \*\*lit_optim.specs"):
        fit(tmp_path, TakesTwo("adam"), max_epochs=1)


@pytest.mark.parametrize("words", [["+optim_callbacks=none"], ["~optim_callbacks"], ["optim_callbacks=null", "x=ema"]])
def test_groups_that_are_used_or_empty_are_quiet(tmp_path, app, words):
    app += words
    fit(tmp_path, TakesTwo("adam"), max_epochs=1)


@pytest.mark.parametrize(
    ("optimizer", "warned"), [("nadam", True), ("adam", False), ({"_target_": "nadam", "eps": 1e-4}, False)]
)
def test_an_eps_that_is_0_in_float16(tmp_path, optimizer, warned, recwarn):
    if isinstance(optimizer, dict):
        optimizer = {**optimizer, "_target_": "torch.optim.NAdam"}
    fit(tmp_path, Net(optimizer), max_epochs=1, precision="16-true", limit_train_batches=1, limit_val_batches=0)
    texts = [str(each.message) for each in recwarn if "in float16" in str(each.message)]
    rule = "is 0 in float16, the dtype of the weights, which a gradient of 0 makes NaN; write optimizer.eps=1e-4"
    assert [rule in text for text in texts] == [True] * warned
