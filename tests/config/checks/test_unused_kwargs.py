"""Optimizers, schedulers and callbacks of third parties that take any keyword: a key without effect is reported."""

import warnings

import lightning as L
import pytest
import torch

import lit_optim
from conftest import OPTIMIZERS
from lit_optim import ConfigError


class TakesAnyKeyword(torch.optim.SGD):
    """Takes everything, reads one more key, and hands nothing on."""

    def __init__(self, params, lr=1e-3, weight_decay=0.0, **kwargs):
        super().__init__(params, lr=lr, weight_decay=weight_decay)
        self.centralize = kwargs.get("centralize", False)


class KeepsInDefaults(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-3, **kwargs):
        super().__init__(params, {"lr": lr, "decay": 0.0, **kwargs})

    def step(self, closure=None): ...


class HandsOn(torch.optim.AdamW):
    def __init__(self, params, boost=1.0, **kwargs):
        super().__init__(params, **kwargs)


class ReadsInADecoratedStep(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-3, **kwargs):
        super().__init__(params, {"lr": lr, **kwargs})

    @torch.no_grad()
    def step(self, closure=None):
        return self.param_groups[0].get("debias", False)


class NeedsKeyword(torch.optim.Optimizer):
    def __init__(self, params, **kwargs):
        super().__init__(params, {"lr": kwargs["lr"]})

    def step(self, closure=None): ...


class AnyScheduler(torch.optim.lr_scheduler.StepLR):
    def __init__(self, optimizer, step_size=3, **kwargs):
        super().__init__(optimizer, step_size)


class AnyCallback(L.Callback):
    def __init__(self, every=1, **kwargs):
        self.every = every


def target(cls, **arguments):
    return {"_target_": cls, **arguments}


GOOD = [
    {"optimizer": target(TakesAnyKeyword, lr=0.1, centralize=True)},
    {"optimizer": target(KeepsInDefaults, decay=0.1)},
    {"optimizer": target(ReadsInADecoratedStep, debias=True)},
    {"optimizer": target(HandsOn, boost=2.0, lr=0.1, betas=[0.8, 0.9])},
    {"optimizer": target(NeedsKeyword, lr=0.1)},
    {"scheduler": target(AnyScheduler, gamma=0.1)},
]


@pytest.mark.parametrize("cfg", GOOD, ids=str)
def test_keys_that_are_read_pass(cfg):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lit_optim.validate(cfg)


TYPING_ERRORS = [
    ({"optimizer": target(TakesAnyKeyword, weght_decay=1)}, "optimizer.weght_decay=1: TakesAnyKeyword takes any keyword, but does not read 'weght_decay'; did you mean 'weight_decay'?"),
    ({"optimizer": target(TakesAnyKeyword, momentun=0.9)}, "does not read 'momentun'; did you mean 'momentum'?"),
    ({"optimizer": target(TakesAnyKeyword, momentum=0.9)}, "optimizer.momentum=0.9: TakesAnyKeyword takes it and goes on with 0; remove it"),
    ({"optimizer": target(KeepsInDefaults, decya=1)}, "optimizer.decya=1: KeepsInDefaults takes any keyword, but does not read 'decya'; did you mean 'decay'?"),
    ({"optimizer": target(HandsOn, beta=[0.8, 0.9])}, "unexpected keyword argument 'beta'; did you mean 'betas'?"),
    ({"scheduler": target(AnyScheduler, gama=1)}, "scheduler.gama=1: AnyScheduler takes any keyword, but does not read 'gama'; did you mean 'gamma'?"),
    ({"optim_callbacks": {"x": target(AnyCallback, evry=2)}}, "optim_callbacks.x.evry=2: AnyCallback takes any keyword, but does not read 'evry'; did you mean 'every'?"),
]  # fmt: skip


@pytest.mark.parametrize(("cfg", "message"), TYPING_ERRORS, ids=[message[:40] for _, message in TYPING_ERRORS])
def test_typing_errors_are_rejected(cfg, message):
    with pytest.raises(ConfigError) as caught:
        lit_optim.validate(cfg)
    assert message in str(caught.value)


UNREAD = [
    ({"optimizer": target(TakesAnyKeyword, colour="red")}, r"optimizer.colour='red': TakesAnyKeyword takes any keyword, but does not read 'colour'; it has no effect"),
    ({"optimizer": target(KeepsInDefaults, colour="red")}, "optimizer.colour='red'"),
    ({"optim_callbacks": {"x": target(AnyCallback, colour="red")}}, "optim_callbacks.x.colour='red'"),
]  # fmt: skip


@pytest.mark.parametrize(("cfg", "message"), UNREAD, ids=[message[:40] for _, message in UNREAD])
def test_keys_that_are_not_read_are_warned_about(cfg, message):
    with pytest.warns(UserWarning, match=message):
        lit_optim.validate(cfg)


def test_no_preset_has_a_key_that_its_class_does_not_read():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in OPTIMIZERS:
            lit_optim.validate({"optimizer": name})
