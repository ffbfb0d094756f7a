"""The check before a load, on classes and states of other origins."""

import copy
import gc
import weakref

import pytest
import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Shard, distribute_tensor

import lit_optim
from _support.fork import on_two_ranks
from conftest import LACKING
from lit_optim import ConfigError
from lit_optim.optimizers import SGDW


def stepped(name, params, **options):
    optimizer = lit_optim.build_optimizer(name, params, **options)
    for p in params if isinstance(params, list) else params.parameters():
        p.grad = torch.ones_like(p)
    optimizer.step()
    return optimizer


def layer(*shape):
    torch.manual_seed(0)
    return torch.nn.Linear(*(shape or (3, 4)))


class Bypassing(torch.optim.Adam):
    """Loads by itself and calls no hooks, as bitsandbytes' optimizers do."""

    def load_state_dict(self, state_dict):
        ids = [i for group in state_dict["param_groups"] for i in group["params"]]
        parameters = [p for group in self.param_groups for p in group["params"]]
        self.state.update({p: dict(state_dict["state"][i]) for p, i in zip(parameters, ids, strict=True)})


def test_a_class_that_calls_no_hooks():
    net = layer()
    saved = copy.deepcopy(stepped({"_target_": Bypassing, "lr": 0.1}, net).state_dict())
    other = lit_optim.build_optimizer({"_target_": Bypassing, "lr": 0.1}, net)
    mixed = {**saved, "param_names": [["bias", "weight"]], "param_groups": [{**saved["param_groups"][0], "params": [1, 0]}]}  # fmt: skip
    other.load_state_dict(mixed)
    assert torch.equal(other.state[net.weight]["exp_avg"], saved["state"][0]["exp_avg"])
    saved["state"][0]["exp_avg"] = torch.zeros(3)
    with pytest.raises(ConfigError, match=r"weight: 'exp_avg' has shape \(3,\)"):
        other.load_state_dict(saved)


class Slow(torch.optim.SGD):
    """Keeps a key of its state that is named as those of shadow weights are."""

    def step(self, closure=None):
        for p in self.param_groups[0]["params"]:
            self.state[p].update({"step": 1, "slow_buffer": p.detach().clone()})


def test_a_class_may_name_its_state_as_shadow_weights_are():
    net = layer()
    saved = stepped({"_target_": Slow, "lr": 0.1}, net).state_dict()
    optimizer = lit_optim.build_optimizer({"_target_": Slow, "lr": 0.1}, net)
    optimizer.load_state_dict(saved)
    assert torch.equal(optimizer.state[net.bias]["slow_buffer"], net.bias)
    del saved["state"][0]["slow_buffer"]
    with pytest.raises(ConfigError, match=r"weight: its state \(step\) lacks 'slow_buffer'"):
        optimizer.load_state_dict(saved)


@pytest.mark.parametrize(
    ("wrote", "takes", "words"),
    [
        ("adamw", "momentum", r"no step can be taken with its param group 0: KeyError 'momentum'"),
        ("sgd", "adamw", r"no step can be taken with its param group 0: KeyError 'betas'"),
        ("adam", "sgdw", r"weight: its state \(step, exp_avg, exp_avg_sq\) lacks 'momentum_buffer'"),
        ("adamax", "adam", r"weight: its state \(step, exp_avg, exp_inf\) lacks 'exp_avg_sq'"),
        ("adafactor", "adamw", r"no step can be taken with its param group 0: KeyError 'betas'"),
        ("momentum", "lbfgs", r"it is no state of LBFGS"),
    ],
)
def test_the_state_of_another_class(wrote, takes, words):
    saved = stepped(wrote, layer()).state_dict()
    with pytest.raises(ConfigError, match=words):
        lit_optim.build_optimizer(takes, layer()).load_state_dict(saved)


def test_ours_are_checked_without_build_optimizer_too():
    net = layer()
    saved = stepped("sgdw", net).state_dict()
    saved["state"][0]["momentum_buffer"] = torch.zeros(3)
    for optimizer in (SGDW(net.parameters()), copy.deepcopy(SGDW(net.parameters()))):
        with pytest.raises(ConfigError, match=r"parameter 0 of group 0: 'momentum_buffer' has shape \(3,\)"):
            optimizer.load_state_dict(saved)


def test_hooks_that_convert_an_old_state_come_first():
    net = layer()
    saved = stepped("adamw", net).state_dict()
    old = {**saved, "state": {i: {"m": e["exp_avg"], **e} for i, e in saved["state"].items()}}
    for entry in old["state"].values():
        del entry["exp_avg"]
    optimizer = lit_optim.build_optimizer("adamw", net)

    def convert(_, state_dict):
        state = {i: {**e, "exp_avg": e.pop("m")} for i, e in copy.copy(state_dict["state"]).items()}
        return {**state_dict, "state": state}

    optimizer.register_load_state_dict_pre_hook(convert)
    optimizer.load_state_dict(old)
    assert torch.equal(optimizer.state[net.weight]["exp_avg"], saved["state"][0]["exp_avg"])


def test_named_parameters_and_groups_keep_their_names():
    net = torch.nn.Sequential(layer(), layer())
    groups = [{"params": net[0].named_parameters(prefix="0")}, {"params": net[1].named_parameters(prefix="1")}]
    names = [["0.weight", "0.bias"], ["1.weight", "1.bias"]]
    assert lit_optim.build_optimizer("adamw", groups).state_dict()["param_names"] == names
    for params in (net.named_parameters(), dict(net.named_parameters())):
        assert lit_optim.build_optimizer("adamw", params).state_dict()["param_names"] == [[*names[0], *names[1]]]
    assert "param_names" not in lit_optim.build_optimizer("adamw", net.parameters()).state_dict()
    optimizer = lit_optim.build_optimizer("adamw", net[0])
    assert "param_names" not in optimizer.param_groups[0], "torch would take no group without names any more"
    optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))]})
    assert optimizer.state_dict()["param_names"] == [["weight", "bias"], [""]]


def test_a_parameter_that_was_frozen_has_its_name_when_it_is_added():
    net = torch.nn.Sequential(layer(), layer())
    net[1].requires_grad_(False)
    optimizer = lit_optim.build_optimizer("adamw", net)
    optimizer.add_param_group({"params": list(net[1].requires_grad_().parameters())})
    assert optimizer.state_dict()["param_names"] == [["0.weight", "0.bias"], ["1.weight", "1.bias"]]


def test_a_state_dict_of_torchs_own_goes_both_ways():
    net = layer()
    theirs = torch.optim.AdamW(net.named_parameters())
    ours = stepped("adamw", net)
    theirs.load_state_dict(copy.deepcopy(ours.state_dict()))
    ours.load_state_dict(theirs.state_dict())
    assert "param_names" not in ours.param_groups[0]
    reversed_ = torch.optim.AdamW([*net.named_parameters()][::-1])
    reversed_.step()
    ours.load_state_dict(reversed_.state_dict())
    assert torch.equal(ours.state[net.bias]["exp_avg"], reversed_.state[net.bias]["exp_avg"])


def test_a_lazy_parameter_has_no_shape_to_compare():
    saved = stepped("adamw", layer()).state_dict()
    net = torch.nn.LazyLinear(4)
    optimizer = lit_optim.build_optimizer("adamw", net)
    with pytest.raises(ConfigError, match=r"weight: it has no shape yet; load the module's weights or run a forward"):
        optimizer.load_state_dict(saved)
    net(torch.zeros(1, 3))
    optimizer.load_state_dict(saved)


def test_large_factored_states_follow_from_small_ones(monkeypatch):
    """No dummy parameter has the size of a large parameter, unless something does not fit."""
    sizes = []
    ones = torch.ones
    monkeypatch.setattr(torch, "ones", lambda *a, **k: (sizes.append(ones(*a, **k).numel()), ones(*a, **k))[1])
    for name in ("adafactor", "soap", "came", "shampoo", *({"muon"} - {*LACKING}), "prodigy"):
        params = [torch.nn.Parameter(torch.zeros(300, 40))]
        saved = stepped(name, params).state_dict()
        lit_optim.build_optimizer(name, params).load_state_dict(saved)
    assert max(sizes) < 4_096
    saved["state"][0]["s"] = torch.zeros(3)
    with pytest.raises(ConfigError, match=r"'s' has shape \(3,\), and should have \(300, 40\)"):
        lit_optim.build_optimizer("prodigy", params).load_state_dict(saved)


@pytest.mark.parametrize("name", ["rmsprop", "adamw", "sgdw"])
def test_an_optimizer_is_freed_without_the_garbage_collector(name):
    optimizer = stepped(name, layer())
    gone = weakref.ref(optimizer)
    gc.disable()
    try:
        del optimizer
        assert gone() is None
    finally:
        gc.enable()


def test_random_numbers_go_on_as_if_nothing_had_been_loaded():
    net = layer()
    saved = stepped("adamw", net).state_dict()
    optimizer = lit_optim.build_optimizer("adamw", net)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    optimizer.load_state_dict(saved)
    assert torch.equal(torch.rand(3), expected)


def test_whole_and_sharded_states_do_not_fit_each_other():
    def work(rank):
        torch.distributed.init_process_group("gloo")
        mesh = init_device_mesh("cpu", (2,))
        p = torch.nn.Parameter(distribute_tensor(torch.ones(5, 2), mesh, [Shard(0)]))
        whole = stepped("adamw", [torch.nn.Parameter(torch.ones(5, 2))])
        sharded = stepped("adamw", [p])
        messages = []
        for one, other in ((whole, sharded), (sharded, whole)):
            with pytest.raises(ConfigError) as caught:
                one.load_state_dict(other.state_dict())
            messages.append(str(caught.value))
        sharded.load_state_dict(sharded.state_dict())
        assert isinstance(sharded.state[p]["exp_avg"], DTensor)
        return messages

    for one, other in on_two_ranks(work):
        assert "'exp_avg' is sharded and the parameter whole" in one
        assert "'exp_avg' is whole and the parameter sharded" in other
        assert "set_optimizer_state_dict" in other


def test_keys_of_one_cycle_stay_where_the_saved_groups_have_none():
    saved = lit_optim.build_optimizer({"_target_": "momentum", "lr": 0.5}, layer()).state_dict()
    saved["param_groups"][0]["initial_lr"] = 0.5  # of another scheduler
    runs = [lit_optim.build_optimizer("momentum", layer()) for _ in range(2)]
    schedulers = [torch.optim.lr_scheduler.OneCycleLR(run, max_lr=0.1, total_steps=4) for run in runs]
    runs[0].load_state_dict(saved)
    for _ in range(3):
        for run, scheduler in zip(runs, schedulers, strict=True):
            run.step()
            scheduler.step()
        assert runs[0].param_groups[0]["lr"] == runs[1].param_groups[0]["lr"]
