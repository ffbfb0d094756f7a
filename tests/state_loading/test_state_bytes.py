"""The bytes of the state are those that a real first step allocates, for every preset."""

import warnings

import pytest
import torch
from torch import nn

import lit_optim
from conftest import OPTIMIZERS
from lit_optim.config.capabilities import capabilities
from lit_optim.config.read.presets import load_preset
from lit_optim.param_groups.make_card import make_card
from lit_optim.state_loading.state_bytes import StateBytes


def allocated(value):
    if isinstance(value, torch.Tensor):
        return value.numel() * value.element_size()
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else []
    return sum(map(allocated, parts))


def parameters_for(needs):
    """One below and one above the size from which dummies have another shape than the parameter."""
    if needs.sparse:
        return nn.ModuleList([nn.Embedding(9, 2, sparse=True), nn.Embedding(300, 20, sparse=True)])
    if needs.two_d:
        return nn.ModuleList([nn.Linear(5, 3, bias=False), nn.Linear(80, 70, bias=False)])
    return nn.ModuleList([nn.Conv2d(2, 3, 3), nn.Linear(80, 70)])


@pytest.mark.parametrize(
    "name", [name for name in OPTIMIZERS if name != "lbfgs" and "parts" not in load_preset("optimizer", name)]
)
def test_bytes_are_those_of_a_real_first_step(name):
    needs = capabilities(name)
    net = parameters_for(needs)
    options = {"compile": False} if name.startswith("compiled/") else {}
    optimizer = lit_optim.build_optimizer(name, net, **options)
    [group] = optimizer.param_groups
    states = StateBytes(optimizer)
    expected = sum(states(group, p) for p in group["params"])
    assert not optimizer.state or name == "adagrad", "it is not changed"
    if needs.modes:
        optimizer.train()

    def closure():
        optimizer.zero_grad()
        read = (lambda layer: layer(torch.arange(9))) if needs.sparse else (lambda layer: layer.weight)
        loss = sum(read(layer).square().sum() for layer in net)
        loss = loss + sum(layer.bias.square().sum() for layer in net if getattr(layer, "bias", None) is not None)
        loss.backward(create_graph=needs.second_order)
        return loss

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Using backward\\(\\) with create_graph=True")
        optimizer.step(closure)
    assert expected == sum(map(allocated, optimizer.state.values()))


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if "parts" in load_preset("optimizer", name)])
def test_bytes_of_the_parts_of_a_composite(name):
    net = nn.Sequential(nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(8, 16), nn.Linear(16, 3))
    optimizer = lit_optim.build_optimizer(name, net)
    expected = make_card(net, {"": optimizer}).state_bytes
    assert not optimizer.state
    net(torch.ones(2, 8, 3, 3)).square().sum().backward()
    optimizer.step()
    assert expected == sum(map(allocated, optimizer.state.values()))


def test_a_state_that_grows_is_unknown():
    optimizer = torch.optim.LBFGS([torch.ones(3, requires_grad=True)])
    assert StateBytes(optimizer)(optimizer.param_groups[0], optimizer.param_groups[0]["params"][0]) is None


BY_HAND = [
    (torch.optim.SGD, {}, 0),
    (torch.optim.SGD, {"momentum": 0.9}, 4 * 100_000 * 70_000),
    (torch.optim.AdamW, {}, 2 * 4 * 100_000 * 70_000 + 4),  # and a step
    (torch.optim.Adafactor, {}, 4 * (100_000 + 70_000) + 4),  # rows and columns
]


@pytest.mark.parametrize(("cls", "options", "size"), BY_HAND)
def test_nothing_is_allocated(cls, options, size):
    p = nn.Parameter(torch.empty(100_000, 70_000, device="meta"))
    optimizer = cls([p], lr=0.1, **options)
    assert StateBytes(optimizer)(optimizer.param_groups[0], p) == size


def test_groups_differ_by_what_changes_the_state():
    p, q = (nn.Parameter(torch.ones(10)) for _ in range(2))
    optimizer = torch.optim.SGD([{"params": [p], "momentum": 0.9}, {"params": [q], "lr": 1.0}], lr=0.1)
    states = StateBytes(optimizer)
    assert [states(group, group["params"][0]) for group in optimizer.param_groups] == [40, 0]


class Broken(torch.optim.SGD):
    tries = 0

    def step(self, closure=None):
        Broken.tries += 1
        raise RuntimeError


def test_a_class_that_cannot_be_tried_is_unknown_and_not_tried_for_each_parameter():
    params = [nn.Parameter(torch.ones(n)) for n in range(2, 30)]
    optimizer = Broken(params, lr=0.1)
    states = StateBytes(optimizer)
    assert {states(optimizer.param_groups[0], p) for p in params} == {None}
    assert 0 < Broken.tries < 28
