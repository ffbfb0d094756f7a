"""State by the names of parameters and groups: every preset, every way in which groups and parameters can change."""

import copy
import warnings

import pytest
import torch

import lit_optim
from _support.declared_state import Declared, same, state_by_name
from conftest import OPTIMIZERS
from lit_optim import ConfigError
from lit_optim.config.capabilities import capabilities
from lit_optim.config.read import presets
from lit_optim.state_loading.load_hooks import guard
from lit_optim.state_loading.regroup import regrouped

STEPS = 3
FAST = {"fast": {"match": {"name": "a.*"}, "lr": "x10"}}
TWO = {**FAST, "slow": {"match": {"name": "b.*"}, "lr": "x0.1"}}
DECAYED = {"layers": {"decay": 0.5}}
CASES = {  # what the saved run had, and what the resumed one has
    "unchanged": ({}, {}),
    "added": ({"frozen": "c"}, {}),
    "unfrozen, with a group": ({"frozen": "a", "rules": FAST}, {"rules": FAST}),
    "removed": ({}, {"frozen": "c"}),
    "frozen, with its group": ({"rules": FAST}, {"frozen": "a", "rules": FAST}),
    "regrouped": ({"rules": FAST}, {"rules": TWO}),
    "merged": ({"rules": TWO}, {}),
    "LLRD on": ({}, DECAYED),
    "LLRD off": (DECAYED, {}),
}
GROUPED = [name for name in OPTIMIZERS if not capabilities(name).one_group]


class Net(Declared):
    def __init__(self, name):
        super().__init__(name)
        if self.needs.hidden_matrices:
            for letter in "ab":
                torch.manual_seed(ord(letter))
                setattr(self, letter, torch.nn.Linear(4, 4))


def build(name, net, frozen="", **groups):
    for key, p in net.named_parameters():
        p.requires_grad_(not (frozen and key.startswith(frozen)))
    compile = {"compile": False} if "compile" in presets.load_preset("optimizer", name) else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lit_optim.build_optimizer(name, net, param_groups=groups or None, **compile)


def resume(name, weights, state, **options):
    net = Net(name)
    net.load_state_dict(weights)
    net.steps = STEPS
    optimizer = build(name, net, **options)
    changes = None
    if state is not None:
        state, changes = regrouped(state, optimizer)
        optimizer.load_state_dict(state)
    return net, optimizer, changes


def lrs(net, optimizer):
    names = {p: name for name, p in net.named_parameters()}
    return {names[p]: float(group["lr"]) for group in optimizer.param_groups for p in group["params"]}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", GROUPED)
def test_every_preset(name, case):
    before, after = CASES[case]
    if capabilities(name).one_lr and (before.keys() | after.keys()) - {"frozen"}:
        return
    net = Net(name)
    optimizer = build(name, net, **before)
    net.train_with(optimizer, STEPS)
    saved, weights = copy.deepcopy(optimizer.state_dict()), net.by_name()
    before_it, state = copy.deepcopy(saved), state_by_name(optimizer, net)
    resumed, loaded, changes = resume(name, weights, saved, **after)
    assert same(saved, before_it), "the saved state is not changed"
    found, trained, trains = state_by_name(loaded, resumed), lrs(net, optimizer), lrs(resumed, loaded)
    kept = {key: entry for key, entry in state.items() if key in trains}
    assert same({key: found[key] for key in kept}, kept), "state goes by name"
    assert (set(changes.added), set(changes.removed)) == (
        trains.keys() - trained.keys(),
        trained.keys() - trains.keys(),
    )

    fresh, begun, _ = resume(name, weights, None, **after)
    for run, its in ((net, optimizer), (resumed, loaded), (fresh, begun)):
        run.train_with(its, 1)
    if changes.mixed_counters or capabilities(name).one_lr:  # one estimate over all parameters is another now
        return
    for key, value in resumed.by_name().items():
        if key in changes.added and key not in changes.joined:
            torch.testing.assert_close(value, fresh.by_name()[key], rtol=1e-5, atol=1e-6, msg=f"{key}, fresh")
        elif trained.get(key) == trains.get(key) and key not in changes.added:
            torch.testing.assert_close(value, net.by_name()[key], rtol=1e-5, atol=1e-6, msg=f"{key}, unbroken")


@pytest.mark.parametrize("name", ["adamw", "sgdw", "momentum", "swats", "nadam"])
@pytest.mark.parametrize("case", ["added", "removed"])
def test_other_parameters_do_not_notice_to_the_bit(name, case):
    before, after = CASES[case]
    net = Net(name)
    optimizer = build(name, net, **before)
    net.train_with(optimizer, STEPS)
    resumed, loaded, _ = resume(name, net.by_name(), copy.deepcopy(optimizer.state_dict()), **after)
    for group in optimizer.param_groups:  # the same parameters in the same buckets
        group["params"] = [p for key, p in net.named_parameters() if key[0] in "ab"]
    for group in loaded.param_groups:
        group["params"] = [p for key, p in resumed.named_parameters() if key[0] in "ab"]
    for run, its in ((net, optimizer), (resumed, loaded)):
        run.train_with(its, STEPS)
    for key in ("a.weight", "a.bias", "b.weight", "b.bias"):
        assert torch.equal(net.by_name()[key], resumed.by_name()[key]), key


def test_what_differs_is_data_and_words():
    net = Net("adamw")
    state = build("adamw", net, rules=FAST).state_dict()
    _, _, changes = resume("adamw", net.by_name(), state, rules=TWO, frozen="c.b")
    moved = {f"b.{kind}": ("default", "slow") for kind in ("weight", "bias")}
    assert (changes.added, changes.removed, changes.moved) == ([], ["c.bias"], moved)
    assert (changes.new_groups, changes.lost_groups, changes.mixed_counters) == (["slow"], [], [])
    assert changes.lines() == [
        "dropped with their state: c.bias",
        "in another group: b.weight (default -> slow), b.bias (default -> slow)",
        "new groups, with the values of the configuration: slow",
    ]
    _, _, none = resume("adamw", net.by_name(), state, rules=FAST)
    assert not none
    assert none.lines() == []


def linear(*groups, cls=torch.optim.SGD, **arguments):
    """An optimizer over parameters of one element each: ``(name of the group, names of its parameters, values)``."""
    names = {}

    def made(letters):
        for letter in letters:
            names[torch.zeros(1, requires_grad=True)] = (letter,)
        return list(names)[-len(letters) :]

    own = [{"params": made(letters), **({"name": name} if name else {}), **values} for name, letters, values in groups]
    return guard(cls(own, **arguments), names)


def test_a_group_with_the_name_of_a_saved_one_takes_its_values():
    saved = linear(("head", "a", {"lr": 0.5, "momentum": 0.8}), ("default", "b", {"lr": 0.25})).state_dict()
    here = linear(("default", "b", {"max_lr": 3.0}), ("head", "a", {}), ("new", "c", {"lr": 0.125}), lr=1.0)
    state, changes = regrouped(saved, here)
    assert [group["lr"] for group in state["param_groups"]] == [0.25, 0.5, 0.125]
    assert [group["momentum"] for group in state["param_groups"]] == [0, 0.8, 0]
    assert state["param_groups"][0]["max_lr"] == 3.0
    assert (changes.added, changes.new_groups) == (["c"], ["new"])


@pytest.mark.parametrize("place", ["saved", "live"])
@pytest.mark.parametrize(("there", "here", "expected"), [
    ((("a", 0.5), ("bc", 0.25)), (("bc", 1.0), ("a", 1.0)), [0.25, 0.5]),  # the same parameters
    ((("a", 0.5), ("bc", 0.25)), (("ab", 1.0), ("c", 1.0)), [0.5, 0.25]),  # the same place
    ((("a", 0.5), ("bc", 0.25)), (("ab", 1.0), ("c", 2.0), ("d", 3.0)), [1.0, 2.0, 3.0]),
])  # fmt: skip
def test_groups_without_names(place, there, here, expected):
    named = {"saved": "", "live": "g"}
    groups = [(named[place] and f"g{i}", letters, {"lr": lr}) for i, (letters, lr) in enumerate(there)]
    others = [(("", "h")[place == "saved"] and f"h{i}", letters, {"lr": lr}) for i, (letters, lr) in enumerate(here)]
    state, _ = regrouped(linear(*groups).state_dict(), linear(*others))
    assert [group["lr"] for group in state["param_groups"]] == expected


def test_a_new_group_stands_where_the_schedule_is():
    saved = linear(("default", "ab", {"lr": 0.25, "initial_lr": 0.5})).state_dict()
    state, _ = regrouped(saved, linear(("default", "a", {}), ("slow", "b", {"lr": 0.0625}), lr=0.5))
    assert [(group["lr"], group["initial_lr"]) for group in state["param_groups"]] == [(0.25, 0.5), (0.03125, 0.0625)]


@pytest.mark.parametrize("follow", [True, False])
def test_a_new_group_of_swats_after_the_switch_has_an_lr_of_sgd(follow):
    cls, options = lit_optim.optimizers.SWATS, dict(lr=0.01, follow_schedule=follow)
    optimizer = linear(("default", "ab", {}), cls=cls, **options)
    for _ in range(2):
        for p in optimizer.param_groups[0]["params"]:
            p.grad = torch.full((1,), 2.0)
        optimizer.step()
    assert optimizer.param_groups[0]["phase"] == "sgd"
    saved = optimizer.state_dict()
    other = linear(("default", "a", {}), ("slow", "b", {"lr": 0.001}), ("new", "c", {}), cls=cls, **options)
    state, _ = regrouped(saved, other)
    first, slow, new = state["param_groups"]
    assert (slow["phase"], new["phase"]) == ("sgd", "sgd")
    assert slow["lr"] == pytest.approx(first["lr"] / 10)
    assert new["lr"] == pytest.approx(first["lr"])
    other.load_state_dict(state)


def test_counters_in_groups_go_with_the_parameters():
    class Counting(torch.optim.SGD):
        def step(self, closure=None):
            for group in self.param_groups:
                group["step"] = group.get("step", 0) + 1

    saved = linear(("default", "ab", {}), ("late", "cd", {}), cls=Counting)
    saved.step()
    saved.param_groups[1]["step"] = 7
    state, changes = regrouped(
        saved.state_dict(), linear(("x", "a", {}), ("default", "bcde", {}), ("y", "f", {}), cls=Counting)
    )
    assert [group.get("step") for group in state["param_groups"]] == [1, 7, None]
    assert (changes.joined, changes.mixed_counters, changes.added) == (["e"], ["default"], ["e", "f"])


def test_another_part_of_a_composite_begins_anew():
    net = Net("muon_adamw")
    optimizer = build("muon_adamw", net)
    net.train_with(optimizer, 1)
    spec = copy.deepcopy(presets.load_preset("optimizer", "muon_adamw"))
    spec["parts"]["adamw"]["match"]["any"].append({"name": "b.weight"})
    other = lit_optim.build_optimizer(spec, Net("muon_adamw"))
    state, changes = regrouped(optimizer.state_dict(), other)
    assert changes.restarted == ["b.weight"]
    other.load_state_dict(state)
    order = [name for group in state["param_names"] for name in group]
    assert [name for i, name in enumerate(order) if i not in state["state"]] == ["b.weight"]


def test_a_shape_that_changed_is_an_error_with_names_and_shapes():
    net = Net("adamw")
    optimizer = build("adamw", net)
    net.train_with(optimizer, 1)
    other = Net("adamw")
    other.c = torch.nn.Linear(4, 7)
    live = build("adamw", other, rules=FAST)
    with pytest.raises(ConfigError, match=r"c\.weight: 'exp_avg' has shape \(4, 4\), and should have \(7, 4\)"):
        live.load_state_dict(regrouped(optimizer.state_dict(), live)[0])


def test_a_state_of_another_class_is_still_an_error():
    state = build("adamw", Net("adamw"), rules=FAST).state_dict()
    live = build("momentum", Net("momentum"), rules=TWO)
    with pytest.raises(ConfigError, match="it was not written by SGD"):
        live.load_state_dict(regrouped(state, live)[0])


def test_lbfgs_has_one_state_for_all():
    net = Net("lbfgs")
    optimizer = build("lbfgs", net)
    net.train_with(optimizer, 1)
    _, same_ones, changes = resume("lbfgs", net.by_name(), copy.deepcopy(optimizer.state_dict()))
    assert same_ones.state_dict()["state"][0]["n_iter"]
    assert not changes
    other, loaded, changes = resume("lbfgs", net.by_name(), optimizer.state_dict(), frozen="c")
    assert changes.restarted == ["a.weight", "a.bias", "b.weight", "b.bias"]
    other.train_with(loaded, 1)


def test_without_names_of_parameters_nothing_is_regrouped():
    state = build("adamw", Net("adamw")).state_dict()
    del state["param_names"]
    live = build("adamw", Net("adamw"), rules=FAST)
    assert not regrouped(state, live)[1]
    with pytest.raises(ConfigError, match="parameters in its param groups"):
        live.load_state_dict(regrouped(state, live)[0])


def test_a_plain_load_is_as_strict_as_before():
    state = build("adamw", Net("adamw")).state_dict()
    with pytest.raises(ConfigError, match="in other groups"):
        build("adamw", Net("adamw"), rules=FAST).load_state_dict(state)
