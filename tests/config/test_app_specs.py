"""All specs of a configuration at once."""

from dataclasses import dataclass, field

import pytest

import lit_optim
from _support.net import Net
from lit_optim import ConfigError
from lit_optim.config.read.presets import GROUPS


def test_the_specs_of_an_app_are_all_five_and_reach_the_module():
    cfg = lit_optim.compose(["optimizer=sgd", "optimizer.lr=0.5", "param_groups=no_decay", "optim_callbacks=ema"])
    found = lit_optim.specs(cfg)
    assert tuple(found) == GROUPS
    module = Net(**found)
    assert module.lr == 0.5
    assert "ExponentialMovingAverage" in [type(callback).__name__ for callback in module.configure_callbacks()]


def test_a_module_that_does_not_take_a_group_says_so():
    class Forgets:
        def __init__(self, optimizer, scheduler=None): ...

    with pytest.raises(TypeError, match="unexpected keyword argument 'optim_callbacks'"):
        Forgets(**lit_optim.specs({"optimizer": "sgd", "optim_callbacks": "ema"}))


@pytest.mark.parametrize(
    ("report", "passed"), [(True, True), (False, True), (1, True), ("a/path", False), (None, False)]
)
def test_the_report_goes_to_the_module_where_it_is_a_switch(report, passed):
    assert ("report" in lit_optim.specs({"optimizer": "sgd", "report": report})) is passed


def test_only_what_is_there():
    assert lit_optim.specs({"optimizer": "sgd", "scheduler": None, "seed": 1}) == {
        "optimizer": "sgd",
        "scheduler": None,
    }


def test_a_dataclass():
    @dataclass
    class Cfg:
        optimizer: dict = field(default_factory=lambda: {"name": "sgd", "lr": 0.5})
        seed: int = 1

    assert lit_optim.specs(Cfg()) == {"optimizer": {"name": "sgd", "lr": 0.5}}


@pytest.mark.parametrize(
    ("cfg", "message"),
    [
        ({}, r"optimizer: not in the configuration; add `- lit_optim` to the defaults list"),
        ({"model": {"optimizer": "sgd"}}, r"optimizer: not in the configuration; write lit_optim.specs\(cfg.model\)"),
        ({"optimizer": "sgd", "schedular": "cosine"}, "schedular: no such group; did you mean 'scheduler'"),
        ({"optimizer": "sdg"}, "optimizer='sdg': no preset of that name; did you mean 'sgd'"),
        ("sgd", "config='sgd': expects a mapping"),
    ],
)
def test_what_is_wrong_is_said_at_once(cfg, message):
    with pytest.raises(ConfigError, match=message):
        lit_optim.specs(cfg)
