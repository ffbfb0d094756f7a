"""One order, one step: who acts when, what is counted, and what costs nothing."""

import itertools
import re

import numpy as np
import pytest
import torch
import torch.distributed.checkpoint.state_dict
from torch.utils._python_dispatch import TorchDispatchMode

import lit_optim
import lit_optim.config.read.presets
from _support.gradient_problem import Mixed, after
from _support.references.gradient_reference import centralized, clipped_by_unit, normals
from lit_optim import ConfigError
from lit_optim.gradients import Agc, Centralize, Chain, Noise


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_order_is_one(order):
    links = [Centralize(), Agc(lam=0.1), Noise(eta=0.04, seed=9)]
    before, result, weights = after(Mixed(), *(links[i] for i in order))
    for name, grad in before.items():
        expected = clipped_by_unit(
            weights[name].numpy(), centralized(grad.numpy()) if grad.numel() else grad.numpy(), 0.1, 1e-3
        )
        expected = expected + 0.2 * normals(grad.numel(), 9, 0, name).reshape(grad.shape)
        np.testing.assert_allclose(result[name].numpy(), expected, rtol=1e-12, atol=1e-6, err_msg=name)


def test_variance_over_the_steps_and_its_index_from_zero():
    p = torch.nn.Parameter(torch.zeros(1500))
    optimizer = torch.optim.SGD([p], lr=0.1)
    Noise(eta=0.3, gamma=0.55, seed=2).attach(optimizer)
    for t in range(5):
        p.grad = torch.zeros(1500)
        optimizer.step()
        expected = (0.3 / (1 + t) ** 0.55) ** 0.5 * normals(1500, 2, t, "0")
        np.testing.assert_allclose(p.grad.numpy(), expected, atol=4e-6)


def test_two_of_a_kind_are_refused():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    Agc().attach(optimizer)
    with pytest.raises(ConfigError, match="agc: twice on one optimizer, .*; keep one of the two"):
        Agc(lam=0.1).attach(optimizer)
    Centralize().attach(optimizer)


def test_detached_links_leave_nothing():
    p = torch.nn.Parameter(torch.ones(2, 2))
    optimizer = torch.optim.SGD([p], lr=0.1)
    links = [link.attach(optimizer) for link in (Centralize(), Noise())]
    for link in links:
        link.detach()
    p.grad = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    optimizer.step()
    assert torch.equal(p.grad, torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    assert not optimizer._optimizer_step_pre_hooks
    assert not optimizer._optimizer_step_post_hooks
    assert Chain.of(optimizer).links == []


@pytest.mark.parametrize("call", ["positional", "keyword"])
def test_gradients_come_from_the_closure(call):
    p = torch.nn.Parameter(torch.zeros(3, 4))
    optimizer = lit_optim.build_optimizer("sgd", [p], lr=1.0)
    noise = Noise(eta=1.0).attach(optimizer)
    seen = []

    def closure():
        p.grad = torch.ones(3, 4)
        seen.append(p.grad.clone())
        return torch.tensor(5.0)

    loss = optimizer.step(closure) if call == "positional" else optimizer.step(closure=closure)
    assert loss == 5
    assert len(seen) == 1
    np.testing.assert_allclose(-p.detach().numpy().reshape(-1), 1 + normals(12, 0, 0, "0"), atol=4e-6)
    assert noise.steps == 1


def test_every_evaluation_of_one_step_has_the_same_noise():
    p = torch.nn.Parameter(torch.ones(4))
    optimizer = torch.optim.LBFGS([p], lr=0.1, max_iter=4)
    noise = Noise(eta=1.0).attach(optimizer)
    evaluations = []

    def closure():
        optimizer.zero_grad()
        loss = (p**2).sum()
        loss.backward()
        evaluations.append((p.detach().clone(), p.grad))
        return loss

    optimizer.step(closure)
    assert len(evaluations) > 2
    for weights, grad in evaluations:
        np.testing.assert_allclose((grad - 2 * weights).numpy(), normals(4, 0, 0, "0"), atol=4e-6)
    assert noise.steps == 1


class Operations(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        self.seen.append(str(op))
        return op(*args, **(kwargs or {}))


def operations(*links, groups=None, steps=1):
    layer = torch.nn.Linear(40, 30)
    optimizer = torch.optim.SGD(groups(layer) if groups else layer.parameters(), lr=0.1)
    for link in links:
        link.attach(optimizer, layer)
    counts = []
    for _ in range(steps):
        for p in layer.parameters():
            p.grad = torch.ones_like(p)
        with Operations() as found:
            optimizer.step()
        counts.append(len(found.seen))
    return counts


def silent(layer):
    return [{"params": list(layer.parameters()), "gradient_noise": 0.0}]


def test_no_operation_where_sigma_is_zero():
    (bare,) = operations()
    assert operations(Noise(), groups=silent) == [bare]
    assert operations(Noise(exclude=["*"])) == [bare]
    assert operations(Noise(every_n=3), steps=7) == [
        a if t % 3 == 0 else bare for t, a in enumerate(operations(Noise(), steps=7))
    ]
    assert operations(Noise())[0] > bare


def test_a_group_has_its_own_eta():
    a, b, c = (torch.nn.Parameter(torch.zeros(600)) for _ in range(3))
    optimizer = torch.optim.SGD(
        [{"params": [a], "gradient_noise": 0.25}, {"params": [b], "gradient_noise": 0}, {"params": [c]}], lr=0.1
    )
    Noise(eta=1.0).attach(optimizer)
    for p in (a, b, c):
        p.grad = torch.zeros(600)
    optimizer.step()
    np.testing.assert_allclose(a.grad.numpy(), 0.5 * normals(600, 0, 0, "0"), atol=2e-6)
    assert not b.grad.any()
    np.testing.assert_allclose(c.grad.numpy(), normals(600, 0, 0, "2"), atol=4e-6)
    optimizer.param_groups[0]["gradient_noise"] = -1
    with pytest.raises(ConfigError, match="param_groups.gradient_noise=-1: the eta of a group"):
        optimizer.step()


def test_noise_does_not_depend_on_how_parameters_are_grouped():
    results = []
    for rules in (None, "no_decay"):
        net = Mixed(torch.float32)
        optimizer = lit_optim.build_optimizer("sgd", net, param_groups=rules)
        Noise(eta=1.0).attach(optimizer, net)
        net.backward()
        optimizer.step()
        results.append(net.grads())
    assert all(torch.equal(results[0][name], results[1][name]) for name in results[0])


def test_the_group_key_comes_from_rules():
    rules = [{"match": {"type": ["norm", "bias"]}, "gradient_noise": 0}]
    optimizer = lit_optim.build_optimizer("sgd", Mixed(), param_groups=rules)
    assert [group.get("gradient_noise") for group in optimizer.param_groups] == [None, 0.0]
    with pytest.raises(ConfigError, match=r"param_groups.rules\[0\].gradient_noise=-2: the eta of a group, a variance"):
        lit_optim.validate({"optimizer": "sgd", "param_groups": [{**rules[0], "gradient_noise": -2}]})


def test_parameters_of_a_group_that_is_added_later():
    net = Mixed(torch.float32)
    optimizer = torch.optim.SGD(net.head.parameters(), lr=0.1)
    Noise(eta=1.0).attach(optimizer, net)
    stranger = torch.nn.Parameter(torch.zeros(3))
    optimizer.add_param_group({"params": [net.gain]})
    optimizer.add_param_group({"params": [stranger]})
    net.gain.grad, stranger.grad = torch.tensor(0.0), torch.zeros(3)
    optimizer.step()
    np.testing.assert_allclose(net.gain.grad.numpy(), normals(1, 0, 0, "gain")[0], atol=4e-6)
    np.testing.assert_allclose(stranger.grad.numpy(), normals(3, 0, 0, "3"), atol=4e-6)


@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning")  # torch.compile's own
def test_compiled_modules_and_named_parameters_have_the_same_names():
    grads = []
    layer = torch.nn.Linear(5, 5)
    for module, params in (
        (layer, layer.parameters()),
        (torch.compile(layer), layer.parameters()),
        (None, layer.named_parameters()),
    ):
        optimizer = torch.optim.SGD(params, lr=0.0)
        Noise().attach(optimizer, module)
        for p in layer.parameters():
            p.grad = torch.zeros_like(p)
        optimizer.step()
        grads.append(layer.weight.grad)
    assert torch.equal(grads[0], grads[1])
    assert torch.equal(grads[0], grads[2])


@pytest.mark.parametrize("link", [Noise(), Agc(), Centralize()], ids=lambda link: link.kind)
def test_sparse_gradients_are_rejected(link):
    layer = torch.nn.Embedding(6, 3, sparse=True)
    optimizer = torch.optim.SparseAdam(layer.parameters())
    link.attach(optimizer, layer)
    layer(torch.tensor([1, 2])).sum().backward()
    with pytest.raises(
        ConfigError, match=rf"{link.kind}: 'weight' has a sparse gradient, .*{link.kind}.exclude=\[weight\]"
    ):
        optimizer.step()
    link.detach()
    type(link)(exclude=["weight"]).attach(optimizer, layer)
    optimizer.step()


def test_exclusions_that_match_nothing_or_are_malformed():
    net = Mixed()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with pytest.raises(ConfigError, match="agc.exclude='hed.weight': matches no parameter; did you mean 'head.weight'"):
        Agc(exclude=["hed.weight"]).attach(optimizer, net)
    with pytest.raises(ConfigError, match=r"agc.exclude='re:\[': not a regular expression"):
        Agc(exclude=["re:["]).attach(optimizer, net)
    Agc(exclude=["re:^head"]).attach(torch.optim.SGD(net.parameters(), lr=0.1), net)
    with pytest.raises(ConfigError, match="exclude='norm': matches no parameter"):
        Agc(exclude=["norm"]).attach(optimizer)  # types need the module
    for wrong in ([3], 3, [""], {"a": 1}):
        with pytest.raises(
            ConfigError, match="exclude.*(must be a list of names, patterns and selectors|no such selector)"
        ):
            Agc(exclude=wrong)


BAD = [
    ("eta", 0, "is a variance and must be a finite number above 0"), ("eta", -0.1, "variance"), ("eta", float("inf"), "finite"), ("eta", "1", "finite"),
    ("gamma", -1, "at least 0"), ("gamma", float("nan"), "finite"), ("seed", 1.5, "must be a whole number"), ("seed", True, "whole number"),
    ("every_n", 0, "at least 1"), ("every_n", 2.0, "whole number"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "rule"), BAD)
def test_noise_arguments(name, value, rule):
    with pytest.raises(ConfigError, match=f"^{name}={value!r}: .*{rule}"):
        Noise(**{name: value})


@pytest.mark.parametrize(
    ("preset", "name", "value"),
    [("gradient_noise", "eta", -0.5), ("gradient_noise", "every_n", 0), ("agc", "lam", 0.0), ("agc", "exclude", [""])],
)
def test_a_wrong_value_is_reported_with_its_key_before_anything_is_built(preset, name, value):
    spec = {preset: {**lit_optim.config.read.presets.load_preset("optim_callbacks", preset)[preset], name: value}}
    with pytest.raises(ConfigError, match=rf"optim_callbacks.{preset}.{name}={re.escape(repr(value))}: "):
        lit_optim.validate({"optimizer": "sgd", "optim_callbacks": spec})


@pytest.mark.parametrize("fused", [True, False])
def test_a_scaler_of_plain_torch_unscales_first_and_its_skipped_steps_count_nothing(fused):
    def run(scaled):
        layer = torch.nn.Linear(4, 3)
        torch.nn.init.constant_(layer.weight, 0.5)
        torch.nn.init.constant_(layer.bias, 0.5)
        optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1, fused=fused)
        noise = Noise(eta=1e-4).attach(optimizer, layer)
        Agc(lam=0.05).attach(optimizer, layer)
        scaler = torch.amp.GradScaler("cpu", init_scale=64.0, enabled=scaled)
        for i in range(6):
            optimizer.zero_grad()
            bad = i in (0, 3)
            if bad and not scaled:
                continue
            x = torch.full((2, 4), float("inf") if bad else 1.0 + i)
            scaler.scale(layer(x).square().mean()).backward()
            scaler.step(optimizer)
            scaler.update()
        return layer.weight.detach(), noise.steps

    (ours, counted), (expected, steps) = run(True), run(False)
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-6)
    assert counted == steps == 4


def test_the_step_that_creates_state_for_a_distributed_checkpoint_is_none():
    layer = torch.nn.Linear(3, 3)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    noise = Noise(eta=1.0).attach(optimizer, layer)
    before = layer.weight.detach().clone()
    torch.distributed.checkpoint.state_dict.get_optimizer_state_dict(layer, optimizer)
    assert noise.steps == 0
    assert torch.equal(before, layer.weight)
    for p in layer.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()  # an ordinary step may have zero gradients
    assert noise.steps == 1
    optimizer.zero_grad()
    optimizer.step()  # and one without gradients is none
    assert noise.steps == 1


def test_a_state_dict_goes_on_where_it_was():
    def run(optimizer, p, noise, steps):
        for i in range(steps):
            p.grad = torch.full((700,), 1.0 + i)
            optimizer.step()
        return p.detach().clone()

    def fresh(weights=None):
        p = torch.nn.Parameter(torch.zeros(700) if weights is None else weights.clone())
        optimizer = torch.optim.SGD([p], lr=0.1)
        return optimizer, p, Noise(seed=4).attach(optimizer)

    one = fresh()
    middle, state = run(*one, 3), one[2].state_dict()
    end = run(*one, 3)
    again = fresh(middle)
    again[2].load_state_dict(state)
    assert torch.equal(run(*again, 3), end)
