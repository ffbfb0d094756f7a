"""An average and a schedule-free optimizer in plain torch."""

import copy

import numpy as np
import pytest
import schedulefree
import torch
from torch.optim.swa_utils import AveragedModel

import lit_optim
from lit_optim import ConfigError
from lit_optim.averaging.schedule_free import is_schedule_free
from lit_optim.optimizers import ExponentialMovingAverage, ScheduleFree


def test_the_average_of_unit_steps():
    p = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([p], lr=1.0)
    average = ExponentialMovingAverage(0.9, warmup=False).attach(optimizer)
    expected = 1.0
    for t in range(1, 20):
        p.grad = -torch.ones(1, dtype=torch.float64)
        optimizer.step()
        expected = t if t == 1 else 0.9 * expected + 0.1 * t
    with average.evaluation():
        np.testing.assert_allclose(p.item(), expected, rtol=1e-12)
    assert p.item() == 19.0


def plain_mean(average, weights, number):
    return 0.8 * average + 0.2 * weights


def warmed_up(average, weights, number):
    """As TensorFlow's: the decay of update t is at most (1 + t) / (10 + t)."""
    decay = min(0.8, (1 + int(number)) / (10 + int(number)))  # it is a tensor, of 32 bits when divided
    return decay * average + (1 - decay) * weights


def layers(dtype=torch.float64):
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2)).to(dtype)


def train(module, optimizer, steps, begin=0):
    for t in range(begin, begin + steps):
        optimizer.zero_grad()
        numbers = torch.Generator().manual_seed(t)
        module(torch.randn(5, 3, generator=numbers).to(module[0].weight.dtype)).square().sum().backward()
        optimizer.step()
        yield t + 1


OPTIONS = [
    (dict(warmup=False), plain_mean, range(1, 60)),
    ({}, warmed_up, range(1, 60)),
    (dict(every_n=3), warmed_up, range(1, 60, 3)),
    (dict(start=20), warmed_up, range(21, 60)),
    (dict(start=20, every_n=3, warmup=False), plain_mean, range(21, 60, 3)),
]


@pytest.mark.parametrize(("options", "mean", "updates"), OPTIONS)
def test_the_average_is_torchs(options, mean, updates):
    module = layers()
    theirs = AveragedModel(module, avg_fn=mean)
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.1)
    ours = ExponentialMovingAverage(0.8, **options).attach(optimizer)
    for step in train(module, optimizer, 59):
        if step in updates:
            theirs.update_parameters(module)
        if step in (15, 59):
            expected = [p.detach().clone() for p in (theirs.module if step >= updates[0] else module).parameters()]
            with ours.evaluation():
                for p, q in zip(module.parameters(), expected, strict=True):
                    torch.testing.assert_close(p.detach(), q, rtol=1e-12, atol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_average_of_16_bits_is_one_of_32(dtype):
    """200 steps of 1 / 512: an average of 16 bits with a decay of 0.999 would stay where it began."""
    p = torch.zeros(1, dtype=dtype, requires_grad=True)
    optimizer = torch.optim.SGD([p], lr=1.0)
    average = ExponentialMovingAverage(0.999, warmup=False).attach(optimizer)
    expected = None
    for t in range(200):
        p.grad = torch.full_like(p, -1 / 512 if t % 2 else 0.0)
        optimizer.step()
        expected = p.item() if expected is None else 0.999 * expected + 0.001 * p.item()
    live = p.item()
    with average.evaluation():
        assert p.item() == pytest.approx(expected, rel=2**-8)
    with average.evaluation():  # a swap rounds nothing
        assert p.item() == pytest.approx(expected, rel=2**-8)
    assert p.item() == live
    assert optimizer.state[p]["average"].item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("name", ["adamw", "lion", "nadam", "compiled/nadam"])
def test_an_average_of_32_bits_is_resumed_bit_for_bit(name, swapped):
    def run(module, state=None):
        optimizer = lit_optim.build_optimizer(name, module, lr=1e-3)
        average = ExponentialMovingAverage(0.99, start=2).attach(optimizer)
        if state is not None:
            optimizer.load_state_dict(state)
        return optimizer, average

    module = layers(torch.bfloat16)
    optimizer, average = run(module)
    list(train(module, optimizer, 5))
    if swapped:
        average.swap_in()
    saved = copy.deepcopy((module.state_dict(), optimizer.state_dict()))
    list(train(module, optimizer, 5, 5))
    again = layers(torch.bfloat16)
    again.load_state_dict(saved[0])
    other, _ = run(again, saved[1])
    list(train(again, other, 5, 5))
    for p, q in zip(module.parameters(), again.parameters(), strict=True):
        assert torch.equal(p, q)
        assert optimizer.state[p]["average"].dtype == torch.float32
        assert torch.equal(optimizer.state[p]["average"], other.state[q]["average"])


def test_an_average_of_an_older_checkpoint_has_no_warmup_any_more():
    """Which has no count of steps in its groups."""
    module = layers()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
    average = ExponentialMovingAverage(0.8).attach(optimizer)
    list(train(module, optimizer, 3))
    older = copy.deepcopy(optimizer.state_dict())
    for group in older["param_groups"]:
        del group["average_step"]
    before = [optimizer.state[p]["average"].clone() for p in module.parameters()]
    optimizer.load_state_dict(older)
    list(train(module, optimizer, 1, 3))
    with average.evaluation():
        for (p, was), state in zip(
            zip(module.parameters(), before, strict=True), optimizer.state.values(), strict=True
        ):
            torch.testing.assert_close(p, 0.8 * was + 0.2 * state["live_while_average"])


@pytest.mark.parametrize("decay", [-0.1, 1, 1.5, "0.9", None, True, float("nan")])
def test_bad_decay(decay):
    with pytest.raises(ConfigError, match=r"^decay=.*: must be a number of at least 0 and below 1; write e.g. 0.999"):
        ExponentialMovingAverage(decay)


@pytest.mark.parametrize("bad", [{"start": -1}, {"start": 1.5}, {"every_n": 0}, {"every_n": True}, {"warmup": 10}])
def test_bad_options_of_an_average(bad):
    (name,) = bad
    with pytest.raises(ConfigError, match=f"^{name}=.*: must be"):
        ExponentialMovingAverage(**bad)


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
