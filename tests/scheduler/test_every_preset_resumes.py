"""A resume of every scheduler preset, at every step, goes on with the same numbers to the bit."""

import pickle

import pytest
import torch

import lit_optim
from conftest import SCHEDULERS

TOTAL = 30


def begin(name):
    groups = [
        {"params": [torch.nn.Parameter(torch.ones(1))]},
        {"params": [torch.nn.Parameter(torch.ones(1))], "lr": 0.003},
    ]
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
    return optimizer, lit_optim.build_scheduler(name, optimizer, total_steps=TOTAL, steps_per_epoch=10)


def go_on(optimizer, scheduler, steps):
    seen = []
    for _ in range(steps):
        seen.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        if scheduler.last_epoch % 2:
            scheduler.step_metric(1.0 + 0.01 * (scheduler.last_epoch % 5))
        scheduler.step()
    return seen


@pytest.mark.parametrize("name", SCHEDULERS)
def test_at_every_step(name):
    optimizer, scheduler = begin(name)
    whole = go_on(optimizer, scheduler, TOTAL + 5)
    assert all(second == pytest.approx(first * 0.03, rel=1e-12) for first, second in whole), "groups keep their ratio"
    optimizer, scheduler = begin(name)
    for at in range(TOTAL + 4):
        saved = pickle.loads(pickle.dumps((optimizer.state_dict(), scheduler.state_dict())))
        other, its = begin(name)
        other.load_state_dict(saved[0])
        its.load_state_dict(saved[1])
        assert go_on(other, its, min(4, TOTAL + 5 - at)) == whole[at : at + 4], at
        go_on(optimizer, scheduler, 1)
