"""Step hooks of the own rules: each exactly once, and no profiler where there is none."""

import pytest
import torch
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from lit_optim.engine.flat_bucket import SMALL
from lit_optim.optimizers import SGDW


class Calm(SGDW):
    """A subclass that overrides step."""

    def step(self, closure=None):
        return super().step(closure)


class Plain(SGDW):
    """A subclass without."""


def trained(cls):
    p = torch.nn.Parameter(torch.ones(1))
    p.grad = torch.ones(1)
    return p, cls([p], lr=0.5, momentum=0.0)


@pytest.mark.parametrize("cls", [SGDW, Plain, Calm])
@pytest.mark.parametrize("scheduled", [False, True])
def test_each_hook_once(cls, scheduled):
    p, optimizer = trained(cls)
    if scheduled:
        LambdaLR(optimizer, lambda step: 1.0)  # wraps the step of the object
    seen = []
    handles = [
        optimizer.register_step_pre_hook(lambda *_: seen.append(("pre", p.item()))),
        optimizer.register_step_post_hook(lambda *_: seen.append(("post", p.item()))),
        register_optimizer_step_pre_hook(lambda *_: seen.append(("all pre", p.item()))),
        register_optimizer_step_post_hook(lambda *_: seen.append(("all post", p.item()))),
    ]
    optimizer.step()
    assert seen == [("all pre", 1.0), ("pre", 1.0), ("post", 0.5), ("all post", 0.5)]
    for handle in handles:
        handle.remove()
    optimizer.step()
    assert len(seen) == 4
    assert p.item() == 0.0


def test_a_pre_hook_may_change_the_closure():
    p, optimizer = trained(SGDW)
    optimizer.register_step_pre_hook(lambda self, args, kwargs: ((self, lambda: 7.0), {}))
    assert optimizer.step() == 7.0
    assert p.item() == 0.5


def test_profiles_name_the_step():
    _, optimizer = trained(SGDW)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        optimizer.step()
    assert [event.count for event in profile.key_averages() if event.key == "Optimizer.step#SGDW.step"] == [1]


@pytest.mark.filterwarnings(
    "ignore:Graph break due to unsupported builtin:UserWarning"
)  # torch 2.6, of the test's hook
@pytest.mark.parametrize("cls", [SGDW, Calm])
def test_a_compiled_training_step_leaves_it_out(cls):
    """``torch.compile`` around what calls ``step()``; each hook once there too."""
    params = [torch.nn.Parameter(torch.ones(n)) for n in (1, SMALL + 9)]
    optimizer = cls(params, lr=0.5, momentum=0.5)
    seen = []
    optimizer.register_step_post_hook(lambda *_: seen.append([p[-1].item() for p in params]))

    @torch.compile(backend="eager")
    def step():
        for p in params:
            p.grad = torch.ones_like(p)
        optimizer.step()

    for _ in range(3):  # the third meets what the second has kept
        step()
    assert seen == [[0.5, 0.5], [-0.25, -0.25], [-1.125, -1.125]]
