"""The driver: state, groups and hooks behave as torch's do."""

import copy
import functools
import io
import pickle

import pytest
import torch
from torch.optim import Optimizer

from _support.references.rule_cases import CASES
from lit_optim.engine import rule_optimizer
from lit_optim.engine.flat_bucket import SMALL
from lit_optim.optimizers import SGDW, AdaBound
from lit_optim.optimizers.adam import Adam
from lit_optim.optimizers.compiled import NAdam

SHAPES = [(3, 4), (), (0, 2), (7,), (SMALL + 9,)]
DECAY = {"weight_decay": 0.1}


def parameters(seed=0, dtype=torch.float32, shapes=SHAPES):
    generator = torch.Generator().manual_seed(seed)
    return [torch.nn.Parameter(torch.randn(s, generator=generator, dtype=torch.float64).to(dtype)) for s in shapes]


def give_gradients(params, step, missing=()):
    generator = torch.Generator().manual_seed(100 + step)
    for i, p in enumerate(params):
        g = torch.randn(p.shape, generator=generator, dtype=torch.float64).to(p.dtype)
        p.grad = None if i in missing else g


def train(optimizer, params, steps):
    for step in steps:
        give_gradients(params, step)
        optimizer.step()


def equal(params, others):
    return all(torch.equal(p, q) for p, q in zip(params, others, strict=True))


def tensors_of(state_dict):
    return [value for state in state_dict["state"].values() for value in state.values()]


# --- state dicts and copies


@pytest.mark.parametrize("at", [0, 1, 4])
@pytest.mark.parametrize("how", ["state_dict", "saved state_dict", "deepcopy", "pickle", "deepcopy of a copy"])
@pytest.mark.parametrize("name", CASES)
def test_continues_bit_for_bit(name, how, at):
    params = parameters()
    optimizer = CASES[name].build(params, **DECAY)
    train(optimizer, params, range(at))
    if "state_dict" in how:
        others = [torch.nn.Parameter(p.detach().clone()) for p in params]
        twin = CASES[name].build(others)
        saved = optimizer.state_dict()
        if how == "saved state_dict":
            file = io.BytesIO()
            torch.save(saved, file)
            file.seek(0)
            saved = torch.load(file, weights_only=True)
        twin.load_state_dict(saved)
    else:
        twin = pickle.loads(pickle.dumps(optimizer)) if how == "pickle" else copy.deepcopy(optimizer)
        if how == "deepcopy of a copy":
            train(twin, twin.param_groups[0]["params"], [at])
            train(optimizer, params, [at])
            twin = copy.deepcopy(twin)
            at += 1
        others = twin.param_groups[0]["params"]
    assert not any(p is q for p, q in zip(params, others, strict=True))
    train(twin, others, range(at, at + 3))
    train(optimizer, params, range(at, at + 3))
    assert equal(params, others)


@pytest.mark.parametrize("name", CASES)
def test_no_attribute_outside_of_state_groups_and_defaults_matters(name):
    """The three are carried into a fresh object at each step."""
    params, others = parameters(), parameters()
    optimizer, wanderer = CASES[name].build(params, **DECAY), CASES[name].build(others, **DECAY)
    for step in range(5):
        fresh = CASES[name].build([torch.nn.Parameter(torch.zeros(1))])
        fresh.state, fresh.param_groups, fresh.defaults = wanderer.state, wanderer.param_groups, wanderer.defaults
        train(fresh, others, [step])
        train(optimizer, params, [step])
        if step % 2:
            wanderer = fresh
    assert equal(params, others)


def test_tensors_of_a_state_dict_are_its_own():
    params = parameters()
    optimizer = Adam(params)
    train(optimizer, params, range(2))
    saved = optimizer.state_dict()
    assert [float(state["step"]) for state in saved["state"].values()] == [2.0] * len(params)
    pointers = [value.untyped_storage().data_ptr() for value in tensors_of(saved) if value.numel()]
    assert len(pointers) == len(set(pointers))
    for value in tensors_of(saved):
        assert value.untyped_storage().nbytes() == value.numel() * value.element_size()
    small = saved["state"][0]
    train(optimizer, params, range(2, 4))
    assert float(small["step"]) == 2.0
    for of_object in (optimizer.state_dict(), pickle.loads(pickle.dumps(optimizer)).state_dict()):
        steps = [state["step"] for state in of_object["state"].values()]
        assert len({step.data_ptr() for step in steps}) == len(steps)


def test_a_saved_state_is_as_large_as_its_numbers():
    params = [torch.nn.Parameter(torch.zeros(10)) for _ in range(50)]
    optimizer = SGDW(params)
    train(optimizer, params, range(2))
    sizes = []
    for what in (optimizer.state_dict()["state"][3], optimizer.state_dict(), optimizer):
        file = io.BytesIO()
        torch.save(what, file)
        sizes.append(len(file.getvalue()))
    assert sizes[0] < 4_000
    assert max(sizes[1:]) < 100_000, "not 50 times the memory of all"


def test_what_is_loaded_is_copied():
    params = parameters()
    optimizer = Adam(params)
    train(optimizer, params, range(2))
    saved = optimizer.state_dict()
    kept = copy.deepcopy(saved)
    second, third = Adam(parameters()), Adam(parameters())
    for other in (second, third):
        other.load_state_dict(saved)
        train(other, other.param_groups[0]["params"], range(3))
    for value, before in zip(tensors_of(saved), tensors_of(kept), strict=True):
        assert torch.equal(value, before)
    steps = [state["step"] for state in second.state_dict()["state"].values()]
    assert [float(step) for step in steps] == [5.0] * len(params)


@pytest.mark.parametrize("name", ["NAdam", "AMSBound", "SGDW"])
def test_old_states_with_plain_numbers(name):
    params, others = parameters(), parameters()
    optimizer, old = CASES[name].build(params, **DECAY), CASES[name].build(others)
    train(optimizer, params, range(3))
    for p, q in zip(params, others, strict=True):
        q.data.copy_(p)
    saved = optimizer.state_dict()
    for state in saved["state"].values():
        for counter in ("step", "mu_product"):
            if counter in state:
                state[counter] = float(state[counter])
    for group in saved["param_groups"]:
        for key in ("maximize", "compile", "base_lr"):
            group.pop(key, None)
    old.load_state_dict(saved)
    assert old.param_groups[0]["maximize"] is False
    train(optimizer, params, range(3, 6))
    train(old, others, range(3, 6))
    assert equal(params, others)


@pytest.mark.parametrize("at", [0, 3])
@pytest.mark.parametrize("name", ["NAdam", "NAdamW", "RAdam", "RMSprop", "RMSprop, both", "Adadelta", "Adamax", "Adam", "AMSGrad"])  # fmt: skip
def test_state_dicts_fit_torchs_own_class_both_ways(name, at):
    case = CASES[name]
    torchs = getattr(torch.optim, case.cls.__name__)
    shapes = [(3, 4), (7,), (SMALL + 9,)]
    params = parameters(shapes=shapes)
    first = case.build(params, **DECAY)
    train(first, params, range(at))
    others = [torch.nn.Parameter(p.detach().clone()) for p in params]
    theirs = torchs(others, foreach=False)
    theirs.load_state_dict(copy.deepcopy(first.state_dict()))  # torch's classes take no copies
    again = [torch.nn.Parameter(p.detach().clone()) for p in params]
    ours = case.build(again)
    ours.load_state_dict(theirs.state_dict())
    for optimizer, owned in ((first, params), (theirs, others), (ours, again)):
        train(optimizer, owned, range(at, at + 3))
    assert equal(params, again)
    for p, q in zip(params, others, strict=True):
        torch.testing.assert_close(p, q, rtol=1e-5, atol=1e-6)
    first.load_state_dict(theirs.state_dict())
    for one, other in zip(tensors_of(first.state_dict()), tensors_of(theirs.state_dict()), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_the_product_of_nadam_is_not_rounded_to_its_parameter(dtype):
    params = parameters(dtype=dtype)
    optimizer, second = NAdam(params, compile=False), NAdam(parameters(dtype=dtype), compile=False)
    train(optimizer, params, range(3))
    second.load_state_dict(optimizer.state_dict())
    products = [o.state_dict()["state"][0]["mu_product"] for o in (optimizer, second)]
    assert torch.equal(*products)
    expected = 1.0
    for t in (1, 2, 3):
        expected *= 0.9 * (1 - 0.5 * 0.96 ** (t * 0.004))
    assert float(products[0]) == pytest.approx(expected, rel=1e-7 if dtype is torch.bfloat16 else 1e-14)


def test_compile_is_this_runs():
    params = parameters()
    optimizer = SGDW([{"params": params[:2]}, {"params": params[2:], "compile": True}])
    saved = SGDW([{"params": params[:2], "compile": True}, {"params": params[2:], "lr": 5.0}]).state_dict()
    optimizer.load_state_dict(saved)
    assert [group["compile"] for group in optimizer.param_groups] == [False, True]
    assert optimizer.param_groups[1]["lr"] == 5.0


def test_a_state_dict_that_does_not_fit_changes_nothing():
    params = parameters()
    optimizer = Adam(params)
    train(optimizer, params, range(2))
    kept = copy.deepcopy(optimizer.state_dict())
    for other in (Adam(parameters()[:2]), Adam([{"params": [p]} for p in parameters()])):
        with pytest.raises(ValueError, match="parameters in its param groups"):
            optimizer.load_state_dict(other.state_dict())
    assert "_loading" not in vars(optimizer)
    for one, other in zip(tensors_of(optimizer.state_dict()), tensors_of(kept), strict=True):
        assert torch.equal(one, other)


# --- gradients that come and go


@pytest.mark.parametrize("pattern", [
    [(1, 2), (1, 2), (), (), ()],
    [(0,), (1,), (2,), (3,), (4,), ()],
    [(0, 1, 2, 3, 4), (), (0, 1, 2, 3, 4), (4,)],
], ids=["late", "in turn", "none at all"])  # fmt: skip
def test_missing_gradients_are_as_in_torch(pattern):
    params, others = parameters(dtype=torch.float64), parameters(dtype=torch.float64)
    optimizer, reference = Adam(params, **DECAY), torch.optim.Adam(others, foreach=False, **DECAY)
    for step, missing in enumerate(pattern * 2):
        for o, owned in ((optimizer, params), (reference, others)):
            give_gradients(owned, step, missing)
            o.step()
        ours, theirs = optimizer.state_dict()["state"], reference.state_dict()["state"]
        assert ours.keys() == theirs.keys()
        assert [float(s["step"]) for s in ours.values()] == [float(s["step"]) for s in theirs.values()]
    for p, q in zip(params, others, strict=True):
        torch.testing.assert_close(p, q, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", CASES)
def test_a_group_that_is_added_trains_from_its_own_first_step(name):
    first, late, alone = parameters(1), parameters(2), parameters(2)
    optimizer, reference = CASES[name].build(first, **DECAY), CASES[name].build(alone, lr=0.02, **DECAY)
    train(optimizer, first, range(3))
    optimizer.add_param_group({"params": late, "lr": 0.02})
    for step in range(4):
        give_gradients(first, step)
        train(optimizer, late, [step])
        train(reference, alone, [step])
    for p, q in zip(late, alone, strict=True):
        torch.testing.assert_close(p, q, rtol=1e-6, atol=1e-6)
    assert not equal(late, parameters(2))
    assert [float(optimizer.state[p]["step"]) for p in (first[0], late[0])] == [7.0, 4.0]


def test_the_list_of_groups_may_be_another_one():
    """Lightning's BaseFinetuning puts a new list in place of the old one when it restores."""
    params, others = parameters(), parameters()
    optimizer, reference = Adam(params, **DECAY), Adam(others, **DECAY)
    train(optimizer, params, range(2))
    train(reference, others, range(2))
    optimizer.param_groups = [dict(group) for group in optimizer.param_groups]
    optimizer.param_groups[0]["lr"] = reference.param_groups[0]["lr"] = 0.2
    train(optimizer, params, range(2, 4))
    train(reference, others, range(2, 4))
    assert equal(params, others)


# --- what users do to the state


def test_state_entries_that_are_changed_or_replaced():
    params, others = parameters(dtype=torch.float64), parameters(dtype=torch.float64)
    optimizer, reference = Adam(params), torch.optim.Adam(others, foreach=False)
    for o, owned in ((optimizer, params), (reference, others)):
        train(o, owned, range(2))
        for p in owned:
            o.state[p]["exp_avg"].mul_(0.5)
        train(o, owned, range(2, 4))
        for p in owned:
            o.state[p]["exp_avg_sq"] = o.state[p]["exp_avg_sq"] * 2
            o.state[p]["step"] = torch.tensor(10.0)
        train(o, owned, range(4, 6))
        o.state[owned[0]] = {name: value.clone() for name, value in o.state[owned[0]].items()}
        o.state[owned[0]]["exp_avg"] += 1
        train(o, owned, range(6, 8))
        o.state.clear()
        train(o, owned, range(8, 10))
    for p, q in zip(params, others, strict=True):
        torch.testing.assert_close(p, q, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("shapes", [[(5,), (0,), (3, 2)], [(0,), (5,)], [(SMALL + 9,)]])
def test_state_that_is_moved_in_its_tensors(shapes):
    """The widespread ``value.data = value.data.to(device)``: what is trained is what is saved."""
    params, others = parameters(shapes=shapes), parameters(shapes=shapes)
    optimizer, reference = Adam(params, lr=0.1), torch.optim.Adam(others, lr=0.1)
    for o, owned in ((optimizer, params), (reference, others)):
        train(o, owned, range(2))
        for value in (value for state in o.state.values() for value in state.values()):
            value.data = value.data.clone().mul_(2.0) if value.ndim else value.data
        train(o, owned, range(2, 4))
    torch.testing.assert_close(params, others, rtol=1e-5, atol=1e-6)
    saved, expected = optimizer.state_dict(), reference.state_dict()
    torch.testing.assert_close(tensors_of(saved), tensors_of(expected), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(5,), (SMALL + 9,)])
def test_a_new_tensor_at_the_address_of_a_gone_one_is_noticed(shape):
    """CPython gives the id of a freed object to the next one of its size."""
    p, q = (torch.nn.Parameter(torch.zeros(shape)) for _ in range(2))
    optimizer, reference = SGDW([p], momentum=0.5), torch.optim.SGD([q], momentum=0.5)
    for step in range(20):
        for o, x in ((optimizer, p), (reference, q)):
            x.grad = torch.full(shape, 1.0 + step)
            o.step()
            fresh = torch.full(shape, 0.25 * step).numpy()
            del o.state[x]["momentum_buffer"]
            o.state[x]["momentum_buffer"] = torch.from_numpy(fresh)
    torch.testing.assert_close(p, q)


def test_lists_and_numbers_in_groups():
    params, others = parameters(), parameters()
    optimizer = Adam([{"params": params, "betas": [0.8, 0.9]}])
    reference = Adam(others, betas=(0.8, 0.9))
    assert optimizer.param_groups[0]["betas"] == (0.8, 0.9)
    for step in range(6):
        if step == 3:
            optimizer.param_groups[0]["betas"], reference.param_groups[0]["betas"] = [0.5, 0.9], (0.5, 0.9)
        train(optimizer, params, [step])
        train(reference, others, [step])
    assert equal(params, others)
    saved = optimizer.state_dict()
    saved["param_groups"][0]["betas"] = [0.7, 0.8]  # as formats without tuples give it back
    optimizer.load_state_dict(saved)
    reference.param_groups[0]["betas"] = (0.7, 0.8)
    train(optimizer, params, [7])
    train(reference, others, [7])
    assert equal(params, others)


# --- groups that share a call


GROUPS = [{"lr": 0.001 * (i + 1), "weight_decay": 0.0 if i % 3 == 0 else 0.01 * i} for i in range(100)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", CASES)
def test_groups_that_differ_in_lr_and_decay_share_a_call(name, dtype):
    shapes = [[(3,), (2, 2)] if i != 7 else [(SMALL + 1,)] for i in range(100)]
    together = [parameters(i, dtype, s) for i, s in enumerate(shapes)]
    alone = [parameters(i, dtype, s) for i, s in enumerate(shapes)]
    optimizer = CASES[name].build([{"params": p, **group} for p, group in zip(together, GROUPS, strict=True)])
    references = [CASES[name].build(p, **group) for p, group in zip(alone, GROUPS, strict=True)]
    for step in range(4):
        if step == 2:
            for group in [*optimizer.param_groups, *(o.param_groups[0] for o in references)]:
                group["lr"] *= 0.5
        give_gradients([p for group in together for p in group], step)
        give_gradients([p for group in alone for p in group], step)
        optimizer.step()
        for reference in references:
            reference.step()
    assert len(optimizer._buckets()) == 1
    tolerance = 1e-5 if dtype is torch.float32 else 1e-12
    for p, q in zip([p for g in together for p in g], [p for g in alone for p in g], strict=True):
        torch.testing.assert_close(p, q, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("first", [0.0, 0.1])
def test_one_groups_decay_does_not_depend_on_anothers(name, first):
    """As no_decay splits them: norms and biases have none."""
    together, alone = [parameters(1), parameters(2)], [parameters(1), parameters(2)]
    decays = [first, 0.1 - first]
    optimizer = CASES[name].build([{"params": p, "weight_decay": d} for p, d in zip(together, decays, strict=True)])
    references = [CASES[name].build(p, weight_decay=d) for p, d in zip(alone, decays, strict=True)]
    for step in range(3):
        for groups in (together, alone):
            for params in groups:
                give_gradients(params, step)
        optimizer.step()
        for reference in references:
            reference.step()
    for groups in zip(together, alone, strict=True):
        for p, q in zip(*groups, strict=True):
            torch.testing.assert_close(p, q, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_numbers_that_change_mid_run(name):
    """Decay off and on again, lr, and what else a schedule drives: as an optimizer that is built anew with them."""
    case = CASES[name]
    changes = [{"weight_decay": 0.1}, {"weight_decay": 0.0}, {"weight_decay": 0.2, "lr": 0.01}]
    changes += [{"momentum": 0.3}] if "SGDW" in name and "plain" not in name else [{"betas": (0.5, 0.7)}] if "betas" in case.build(parameters()).defaults else []  # fmt: skip
    params, others = parameters(), parameters()
    optimizer, reference = case.build(params), case.build(others)
    for step, change in enumerate(changes):
        optimizer.param_groups[0].update(change)
        saved = reference.state_dict()
        saved["param_groups"][0].update(change)
        reference = case.build(others)
        reference.load_state_dict(saved)
        for o, owned in ((optimizer, params), (reference, others)):
            train(o, owned, range(2 * step, 2 * step + 2))
    assert equal(params, others)


def test_a_schedule_of_betas_keeps_the_buckets(monkeypatch):
    """OneCycleLR drives them at every step; to gather all small tensors anew would cost ten times the step."""
    made = []
    make = rule_optimizer.make_buckets
    params = parameters()
    optimizer = AdaBound([{"params": params[:2]}, {"params": params[2:], "lr": 0.01}])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=8)
    monkeypatch.setattr(rule_optimizer, "make_buckets", lambda *args: made.append(1) or make(*args))
    for step in range(8):
        train(optimizer, params, [step])
        schedule.step()
    assert len(made) == 1
    optimizer.param_groups[1]["betas"] = [0.3, 0.4]  # no longer those of the other group
    train(optimizer, params, [9])
    assert len(made) == 2
    optimizer.param_groups[0]["amsbound"] = optimizer.param_groups[1]["amsbound"] = True  # another rule
    train(optimizer, params, [10])
    assert len(made) == 3
    assert all("max_exp_avg_sq" in optimizer.state[p] for p in params)


# --- lrs


@pytest.mark.parametrize("name", CASES)
def test_an_lr_of_0_moves_nothing_and_counts(name):
    params, others = parameters(), parameters()
    optimizer, reference = CASES[name].build(params, weight_decay=0.0), CASES[name].build(others, weight_decay=0.0)
    lr = optimizer.param_groups[0]["lr"]
    optimizer.param_groups[0]["lr"] = 0.0
    train(optimizer, params, [0])
    assert equal(params, others)
    assert float(optimizer.state[params[0]]["step"]) == 1
    train(reference, others, [0])
    optimizer.param_groups[0]["lr"] = lr
    for p, q in zip(params, others, strict=True):
        q.data.copy_(p)
    train(optimizer, params, [1])
    if "Bound" in name or "Adam" in name or name in ("RMSprop", "Adadelta", "SGDW, plain"):
        train(reference, others, [1])
        assert equal(params, others), "the first step has left the same state"


@pytest.mark.parametrize("name", CASES)
def test_an_lr_that_is_a_tensor(name):
    params, others = parameters(), parameters()
    lr = torch.tensor(0.25)
    optimizer, reference = CASES[name].build(params, lr=lr, **DECAY), CASES[name].build(others, lr=0.25, **DECAY)
    train(optimizer, params, range(2))
    train(reference, others, range(2))
    lr.fill_(0.125)
    reference.param_groups[0]["lr"] = 0.125
    train(optimizer, params, range(2, 4))
    train(reference, others, range(2, 4))
    assert equal(params, others)
    assert optimizer.param_groups[0]["lr"] is lr


def test_several_lrs_that_are_tensors():
    together, alone = [parameters(1), parameters(2)], [parameters(1), parameters(2)]
    lrs = [torch.tensor(0.25), torch.tensor([0.5])]
    optimizer = AdaBound([{"params": p, "lr": lr} for p, lr in zip(together, lrs, strict=True)])
    references = [AdaBound(p, lr=float(lr)) for p, lr in zip(alone, lrs, strict=True)]
    for step in range(2):
        for i in range(2):
            train(references[i], alone[i], [step])
            give_gradients(together[i], step)
        optimizer.step()
    for groups in zip(together, alone, strict=True):
        for p, q in zip(*groups, strict=True):
            torch.testing.assert_close(p, q, rtol=1e-6, atol=1e-6)


# --- closures, signs, hooks


def test_a_closure_is_called_once_with_gradients():
    for cls in {case.cls for case in CASES.values()}:
        p = torch.nn.Parameter(torch.ones(3))
        optimizer = cls([p], compile=False)
        calls = []

        def closure(p=p, optimizer=optimizer, calls=calls):
            calls.append(torch.is_grad_enabled())
            optimizer.zero_grad()
            loss = p.square().sum()
            loss.backward()
            return loss

        with torch.no_grad():
            assert float(optimizer.step(closure)) == 3.0
            assert not torch.is_grad_enabled()
        assert optimizer.step() is None
        assert calls == [True]
        assert float(optimizer.state[p]["step"]) == 2


def test_an_error_of_the_closure_leaves_everything_as_it_was():
    params = parameters()
    optimizer = Adam(params)
    train(optimizer, params, [0])
    before = copy.deepcopy(optimizer.state_dict())

    def closure():
        raise KeyError("data")

    with pytest.raises(KeyError):
        optimizer.step(closure)
    for one, other in zip(tensors_of(optimizer.state_dict()), tensors_of(before), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", CASES)
def test_maximize_changes_the_sign_and_leaves_gradients_alone(name):
    params, others = parameters(), parameters()
    up, down = CASES[name].build(params, maximize=True, **DECAY), CASES[name].build(others, **DECAY)
    for step in range(3):
        give_gradients(params, step)
        give_gradients(others, step)
        kept = [p.grad for p in params]
        for q in others:
            q.grad = -q.grad
        up.step()
        down.step()
        for p, grad, q in zip(params, kept, others, strict=True):
            assert p.grad is grad
            assert torch.equal(grad, -q.grad)
    assert equal(params, others)


def test_hooks_are_called_as_torchs():
    params = parameters()
    seen = []
    optimizer = SGDW(params)
    assert isinstance(optimizer, Optimizer)
    optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append("step pre"))
    optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append("step post"))
    optimizer.register_state_dict_pre_hook(lambda o: seen.append("state pre"))
    optimizer.register_state_dict_post_hook(lambda o, saved: seen.append("state post"))
    optimizer.register_load_state_dict_pre_hook(lambda o, saved: seen.append("load pre"))
    optimizer.register_load_state_dict_post_hook(lambda o: seen.append("load post"))
    train(optimizer, params, [0])
    optimizer.load_state_dict(optimizer.state_dict())
    assert seen == ["step pre", "step post", "state pre", "state post", "load pre", "load post"]


def test_what_load_hooks_change_is_what_counts():
    params, others = parameters(), parameters()
    optimizer, second = Adam(params), Adam(others)
    train(optimizer, params, range(2))
    saved = optimizer.state_dict()

    def later(_, state_dict):
        state = {i: {**entry, "step": torch.tensor(7.0)} for i, entry in state_dict["state"].items()}
        return {**state_dict, "state": state}

    second.register_load_state_dict_pre_hook(later)
    found = []
    second.register_load_state_dict_post_hook(lambda o: found.append(float(o.state[others[0]]["step"])))
    second.load_state_dict(saved)
    assert found == [7.0]
    before = copy.deepcopy(tensors_of(saved))
    train(second, others, [2])
    assert float(second.state[others[0]]["step"]) == 8.0
    assert all(torch.equal(one, other) for one, other in zip(tensors_of(saved), before, strict=True))


def test_steps_have_a_name_in_profiles():
    params = parameters()
    optimizer = SGDW(params)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        train(optimizer, params, [0])
    assert any("Optimizer.step#SGDW.step" in event.key for event in profile.key_averages())


def test_named_parameters():
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    optimizer = SGDW(net.named_parameters())
    names = [name for name, _ in net.named_parameters()]
    assert optimizer.param_groups[0]["param_names"] == names
    optimizer.load_state_dict(optimizer.state_dict())
    assert optimizer.param_groups[0]["param_names"] == names
    assert "SGDW" in repr(optimizer)


def test_several_optimizers_do_not_disturb_each_other():
    sets = [parameters(i) for i in range(4)]
    alone = [parameters(i) for i in range(4)]
    makers = [Adam, AdaBound, functools.partial(SGDW, lr=0.1), functools.partial(Adam, maximize=True)]
    optimizers = [make(params) for make, params in zip(makers, sets, strict=True)]
    for step in range(3):
        for optimizer, params in zip(optimizers, sets, strict=True):
            train(optimizer, params, [step])
    for make, params, others in zip(makers, sets, alone, strict=True):
        train(make(others), others, range(3))
        assert equal(params, others)
