"""A composite against its parts stepped by hand, through copies, checkpoints, hooks, scalers and added groups."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict, set_optimizer_state_dict
from torch.optim import SGD, AdamW
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from _support.declared_state import same as same_state
from lit_optim import ConfigError
from lit_optim.optimizers import SWATS, Composite, Muon, keep_exact
from lit_optim.optimizers.compiled import NAdam
from lit_optim.optimizers.composite import Part

PAIRS = {
    "AdamW, Muon": (Part(AdamW, {"lr": 0.01}), Part(Muon, {"lr": 0.02})),
    "SGD, AdamW": (Part(SGD, {"lr": 0.01, "momentum": 0.9}), Part(AdamW, {"lr": 0.01, "weight_decay": 0.1})),
    "AdamW, SGD": (Part(AdamW, {"lr": 0.01}), Part(SGD, {"lr": 0.01, "momentum": 0.9, "nesterov": True})),
    "Adagrad, NAdam": (Part(torch.optim.Adagrad, {"lr": 0.1}), Part(NAdam, {"lr": 0.01, "compile": False})),
    "NAdam, SWATS": (Part(NAdam, {"lr": 0.01, "compile": False}), Part(SWATS, {"lr": 0.01, "switch_rtol": 10.0})),
    "RMSprop, Adafactor": (Part(torch.optim.RMSprop, {"lr": 0.01}), Part(torch.optim.Adafactor, {"lr": 0.01})),
}


def net():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(8, 16), nn.LayerNorm(16), nn.Linear(16, 8))


def members(model):
    return [[p for p in model.parameters() if p.ndim < 2], [p for p in model.parameters() if p.ndim >= 2]]


def composite(model, pair):
    groups = [{"params": own, "part": name} for own, name in zip(members(model), ("rest", "matrices"), strict=True)]
    names = {p: (name,) for name, p in model.named_parameters()}
    return keep_exact(Composite(groups, dict(zip(("rest", "matrices"), pair, strict=True))), names)


def by_hand(model, pair):
    """The parts with the kernels that the composite chooses for them."""
    flags = [
        {k: inner.param_groups[0].get(k) for k in ("fused", "foreach")}
        for inner in composite(net(), pair).parts.values()
    ]
    return [
        cls(own, **arguments, **{k: v for k, v in chosen.items() if v})
        for (cls, arguments), own, chosen in zip(pair, members(model), flags, strict=True)
    ]


def train(model, optimizers, steps):
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        for optimizer in optimizers:
            optimizer.zero_grad()
        (
            model(torch.randn(6, 8, generator=generator)) - torch.randn(6, 8, generator=generator)
        ).square().mean().backward()
        for optimizer in optimizers:
            optimizer.step()


def same(one, other):
    return all(torch.equal(p, q) for p, q in zip(one.parameters(), other.parameters(), strict=True))


def values(optimizer):
    """Of the groups, without what torch adds to those of any class when it loads."""
    return [
        {k: v for k, v in group.items() if k not in ("params", "differentiable")} for group in optimizer.param_groups
    ]


@pytest.fixture(params=PAIRS, ids=str)
def pair(request):
    return PAIRS[request.param]


def test_it_is_its_parts_bit_for_bit(pair):
    ours, theirs = net(), net()
    train(ours, [composite(ours, pair)], range(6))
    train(theirs, by_hand(theirs, pair), range(6))
    assert same(ours, theirs)


@pytest.mark.parametrize("how", ["deepcopy", "pickle", "load", "load of a file", "torch.distributed.checkpoint"])
def test_what_was_copied_or_loaded_goes_on_bit_for_bit(pair, how):
    model = net()
    optimizer = composite(model, pair)
    train(model, [optimizer], range(4))
    if how == "deepcopy":
        twin, other = copy.deepcopy((model, optimizer))
    elif how == "pickle":
        twin, other = pickle.loads(pickle.dumps((model, optimizer)))
    else:
        twin = copy.deepcopy(model)
        other = composite(twin, pair)
        if how == "torch.distributed.checkpoint":
            set_optimizer_state_dict(twin, other, copy.deepcopy(get_optimizer_state_dict(model, optimizer)))
        elif how == "load":
            other.load_state_dict(state_dict=copy.deepcopy(optimizer.state_dict()))
        else:
            file = io.BytesIO()
            torch.save(optimizer.state_dict(), file)
            file.seek(0)
            other.load_state_dict(torch.load(file))
    for _ in range(2):
        train(model, [optimizer], range(4, 7))
        train(twin, [other], range(4, 7))
        assert same(model, twin)
    assert values(other) == values(optimizer)
    assert other.state_dict()["param_names"] == optimizer.state_dict()["param_names"]
    assert all(inner.state is other.state for inner in other.parts.values())


def test_a_state_that_does_not_fit_changes_nothing():
    model, pair = net(), PAIRS["AdamW, Muon"]
    optimizer = composite(model, pair)
    train(model, [optimizer], range(2))
    bad, before = copy.deepcopy(optimizer.state_dict()), copy.deepcopy(optimizer.state_dict())
    bad["state"][4]["momentum_buffer"] = torch.zeros(2)  # of the second part
    bad["state"][0]["exp_avg"] += 1
    with pytest.raises(ConfigError, match=r"0.weight: 'momentum_buffer' has shape \(2,\), and should have \(16, 8\)"):
        optimizer.load_state_dict(bad)
    assert same_state(optimizer.state_dict(), before)
    train(model, [optimizer], range(1))


def test_a_checkpoint_goes_by_names_whatever_the_order_of_groups():
    model, pair = net(), PAIRS["AdamW, Muon"]
    optimizer = composite(model, pair)
    train(model, [optimizer], range(3))
    twin = copy.deepcopy(model)
    rest, matrices = members(twin)
    names = {p: (name,) for name, p in twin.named_parameters()}
    groups = [{"params": matrices[::-1], "part": "first"}, {"params": rest[::-1], "part": "second"}]
    other = keep_exact(Composite(groups, {"first": pair[1], "second": pair[0]}), names)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert [group["part"] for group in other.param_groups] == ["first", "second"]
    train(model, [optimizer], range(3, 5))
    train(twin, [other], range(3, 5))
    assert same(model, twin)


def test_hooks_of_all_optimizers_run_once_and_those_of_a_part_for_its_step():
    model = net()
    optimizer, calls = composite(model, PAIRS["AdamW, Muon"]), []
    optimizer.register_step_pre_hook(lambda *_: calls.append("before"))
    optimizer.parts["matrices"].register_step_post_hook(lambda opt, *_: calls.append(type(opt).__name__))
    hooks = [
        register_optimizer_step_pre_hook(lambda opt, *_: calls.append(f"all before {type(opt).__name__}")),
        register_optimizer_step_post_hook(lambda opt, *_: calls.append(f"all after {type(opt).__name__}")),
    ]
    try:
        train(model, [optimizer], range(1))
    finally:
        for hook in hooks:
            hook.remove()
    assert calls == ["all before Composite", "before", "Muon", "all after Composite"]


def test_the_closure_is_called_once_with_gradients():
    model, calls = net(), []
    optimizer = composite(model, PAIRS["AdamW, Muon"])

    def closure():
        calls.append(torch.is_grad_enabled())
        optimizer.zero_grad()
        loss = model(torch.ones(2, 8)).square().mean()
        loss.backward()
        return loss

    before = model(torch.ones(2, 8)).square().mean()
    assert torch.equal(optimizer.step(closure), before)
    assert calls == [True]


def test_a_profile_names_the_parts():
    model = net()
    optimizer = composite(model, PAIRS["AdamW, Muon"])
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        train(model, [optimizer], range(1))
    names = {event.key for event in profile.key_averages()}
    assert {"Optimizer.step#Composite.step", "Optimizer.step#AdamW", "Optimizer.step#Muon"} <= names


def test_a_scaler_with_clipping_skips_all_parts_or_none():
    model = net()
    optimizer = composite(model, PAIRS["AdamW, Muon"])
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    before = copy.deepcopy(model)
    for bad in (True, False):
        optimizer.zero_grad()
        scaler.scale(model(torch.ones(2, 8)).square().mean()).backward()
        if bad:
            model[0].weight.grad[0, 0] = float("inf")
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        assert same(model, before) is bad


def test_the_step_that_creates_state_for_a_checkpoint_moves_nothing(pair):
    model = net()
    optimizer = composite(model, pair)
    before = copy.deepcopy(model)
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    lrs = [group["lr"] for group in optimizer.param_groups]
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    optimizer.step()
    for group, lr in zip(optimizer.param_groups, lrs, strict=True):
        group["lr"] = lr
    assert same(model, before)
    assert all(optimizer.state[p] for p in model.parameters())


def test_added_parameters_go_to_the_part_that_suits_them_and_begin_there():
    model, extra = net(), nn.Linear(8, 8)
    optimizer = composite(model, PAIRS["AdamW, Muon"])
    optimizer.add_param_group({"params": [*extra.parameters()], "lr": 0.5})
    names = [(group["name"], group["part"], group["lr"], len(group["params"])) for group in optimizer.param_groups]
    assert names == [
        ("rest", "rest", 0.01, 4), ("matrices", "matrices", 0.02, 2),
        ("matrices/group2", "matrices", 0.5, 1), ("rest/group3", "rest", 0.5, 1),
    ]  # fmt: skip
    twin = copy.deepcopy((model, extra))
    hand = [AdamW(members(twin[0])[0], lr=0.01, fused=True), Muon(members(twin[0])[1], lr=0.02)]
    hand[0].add_param_group({"params": [twin[1].bias], "lr": 0.5})
    hand[1].add_param_group({"params": [twin[1].weight], "lr": 0.5})
    train(nn.Sequential(model, extra), [optimizer], range(3))
    train(nn.Sequential(*twin), hand, range(3))
    assert same(model, twin[0])
    assert same(extra, twin[1])
    with pytest.raises(ValueError, match="more than one parameter group"):
        optimizer.add_param_group({"params": [extra.weight]})
    assert len(optimizer.param_groups) == 4
    with pytest.raises(ConfigError, match="a group of the part 'muon'; there are: rest, matrices"):
        optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(2))], "part": "muon"})


def test_momentum_of_parameters_that_are_unfrozen_later():
    """Fused SGD takes buffers for all parameters or for none; the state of another part is in the same dictionary."""
    pair = PAIRS["AdamW, SGD"]
    ours, theirs = net(), net()
    optimizer, hand = (
        composite(ours, pair),
        by_hand(theirs, (pair[0], Part(SGD, {**pair[1].arguments, "fused": False}))),
    )
    for model, optimizers in ((ours, [optimizer]), (theirs, hand)):
        model[0].weight.requires_grad_(False)
        train(model, optimizers, range(2))
        model[0].weight.requires_grad_(True)
        train(model, optimizers, range(2, 4))
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(p, q)


def test_one_cycle_moves_the_momentum_that_all_parts_have_or_says_that_there_is_none():
    both = Part(SGD, {"lr": 0.1, "momentum": 0.9}), Part(Muon, {"lr": 0.1})
    OneCycleLR(composite(net(), both), max_lr=0.1, total_steps=10)
    mixed = composite(net(), PAIRS["AdamW, Muon"])
    with pytest.raises(ValueError, match="optimizer must support momentum or beta1"):
        OneCycleLR(mixed, max_lr=0.1, total_steps=10)
    OneCycleLR(mixed, max_lr=0.1, total_steps=10, cycle_momentum=False)
