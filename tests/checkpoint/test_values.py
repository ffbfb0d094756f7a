"""Values of a checkpoint that are no numbers of their range, for every preset."""

import copy

import pytest
import torch

import lit_optim
from _support.declared_state import Declared
from conftest import OPTIMIZERS
from lit_optim import ConfigError
from lit_optim.checkpoint.values import SQUARES, check_has_state, check_state_values, check_weights
from lit_optim.config.capabilities import capabilities
from lit_optim.config.read import presets

NAN, INF = float("nan"), float("inf")
ONES = [name for name in OPTIMIZERS if not capabilities(name).hidden_matrices]
BAD = {  # for the groups of every preset that has the key
    "lr": (NAN, INF, -1.0, 1e30, "0.1", None, True, torch.tensor(NAN), [0.1]),
    "initial_lr": (NAN, INF, -1.0, 1e30),
    "betas": ((1.5, -2), (0.9, 1.0), (NAN, 0.9), (0.9,), 0.9, ("a", "b")),
    "momentum": (7, -1.0, NAN, "x"),
    "weight_decay": (NAN, -1.0, INF, "x"),
    "eps": (NAN, -1.0, INF),
    "maximize": ("yes", 2),
}


def saved_by(name):
    compile = {"compile": False} if "compile" in presets.load_preset("optimizer", name) else {}
    net = Declared(name)
    optimizer = lit_optim.build_optimizer(name, net, **compile)
    net.train_with(optimizer, 3)
    return optimizer, optimizer.state_dict()


def with_group(state, **values):
    return {**state, "param_groups": [{**group, **values} for group in state["param_groups"]]}


def with_entry(state, **values):
    number, entry = next((number, entry) for number, entry in state["state"].items() if entry)
    return {**state, "state": {**state["state"], number: {**entry, **values}}}


def rejects(state, optimizer, *words):
    with pytest.raises(ConfigError) as caught:
        check_state_values(state, optimizer)
    for word in ("ckpt_path: ", *words, "choose an earlier checkpoint"):
        assert word in str(caught.value), str(caught.value)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ONES)
def test_every_preset(name):
    optimizer, state = saved_by(name)
    check_state_values(state, optimizer)
    check_has_state(state, optimizer, 3)
    check_state_values(with_group(state, lr=0.0, initial_lr=0.25), optimizer)  # the end of a schedule
    accepted = [
        (key, value)
        for key, values in BAD.items()
        for value in values
        if key.removeprefix("initial_") in state["param_groups"][0]
        and accepts(with_group(state, **{key: value}), optimizer)
    ]
    assert not accepted
    for number, entry in state["state"].items():
        for key, value in entry.items():
            if (
                isinstance(value, torch.Tensor)
                and type(value) is torch.Tensor
                and value.is_floating_point()
                and value.numel() > 1
            ):
                bad = value.clone()
                bad.view(-1)[-1] = NAN
                where = state["param_names"][0][number]
                changed = {**state, "state": {**state["state"], number: {**entry, key: bad}}}
                rejects(changed, optimizer, where, repr(key), f"NaN or infinities (1 of {value.numel()} values)")
                if key in SQUARES:
                    bad = value.clone()
                    bad.view(-1)[0] = -2.0
                    changed = {**state, "state": {**state["state"], number: {**entry, key: bad}}}
                    rejects(changed, optimizer, where, repr(key), "below 0 (-2)")


def accepts(state, optimizer):
    try:
        check_state_values(state, optimizer)
        return True
    except ConfigError:
        return False


@pytest.mark.parametrize("value", [-1.0, NAN, INF, 1e12, torch.tensor(-3.0), torch.tensor([NAN])])
@pytest.mark.parametrize("name", ["adam", "sgdw", "asgd", "swats"])
def test_step_counters(name, value):
    optimizer, state = saved_by(name)
    rejects(with_entry(state, step=value), optimizer, "a.weight", "'step' is", "between 0 and 1e+10")


def test_counters_in_groups():
    optimizer, state = saved_by("swats")
    for bad in (-1, NAN):
        rejects(with_group(state, k=bad), optimizer, "k=", "its param group 0")


def test_a_message_names_group_value_and_rule():
    optimizer, state = saved_by("adamw")
    state["param_groups"][0]["name"] = "head"
    rejects(
        with_group(state, betas=(1.5, -2)),
        optimizer,
        "betas=(1.5, -2) in its param group head",
        "AdamW refuses it",
        "1.5",
    )
    rejects(with_group(state, lr=1e30), optimizer, "lr=1e+30", "must be a number between 0 and 1e+10")
    many = with_group(state, lr=NAN, eps=NAN, weight_decay=NAN)
    with pytest.raises(ConfigError) as caught:
        check_state_values(many, optimizer)
    assert len(caught.value.problems) == 3


def test_what_a_class_has_by_default_is_in_range():
    optimizer = lit_optim.build_optimizer("adamw", Declared())
    optimizer.defaults["eps"] = optimizer.param_groups[0]["eps"] = INF  # growth_rate of Prodigy is infinite
    check_state_values(optimizer.state_dict(), optimizer)


def test_a_composite_is_checked_part_by_part():
    net = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 4), torch.nn.Linear(4, 2))
    optimizer = lit_optim.build_optimizer("muon_adamw", net)
    state = optimizer.state_dict()
    check_state_values(state, optimizer)
    muon = next(i for i, group in enumerate(state["param_groups"]) if group["part"] == "muon")
    state = copy.deepcopy(state)
    state["param_groups"][muon]["momentum"] = 7.0
    rejects(state, optimizer, "momentum=7.0 in its param group muon")


def test_weights():
    weights = {"a": torch.tensor([1.0, NAN]), "mask": torch.tensor(-INF), "bn.running_var": torch.tensor([INF, 1, 1])}
    with pytest.raises(ConfigError) as caught:
        check_weights(weights, {"a"})
    assert [problem.partition(" (")[0] for problem in caught.value.problems] == [
        "ckpt_path: the weight 'a' holds NaN or infinities",
        "ckpt_path: the weight 'bn.running_var' holds NaN or infinities",
    ]
    check_weights(
        {"mask": torch.tensor(-INF), "half": torch.ones(3, dtype=torch.bfloat16), "a": torch.ones(0)}, {"half", "a"}
    )
    with pytest.raises(ConfigError, match="its state_dict is a list"):
        check_weights([1], {"a"})


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.float8_e4m3fn]
)
def test_weights_of_every_dtype(dtype):
    check_weights({"a": torch.ones(3).to(dtype)}, {"a"})
    with pytest.raises(ConfigError, match="NaN or infinities"):
        check_weights({"a": torch.tensor([1.0, NAN, 2.0]).to(dtype)}, {"a"})
