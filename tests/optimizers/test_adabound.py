"""AdaBound's bounds follow the schedule, by whatever the lr is changed, also in resumed runs."""

import pytest
import torch

import lit_optim
from lit_optim.optimizers import AdaBound, AdaBoundW
from lit_optim.scheduler.rescale_lr import rescale_lr


def upper_bound(optimizer, p):
    """The step size of a parameter at the next step, by its effect; nothing but the bound limits it."""
    before, step = p.detach().clone(), float(optimizer.state.get(p, {}).get("step", 0)) + 1
    beta1 = 0.9
    optimizer.state.get(p, {}).pop("exp_avg", None)
    p.grad = torch.full_like(p, 1e-7)
    optimizer.step()
    size = float(((before - p.detach()) / ((1 - beta1) * p.grad))[0])
    return size / (1 + 1 / (0.5 * step))


def build(cls=AdaBound, **more):
    p = torch.nn.Parameter(torch.zeros(3, dtype=torch.float64))
    return cls([p], **{"lr": 0.01, "final_lr": 0.1, "gamma": 0.5, "eps": 0.0, **more}), p


@pytest.mark.parametrize("cls", [AdaBound, AdaBoundW])
def test_bounds_follow_the_lr(cls):
    optimizer, p = build(cls)
    for factor in (1.0, 0.5, 0.0, 0.25):
        optimizer.param_groups[0]["lr"] = 0.01 * factor
        assert upper_bound(optimizer, p) == pytest.approx(0.1 * factor, rel=1e-9)


def test_a_group_that_is_added_has_a_base_of_its_own():
    optimizer, _ = build()
    q = torch.nn.Parameter(torch.zeros(3, dtype=torch.float64))
    optimizer.add_param_group({"params": [q], "lr": 0.002})
    assert [group["base_lr"] for group in optimizer.param_groups] == [0.01, 0.002]
    assert upper_bound(optimizer, q) == pytest.approx(0.1, rel=1e-9)
    optimizer.param_groups[1]["lr"] = 0.001
    assert upper_bound(optimizer, q) == pytest.approx(0.05, rel=1e-9)


def test_a_resumed_run_keeps_its_bounds_whatever_lr_is_given_to_it():
    optimizer, p = build()
    schedule = lit_optim.build_scheduler("cosine", optimizer, total_steps=4)
    for _ in range(2):
        p.grad = torch.full_like(p, 1e-7)
        optimizer.step()
        schedule.step()
    other, q = build(lr=0.5)
    again = lit_optim.build_scheduler("cosine", other, total_steps=4)
    other.load_state_dict(optimizer.state_dict())
    again.load_state_dict(schedule.state_dict())
    assert other.param_groups[0]["base_lr"] == 0.01
    assert upper_bound(other, q) == pytest.approx(0.05, rel=1e-9), "half way of the cosine"


def test_a_checkpoint_of_another_class_brings_no_base():
    optimizer, p = build()
    adam = torch.optim.Adam([p], lr=0.02)
    schedule = lit_optim.build_scheduler("cosine", adam, total_steps=4)
    p.grad = torch.ones_like(p)
    for _ in range(2):
        adam.step()
        schedule.step()
    saved = adam.state_dict()
    optimizer.load_state_dict(saved)
    group = optimizer.param_groups[0]
    assert (group["lr"], group["base_lr"]) == (pytest.approx(0.01), 0.02), "initial_lr, which the schedule has written"


@pytest.mark.parametrize("scheduled", [False, True])
def test_another_lr_for_all_does_not_move_the_bounds(scheduled):
    """As ``self.lr = ...`` and lr_find have it."""
    optimizer, p = build()
    if scheduled:
        lit_optim.build_scheduler("constant", optimizer).rescale(0.03)
    else:
        rescale_lr(optimizer, 0.03)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.03)
    assert upper_bound(optimizer, p) == pytest.approx(0.1, rel=1e-9)


def test_warmup_from_the_first_step():
    """The schedule writes its first lr before the first step; the base is what was configured."""
    optimizer, p = build()
    schedule = lit_optim.build_scheduler("warmup_cosine", optimizer, total_steps=100, warmup=10)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.001)
    assert upper_bound(optimizer, p) == pytest.approx(0.01, rel=1e-9)
    for _ in range(9):
        schedule.step()
    assert upper_bound(optimizer, p) == pytest.approx(0.1, rel=1e-9)
