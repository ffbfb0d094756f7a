"""Own optimizers on sharded parameters (FSDP2, gloo): the numbers of one process, and checkpoints of any kind."""

import copy
import functools

import pytest
import torch
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_optimizer_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from _support.fork import on_two_ranks
from lit_optim.optimizers import SGDW, AdaBound
from lit_optim.optimizers.compiled import NAdam

MAKERS = {
    "SGDW": functools.partial(SGDW, lr=0.1, weight_decay=0.1),
    "AMSBound": functools.partial(AdaBound, lr=0.02, weight_decay=0.1, amsbound=True, maximize=True),
    "NAdam": functools.partial(NAdam, lr=0.02, compile=False),
}
COMPILED = [pytest.param(False, id="eager"), pytest.param(True, id="compiled", marks=pytest.mark.slow)]


def model():
    """33 rows are 17 and 16, 3 are 2 and 1, one is 1 and none; the first matrix has more than 64k elements a rank."""
    torch.manual_seed(1)
    return torch.nn.Sequential(
        torch.nn.Linear(4500, 33), torch.nn.Tanh(), torch.nn.Linear(33, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1)
    )


def sharded():
    net = model()
    mesh = init_device_mesh("cpu", (2,))
    for layer in net:
        if isinstance(layer, torch.nn.Linear):
            fully_shard(layer, mesh=mesh)
    return fully_shard(net, mesh=mesh)


def groups(net, make, compile):
    matrices = [p for p in net.parameters() if p.ndim > 1]
    others = [p for p in net.parameters() if p.ndim == 1]
    return make([{"params": matrices}, {"params": others, "weight_decay": 0.0}], compile=compile)


def train(net, optimizer, steps):
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        optimizer.zero_grad()
        (
            net(torch.randn(6, 4500, generator=generator)) - torch.randn(6, 1, generator=generator)
        ).square().mean().backward()
        optimizer.step()


def full(net):
    return [(p.full_tensor() if isinstance(p, DTensor) else p).detach().clone() for p in net.parameters()]


def prepare():
    import torch._inductor.config as inductor

    inductor.compile_threads = 1  # no workers in forked processes
    torch.distributed.init_process_group("gloo")


def on_ranks(work):
    def rank(i):
        prepare()
        return work()

    return on_two_ranks(rank)


@pytest.mark.parametrize("compile", COMPILED)
@pytest.mark.parametrize("name", MAKERS)
def test_ends_where_one_process_does(name, compile):
    net = model()
    optimizer = groups(net, MAKERS[name], False)
    train(net, optimizer, range(5))
    expected = full(net)

    def work():
        net = sharded()
        optimizer = groups(net, MAKERS[name], compile)
        train(net, optimizer, range(5))
        assert all(
            isinstance(value, DTensor) for p in net.parameters() for value in optimizer.state[p].values() if value.ndim
        )
        return full(net)

    for found in on_ranks(work):
        for p, q in zip(found, expected, strict=True):
            # gradients are summed in another order, and NAdam divides by what may be next to nothing
            torch.testing.assert_close(p, q, rtol=1e-6, atol=1e-5 if name == "NAdam" else 1e-6)


@pytest.mark.parametrize("compile", COMPILED)
@pytest.mark.parametrize("at", [0, 3])
@pytest.mark.parametrize("name", MAKERS)
def test_distributed_checkpoints_and_full_state_dicts_continue_bit_for_bit(tmp_path, name, at, compile):
    def work():
        results = []
        net = sharded()
        optimizer = groups(net, MAKERS[name], compile)
        train(net, optimizer, range(at))
        weights = [p.to_local().detach().clone() for p in net.parameters()]
        saved = get_optimizer_state_dict(net, optimizer)
        dcp.save({"optimizer": saved}, checkpoint_id=str(tmp_path / "sharded"))
        everything = StateDictOptions(full_state_dict=True)
        whole = copy.deepcopy(get_optimizer_state_dict(net, optimizer, options=everything))
        train(net, optimizer, range(at, at + 3))
        results.append(full(net))
        for how in ("sharded", "full"):
            again = sharded()
            other = groups(again, MAKERS[name], compile)
            with torch.no_grad():
                for p, value in zip(again.parameters(), weights, strict=True):
                    p.to_local().copy_(value)
            if how == "sharded":
                state = {"optimizer": get_optimizer_state_dict(again, other)}
                dcp.load(state, checkpoint_id=str(tmp_path / "sharded"))
                set_optimizer_state_dict(again, other, state["optimizer"])
            else:
                set_optimizer_state_dict(again, other, whole, options=everything)
            train(again, other, range(at, at + 3))
            steps = {float(other.state[p]["step"]) for p in again.parameters()}
            assert steps == {at + 3.0}, f"{how}: {steps}"
            assert all(isinstance(group.get("betas", ()), tuple) for group in other.param_groups)
            results.append(full(again))
        return results

    for unbroken, *resumed in on_ranks(work):
        for other in resumed:
            assert all(torch.equal(p, q) for p, q in zip(unbroken, other, strict=True))


@pytest.mark.parametrize("name", MAKERS)
def test_the_checkpoints_fake_step_counts_nothing(name):
    """Before the first step torch takes one with lr 0 and gradients 0, to have the state created."""
    net, other = model(), model()
    optimizer, reference = groups(net, MAKERS[name], False), groups(other, MAKERS[name], False)
    saved = get_optimizer_state_dict(net, optimizer)
    assert all(torch.count_nonzero(v) == 0 for s in saved["state"].values() for k, v in s.items() if k != "mu_product")
    assert len(saved["state"]) == len(list(net.parameters()))
    train(net, optimizer, range(2))
    train(other, reference, range(2))
    assert all(torch.equal(p, q) for p, q in zip(net.parameters(), other.parameters(), strict=True))
    assert {float(optimizer.state[p]["step"]) for p in net.parameters()} == {2.0}


def test_a_step_of_lr_0_with_a_gradient_on_one_rank_is_a_step_on_both():
    def work():
        net = sharded()
        optimizer = groups(net, MAKERS["SGDW"], False)
        for group in optimizer.param_groups:
            group["lr"] = 0.0
        first = torch.distributed.get_rank() == 0
        for p in net.parameters():
            p.grad = torch.zeros_like(p)
            if first and p.to_local().numel():
                p.grad.to_local().fill_(1.0)
        optimizer.step()
        return [float(optimizer.state[p]["step"]) for p in net.parameters()]

    for steps in on_ranks(work):
        assert set(steps) == {1.0}
