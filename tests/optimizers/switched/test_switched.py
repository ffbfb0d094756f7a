"""A planned change of optimizer in plain torch: against a loop that changes by hand, and resumed to the bit, by presets."""

import copy
import io
import pickle
import warnings

import pytest
import torch

import lit_optim
from _support.declared_state import Declared
from conftest import OPTIMIZERS
from lit_optim import ConfigError
from lit_optim.config.capabilities import capabilities
from lit_optim.config.read.spec import read_spec
from lit_optim.imports import import_object
from lit_optim.optimizers import SGDW, Adam, Lookahead, Switched, keep_exact
from lit_optim.optimizers.switched.arguments import reason_against
from lit_optim.state_loading.translate import translated

AT, STEPS = 4, 8


def spec(name):
    found = read_spec(name, "optimizer")
    arguments = {**found.arguments, **({"compile": False} if "compile" in found.arguments else {})}
    return import_object(found.target, name), {k: tuple(v) if isinstance(v, list) else v for k, v in arguments.items()}


def fits(name):
    needs = capabilities(name)
    special = (
        needs.closure or needs.sparse or needs.two_d or needs.hidden_matrices or needs.second_order or needs.random
    )
    return not special and not needs.gpu and reason_against(spec(name)[0]) is None


ONES = [name for name in OPTIMIZERS if fits(name)]
# every class as the first and as the second, with one of its own kind and with one of another
PAIRS = [(name, to) for name in ONES for to in ("momentum", "nadam")] + [
    ("adamw", to) for to in ONES if to not in ("momentum", "nadam")
]


def built(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = Declared("adamw")
        return net, lit_optim.build_optimizer(name, net, **{k: v for k, v in spec(name)[1].items() if k == "compile"})


def switched(name, to, **options):
    net, first = built(name)
    cls, arguments = spec(to)
    return net, Switched(first, cls, arguments, **options)


def by_hand(name, to):
    """Two optimizers; the second takes over what the first has saved."""
    net, first = built(name)
    net.train_with(first, AT)
    cls, arguments = spec(to)
    _, model = built(to)
    flags = {k: v for k, v in model.param_groups[0].items() if k in ("fused", "foreach") and v}
    second = keep_exact(cls(net.parameters(), **{**arguments, **flags}))
    first_path = f"{type(first).__module__}.{type(first).__qualname__}"
    found = translated(copy.deepcopy(first.state_dict()), first_path, second)
    if found is not None:
        second.load_state_dict(found)
    net.train_with(second, STEPS - AT)
    return net.by_name(), found is not None


def equal(one, other):
    return all(torch.equal(one[name], other[name]) for name in other)


@pytest.mark.parametrize(("name", "to"), PAIRS)
def test_as_a_loop_that_changes_by_hand_and_resumed_to_the_bit_before_and_after(name, to):
    net, optimizer = switched(name, to)
    files = {}
    for step in range(STEPS):
        if step == AT:
            was_translated = optimizer.switch()
        if step in (AT - 1, AT, AT + 1):
            files[step] = io.BytesIO()
            torch.save((net.state_dict(), optimizer.state_dict()), files[step])
        net.train_with(optimizer, 1)
    expected, expects_state = by_hand(name, to)
    assert was_translated == expects_state
    assert equal(net.by_name(), expected)
    for step, file in files.items():
        file.seek(0)
        weights, state = torch.load(file, weights_only=True)
        again, resumed = switched(name, to)
        again.load_state_dict(weights)
        resumed.load_state_dict(state)
        again.steps = step
        for now in range(step, STEPS):
            if now == AT:
                resumed.switch()
            again.train_with(resumed, 1)
        assert equal(again.by_name(), expected), step


def one(first=torch.optim.AdamW, to=torch.optim.SGD, arguments=None, groups=({},), lr=None, **options):
    ps = [torch.nn.Parameter(torch.ones(2)) for _ in groups]
    with_params = [{"params": [p], **group} for p, group in zip(ps, groups, strict=True)]
    return ps, Switched(keep_exact(first(with_params, **{"lr": 0.1, **options})), to, arguments or {}, lr=lr)


def test_groups_keep_their_ratios_own_values_and_places_in_the_schedule():
    groups = [{"name": "rest"}, {"name": "head", "lr": 1.0}, {"name": "no_decay", "weight_decay": 0.0, "eps": 1e-3}]
    arguments = {"momentum": 0.9, "weight_decay": 5e-4}
    _, optimizer = one(groups=groups, arguments=arguments, lr=0.5, weight_decay=0.01)
    for group in optimizer.param_groups:
        group["initial_lr"], group["lr"] = group["lr"], group["lr"] / 4  # a schedule stands at a quarter
    assert not optimizer.switch()
    keys = ("lr", "initial_lr", "weight_decay", "momentum", "switched_to")
    assert [tuple(group[key] for key in keys) for group in optimizer.param_groups] == [
        (0.125, 0.5, 5e-4, 0.9, "SGD"),
        (1.25, 5.0, 5e-4, 0.9, "SGD"),
        (0.125, 0.5, 0.0, 0.9, "SGD"),
    ]
    assert optimizer.defaults["lr"] == 0.5
    before = copy.deepcopy([{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups])
    assert not optimizer.switch(), "a second call"
    assert before == [{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups]


@pytest.mark.parametrize(("lr", "expected"), [(None, 0.001), ("x0.1", 0.01), (0.3, 0.3)])
def test_lr_absolute_relative_or_that_of_the_class(lr, expected):
    _, optimizer = one(to=torch.optim.SGD, lr=lr)
    optimizer.switch()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(expected)
    later = torch.nn.Parameter(torch.ones(2))
    optimizer.add_param_group({"params": [later], "lr": 0.2})  # twice the lr of the first class
    group = optimizer.param_groups[-1]
    assert (group["lr"], group["switched_to"]) == (pytest.approx(2 * expected), "SGD")
    later.grad = torch.ones(2)
    optimizer.step()
    torch.testing.assert_close(later.detach(), 1 - torch.full((2,), 2 * expected))


def test_a_group_that_is_added_before_is_the_first_classes_and_changes_too():
    (p,), optimizer = one(lr=0.5)
    later = torch.nn.Parameter(torch.ones(2))
    optimizer.add_param_group({"params": [later]})
    for each in (p, later):
        each.grad = torch.ones(2)
    optimizer.step()
    torch.testing.assert_close(later, p)
    optimizer.switch()
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.5]


def test_state_is_freed_and_averages_of_the_weights_stay():
    (p,), optimizer = one(to=torch.optim.Adam)
    lookahead = Lookahead(2, 0.5).attach(optimizer)
    for step in range(6):
        if step == 3:
            optimizer.switch()
            assert {"exp_avg", "slow"} <= optimizer.state[p].keys()
        p.grad = torch.full((2,), 1.0 + step)
        optimizer.step()
    assert lookahead.states()
    (q,), other = one(lr=0.5)
    Lookahead(2, 0.5).attach(other)
    q.grad = torch.ones(2)
    other.step()
    other.switch()
    assert [*other.state[q]] == ["slow"]
    saved, weights = pickle.loads(pickle.dumps(other.state_dict())), q.detach().clone()
    q.grad = torch.ones(2)
    other.step()
    (r,), again = one(lr=0.5)
    Lookahead(2, 0.5).attach(again)
    again.load_state_dict(saved)
    assert again.switched
    assert [*again.state[r]] == ["slow"]
    r.data.copy_(weights)
    r.grad = torch.ones(2)
    again.step()
    assert torch.equal(again.state[r]["slow"], other.state[q]["slow"])


@pytest.mark.parametrize("way", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
@pytest.mark.parametrize("after", [False, True])
def test_copies_go_on_alike(way, after):
    (p,), optimizer = one(to=torch.optim.NAdam, lr=0.05)
    p.grad = torch.tensor([1.0, 2.0])
    optimizer.step()
    if after:
        optimizer.switch()
    twin = way(optimizer)
    (q,) = twin.param_groups[0]["params"]
    for each, params in ((optimizer, p), (twin, q)):
        for _ in range(2):
            each.switch()
            params.grad = torch.tensor([0.5, -1.0])
            each.step()
    assert torch.equal(p, q)
    assert twin.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"] == 0.05


def test_flags_are_those_of_the_class_in_use():
    (p,), optimizer = one(first=torch.optim.Adam, foreach=True)
    p.grad = torch.ones(2)
    optimizer.step()
    before = optimizer.state_dict()
    optimizer.switch()
    assert [optimizer.param_groups[0][flag] for flag in ("fused", "foreach")] == [True, None]
    optimizer.step()
    optimizer.load_state_dict(before)
    assert [optimizer.param_groups[0][flag] for flag in ("fused", "foreach")] == [None, True]
    assert not optimizer.switched
    assert optimizer.defaults["lr"] == 0.1


def test_a_state_of_the_first_class_alone_is_from_before_and_one_of_another_second_is_rejected():
    (p,), optimizer = one()
    alone = torch.optim.AdamW([p], lr=0.2)
    p.grad = torch.ones(2)
    alone.step()
    optimizer.load_state_dict(alone.state_dict())
    assert (optimizer.switched, optimizer.param_groups[0]["lr"]) == (False, 0.2)
    optimizer.switch()
    _, other = one(to=torch.optim.RMSprop)
    with pytest.raises(ConfigError, match="it has switched to SGD, and here to=RMSprop"):
        other.load_state_dict(optimizer.state_dict())
    plain = torch.optim.SGD([p], lr=0.1)
    plain.step()
    with pytest.raises(ConfigError, match="betas"):
        one()[1].load_state_dict(plain.state_dict())


@pytest.mark.parametrize(
    ("first", "to", "lr", "words"),
    [
        (torch.optim.AdamW, torch.optim.LBFGS, None, "to=LBFGS: LBFGS takes its steps by a closure"),
        (torch.optim.LBFGS, torch.optim.SGD, None, "LBFGS takes its steps by a closure"),
        (torch.optim.AdamW, torch.optim.SGD, -1.0, "lr=-1.0: write an absolute learning rate"),
        (torch.optim.AdamW, torch.optim.SGD, "half", "lr='half': write an absolute"),
        (lit_optim.optimizers.SWATS, torch.optim.SGD, None, "SWATS is several optimizers already"),
    ],
)
def test_what_cannot_be(first, to, lr, words):
    with pytest.raises(ConfigError, match=words):
        one(first=first, to=to, lr=lr)


def test_maximize_must_agree():
    with pytest.raises(ConfigError, match="to.maximize=False: the optimizer before it goes the other way"):
        one(maximize=True)
    one(first=Adam, to=SGDW, maximize=True, arguments={"maximize": True})
