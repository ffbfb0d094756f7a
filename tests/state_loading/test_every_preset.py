"""Saved states that do not fit, for every preset: the right result or an error of ours, in a process that may crash."""

import copy
import io
import itertools
import pickle
import warnings

import pytest
import torch

import lit_optim
from _support.child_process import in_child
from _support.declared_state import Declared, same, state_by_name
from conftest import OPTIMIZERS
from lit_optim import ConfigError
from lit_optim.config.capabilities import capabilities
from lit_optim.config.read import presets

BEFORE, AFTER = 3, 3
SOMETIMES = ("hessian",)  # keys that are there after some steps only
# the cases change the state of one group; composites, which have several, are in tests/optimizers/test_composite.py
ONES = [name for name in OPTIMIZERS if not capabilities(name).hidden_matrices]


def build(name, net, params=None):
    compile = {"compile": False} if "compile" in presets.load_preset("optimizer", name) else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lit_optim.build_optimizer(name, net if params is None else params, **compile)


class Saved:
    """What a run has written into a file, and how it went on."""

    def __init__(self, name):
        self.name = name
        net = Declared(name)
        optimizer = build(name, net)
        net.train_with(optimizer, BEFORE)
        self.file = io.BytesIO()
        torch.save((net.state_dict(), optimizer.state_dict()), self.file)
        self.live = copy.deepcopy(state_by_name(optimizer, net)) if not net.needs.second_order else {}
        self.optimizer = optimizer
        self.random = net.needs.random
        self.twins = [] if net.needs.second_order else [copy.deepcopy(optimizer), copy.copy(optimizer), pickle.loads(pickle.dumps(optimizer))]  # fmt: skip
        net.train_with(optimizer, AFTER)
        self.end = net.by_name()

    def load(self):
        """Read the state dict from the file again."""
        self.file.seek(0)
        self.weights, state = torch.load(self.file, weights_only=True)
        return state

    def resume(self, state, order="abc", params=None):
        net = Declared(self.name, order)
        net.load_state_dict(self.weights)
        net.steps = BEFORE
        optimizer = build(self.name, net, params and params(net))
        optimizer.load_state_dict(copy.deepcopy(state))
        return net, optimizer

    def refuses(self, state, *words, order="abc", params=None):
        with pytest.raises(ConfigError) as caught:
            self.resume(state, order, params)
        for word in ("state_dict: ", *words):
            assert word in str(caught.value), (word, str(caught.value))

    def goes_on(self, state, order="abc", exact=True):
        """A run that loads the state goes on as the one that wrote it."""
        net, optimizer = self.resume(state, order)
        found = state_by_name(optimizer, net)
        assert same({name: found[name] for name in self.live}, self.live), "the state of each parameter, by its name"
        net.train_with(optimizer, AFTER)
        for name, value in self.end.items():
            if exact:
                assert torch.equal(net.by_name()[name], value), name
            elif not self.random:  # their numbers are drawn in the order of the parameters
                torch.testing.assert_close(net.by_name()[name], value, rtol=1e-5, atol=1e-6)


def entry(state):
    """The first parameter's entry, and the keys of its tensors that are no numbers."""
    first = state["state"].get(0, {})
    return first, [key for key, value in first.items() if isinstance(value, torch.Tensor) and value.numel() > 3]


def changed(state, **values):
    """The state with other values in the first parameter's entry."""
    return {**state, "state": {**state["state"], 0: {**state["state"][0], **values}}}


def declared_in_another_order(run, state):
    if run.name == "lbfgs":
        run.refuses(state, "in another order, which the state of LBFGS follows", order="cab")
    else:
        run.goes_on(state, "cab", exact=False)


def another_order_without_names(run, state):
    bare = {"state": state["state"], "param_groups": state["param_groups"]}
    if run.name == "lbfgs" or not state["state"]:
        return
    run.refuses(bare, "shape", order="cab")
    run.refuses(state, "parameter 0 of group 0", "shape", order="cab", params=lambda net: list(net.parameters()))
    net, optimizer = run.resume(bare, "bac")  # equal shapes: by position, which is all that is known
    assert same([*state_by_name(optimizer, net).values()], [state["state"][i] for i in sorted(state["state"])])
    net.train_with(optimizer, 1)


def swapped_with_their_names(run, state):
    if run.name == "lbfgs":
        return
    (group,), (names,) = state["param_groups"], state["param_names"]
    groups = [{**group, "params": group["params"][::-1]}]
    run.goes_on({"state": state["state"], "param_groups": groups, "param_names": [names[::-1]]})


def swapped_raw(run, state):
    entries = state["state"]
    if len(entries) < 2:
        return
    by_name = dict(zip(state["param_names"][0], state["param_groups"][0]["params"], strict=True))
    a, b, c = (by_name[f"{letter}.weight"] for letter in "abc")
    run.refuses({**state, "state": {**entries, a: entries[c], c: entries[a]}}, "a.weight", "c.weight", "shape")
    net, optimizer = run.resume({**state, "state": {**entries, a: entries[b], b: entries[a]}})
    assert same(state_by_name(optimizer, net)["a.weight"], entries[b])
    net.train_with(optimizer, 1)


def dropped(run, state):
    net, optimizer = run.resume({**state, "state": {i: e for i, e in state["state"].items() if i != 0}})
    net.train_with(optimizer, AFTER)
    assert all(torch.isfinite(p).all() for p in net.parameters())


def a_key_is_missing(run, state):
    first, keys = entry(state)
    for key in keys:
        less = {k: v for k, v in first.items() if k != key}
        if less and key not in SOMETIMES:
            run.refuses({**state, "state": {**state["state"], 0: less}}, f"lacks '{key}'")


def truncated(run, state):
    first, keys = entry(state)
    for key in keys:
        short = changed(state, **{key: first[key].flatten()[:3].clone()})
        run.refuses(short, "" if run.name == "lbfgs" else "a.weight", key, "(3,)", str(tuple(first[key].shape)))


def of_another_dtype(run, state):
    first, keys = entry(state)
    for key, dtype in itertools.product(keys, (torch.int64, torch.complex64, torch.bool)):
        run.refuses(changed(state, **{key: first[key].to(dtype)}), key, str(dtype)[6:])
    if keys:
        net, optimizer = run.resume(changed(state, **{key: first[key].to(torch.bfloat16) for key in keys}))
        net.train_with(optimizer, 1)
        assert all(torch.isfinite(p).all() for p in net.parameters())
        run.goes_on(changed(state, **{key: first[key].double() for key in keys}))


def of_another_kind(run, state):
    first, keys = entry(state)
    for key in keys if run.name != "lbfgs" else ():
        empty = torch.zeros_like(first[key], device="meta")
        for value in ("text", {"a": 1}, torch.zeros(3, 4).to_sparse(), empty):
            run.refuses(changed(state, **{key: value}), "a.weight", key)


def counters(run, state):
    step = state["state"].get(0, {}).get("step")
    if step is None:
        return
    value = float(step)
    for wrong in (torch.full((3,), value), "3", torch.tensor(3 + 1j)):
        run.refuses(changed(state, step=wrong), "a.weight", "'step'")
    for right in (value, int(value), torch.tensor([value]), torch.tensor(int(value)), torch.tensor(value).double()):
        net, optimizer = run.resume(changed(state, step=right))
        loaded = optimizer.state[next(net.parameters())]["step"]
        assert float(loaded) == value
        assert not isinstance(step, torch.Tensor) or (loaded.dtype, loaded.shape) == (step.dtype, step.shape)
        net.train_with(optimizer, 1)


def the_callers_state_is_not_changed(run, state):
    kept, groups = copy.deepcopy(state), [*map(id, state["param_groups"])]
    optimizer = build(run.name, Declared(run.name, "abc" if run.name == "lbfgs" else "cab"))
    optimizer.load_state_dict(state)
    assert [*map(id, state["param_groups"])] == groups
    assert same(kept, state)


def copies(run, state):
    first, keys = entry(state)
    for twin in run.twins if run.name != "lbfgs" else ():  # torch's LBFGS loses its list of parameters
        assert twin.state_dict()["param_names"] == state["param_names"]
        for key in keys[:1]:
            short = changed(state, **{key: first[key].flatten()[:3].clone()})
            with pytest.raises(ConfigError, match=r"a\.weight.*\(3,\)"):
                twin.load_state_dict(short)
        twin.load_state_dict(state)


def other_names(run, state):
    renamed = [["x" + name if name[0] == "a" else name for name in group] for group in state["param_names"]]
    words = ("xa.weight", "only in the state", "a.weight", "only in the model")
    run.refuses({**state, "param_names": renamed}, *words)


CASES = (
    declared_in_another_order, another_order_without_names, swapped_with_their_names, swapped_raw, dropped,
    a_key_is_missing, truncated, of_another_dtype, of_another_kind, counters, the_callers_state_is_not_changed, copies,
    other_names,
)  # fmt: skip


@pytest.fixture(scope="module")
def _imported():
    """What optimizers import late, once, and not in every process that is forked."""
    for name in ("adamw", "sgdw", "lion", "schedule_free_sgd"):
        run = Saved(name)
        run.resume(run.load())


@pytest.mark.usefixtures("_imported")
@pytest.mark.parametrize("name", ONES)
def test_the_right_result_or_an_error_of_ours(name):
    def work(send):
        torch.set_num_threads(1)
        send("the run itself")
        run = Saved(name)
        for case in CASES:
            send(case.__name__)
            case(run, run.load())
        send("done")

    code, sent, failure = in_child(work)
    assert (code, sent[-1]) == (0, "done"), f"{sent[-1]}: exit code {code}\n{failure}"
