"""SWATS where dot products arrive one step late, as on a GPU: simulated on a CPU, where they are there at once."""

import copy
import pickle

import pytest
import torch

from lit_optim.optimizers import SWATS
from lit_optim.optimizers.swats import optimizer as module
from lit_optim.optimizers.swats.dot_products import DotProducts


class Late(DotProducts):
    """Not there in the step that they are of."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.is_ready = False
        self.arrived = type("Event", (), {"synchronize": lambda self: None})()


@pytest.fixture
def late(monkeypatch):
    monkeypatch.setattr(module, "DotProducts", Late)


SHAPES = [(3, 2), (7,)]


def begin(scope="global"):
    torch.manual_seed(1)
    params = [torch.nn.Parameter(torch.randn(shape, dtype=torch.float64)) for shape in SHAPES]
    groups = [{"params": params[:1]}, {"params": params[1:], "lr": 0.005}]
    return params, SWATS(groups, lr=0.01, switch_rtol=0.2, switch_tol=0.0, min_steps=4, scope=scope)


def step(params, optimizer, t):
    generator = torch.Generator().manual_seed(t)
    for p in params:
        p.grad = torch.randn(p.shape, generator=generator, dtype=p.dtype) + 1
    optimizer.step()


def run(params, optimizer, first=0, last=14):
    for t in range(first, last):
        step(params, optimizer, t)
    return torch.cat([p.detach().flatten() for p in params])


def known(optimizer):
    return [
        [group[key] for key in ("phase", "k", "gamma", "lam", "sgd_lr", "adam_lr")] for group in optimizer.param_groups
    ]


@pytest.mark.parametrize("scope", ["global", "group"])
def test_is_known_one_step_later(scope, monkeypatch):
    pair, other = begin(scope), begin(scope)
    history = []
    for t in range(6):
        step(*pair, t)
        history.append(known(pair[1]))
    monkeypatch.setattr(module, "DotProducts", Late)
    for t in range(6):
        step(*other, t)
        if t and history[t - 1][0][0] == "adam":
            assert [group[1:] for group in known(other[1])] == [group[1:] for group in history[t - 1]]


def test_switches_one_step_later_by_the_same_estimate(monkeypatch):
    def switch():
        params, optimizer = begin()
        for t in range(14):
            step(params, optimizer, t)
            if optimizer.param_groups[0]["phase"] == "sgd":
                return t, optimizer.param_groups
        raise AssertionError

    at, groups = switch()
    monkeypatch.setattr(module, "DotProducts", Late)
    later, others = switch()
    assert later == at + 1
    for group, other in zip(groups, others, strict=True):
        assert other["switched_at"] == group["switched_at"] + 1
        for key in ("sgd_lr", "lr", "gamma"):
            assert other[key] == group[key]
        assert other["unseen"] is None


@pytest.mark.parametrize("way", ["state_dict", "pickle", "deepcopy"])
def test_goes_on_to_the_bit_from_every_step(way, late):
    whole = run(*begin())
    params, optimizer = begin()
    for t in range(13):
        step(params, optimizer, t)
        if way == "deepcopy":
            others, other = copy.deepcopy((params, optimizer))
        elif way == "pickle":
            others, other = pickle.loads(pickle.dumps((params, optimizer)))
        else:
            others, other = begin()
            with torch.no_grad():
                for mine, its in zip(others, params, strict=True):
                    mine.copy_(its)
            other.load_state_dict(pickle.loads(pickle.dumps(optimizer.state_dict())))
        assert torch.equal(run(others, other, t + 1), whole), t


def test_saving_looks_at_nothing(late):
    whole = run(*begin())
    params, optimizer = begin()
    for t in range(14):
        step(params, optimizer, t)
        optimizer.state_dict()
    assert torch.equal(torch.cat([p.detach().flatten() for p in params]), whole)


def test_switch_looks_at_what_there_is(monkeypatch):
    def switched():
        params, optimizer = begin()
        run(params, optimizer, last=3)
        assert optimizer.switch()
        return known(optimizer), optimizer.param_groups[0]["switched_at"]

    at_once = switched()
    monkeypatch.setattr(module, "DotProducts", Late)
    assert switched() == at_once


def test_a_checkpoint_from_before_has_none(late):
    params, optimizer = begin()
    run(params, optimizer, last=3)
    saved = optimizer.state_dict()
    for group in saved["param_groups"]:
        del group["unseen"]
    others, other = begin()
    other.load_state_dict(saved)
    run(others, other, 3, 5)
    assert other.param_groups[0]["k"] == 3, (
        "steps 3 and 5: the dot products of one are lost, those of the last are late"
    )
