"""An average and a schedule-free optimizer in plain torch."""

import numpy as np
import pytest
import schedulefree
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_avg_fn

from lit_optim import ConfigError
from lit_optim.averaging.schedule_free import is_schedule_free
from lit_optim.optimizers import ExponentialMovingAverage, ScheduleFree


def test_the_average_of_unit_steps():
    p = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([p], lr=1.0)
    average = ExponentialMovingAverage(0.9).attach(optimizer)
    expected = 1.0
    for t in range(1, 20):
        p.grad = -torch.ones(1, dtype=torch.float64)
        optimizer.step()
        expected = t if t == 1 else 0.9 * expected + 0.1 * t
    with average.evaluation():
        np.testing.assert_allclose(p.item(), expected, rtol=1e-12)
    assert p.item() == 19.0


def test_the_average_is_torchs():
    torch.manual_seed(1)
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2)).double()
    theirs = AveragedModel(module, avg_fn=get_ema_avg_fn(0.8))
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.1)
    ours = ExponentialMovingAverage(0.8).attach(optimizer)
    for _ in range(7):
        optimizer.zero_grad()
        module(torch.randn(5, 3, dtype=torch.float64)).square().sum().backward()
        optimizer.step()
        theirs.update_parameters(module)
    with ours.evaluation():
        for p, q in zip(module.parameters(), theirs.module.parameters(), strict=True):
            torch.testing.assert_close(p, q, rtol=1e-12, atol=0)


@pytest.mark.parametrize("decay", [-0.1, 1, 1.5, "0.9", None, True, float("nan")])
def test_bad_decay(decay):
    with pytest.raises(ConfigError, match=r"^decay=.*: must be a number of at least 0 and below 1; write e.g. 0.999"):
        ExponentialMovingAverage(decay)


def free(cls=schedulefree.AdamWScheduleFree):
    torch.manual_seed(2)
    p = torch.randn(20, requires_grad=True)
    return p, cls([p], lr=0.05)


def step(p, optimizer, t):
    p.grad = p.detach() + torch.randn(20, generator=torch.Generator().manual_seed(t))
    optimizer.step()


def test_it_is_found_by_its_two_methods():
    assert is_schedule_free(schedulefree.SGDScheduleFree)
    assert is_schedule_free(free()[1])
    assert not is_schedule_free(torch.optim.SGD)


@pytest.mark.parametrize("cls", [schedulefree.AdamWScheduleFree, schedulefree.SGDScheduleFree, schedulefree.RAdamScheduleFree])  # fmt: skip
def test_evaluations_do_not_change_the_training_of_a_schedule_free_optimizer(cls):
    p, optimizer = free(cls)
    optimizer.train()
    q, watched = free(cls)
    weights = ScheduleFree().attach(watched)
    for t in range(10):
        step(p, optimizer, t)
        step(q, watched, t)
        with weights.evaluation():
            evaluated = q.detach().clone()
            assert not watched.param_groups[0]["train_mode"]
            watched.eval()  # the user's own hook does no harm
            assert torch.equal(q, evaluated)
        weights.swap_in()
        weights.swap_in()
        weights.swap_out()
        for value in weights.evaluated().values():
            assert torch.equal(value, evaluated)
    assert torch.equal(p, q)
    optimizer.eval()
    assert torch.equal(p, evaluated)
    assert not torch.equal(p, q)


def test_looking_at_an_optimizer_without_state_leaves_it_without():
    _, optimizer = free()
    weights = ScheduleFree().attach(optimizer)
    with weights.evaluation():
        pass
    assert not optimizer.state
