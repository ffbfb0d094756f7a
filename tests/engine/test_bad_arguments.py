"""Bad arguments are rejected with an error that names the argument, its value and the rule; nothing is changed."""

import copy

import pytest
import torch

import lit_optim
from lit_optim import ConfigError
from lit_optim.config.read import presets
from lit_optim.optimizers import SGDW, AdaBound, AdaBoundW
from lit_optim.optimizers.adam import Adam
from lit_optim.optimizers.compiled import Adadelta, Adamax, NAdam, RAdam, RMSprop

NAN, INF = float("nan"), float("inf")
ALL = [AdaBound, AdaBoundW, SGDW, Adam, Adadelta, Adamax, NAdam, RAdam, RMSprop]
OWN = [
    name
    for name in presets.preset_names("optimizer")
    if presets.load_preset("optimizer", name)["_target_"].startswith("lit_optim.")
    and "parts" not in presets.load_preset("optimizer", name)
]
AT_LEAST_0 = "must be a finite number of at least 0"
BELOW_1 = "must be at least 0 and below 1"
BAD = [
    *[(cls, "lr", value, AT_LEAST_0) for cls in ALL for value in (-1.0, NAN, INF)],
    *[(cls, "lr", torch.tensor(-1.0), AT_LEAST_0) for cls in ALL],
    *[(cls, "lr", torch.ones(2), r"must be a number, or a tensor of one") for cls in ALL],
    *[(cls, "lr", value, "must be a number") for cls in ALL for value in ("fast", True, None)],
    *[(cls, "weight_decay", value, AT_LEAST_0) for cls in ALL for value in (-1.0, NAN, INF)],
    *[(cls, "eps", value, AT_LEAST_0) for cls in ALL if cls is not SGDW for value in (-1e-8, NAN)],
    *[(cls, name, "yes", "must be True or False") for cls in ALL for name in ("maximize", "compile")],
    *[(cls, name, 0, "must be True or False") for cls, name in [(AdaBound, "amsbound"), (SGDW, "nesterov"), (Adam, "amsgrad"), (Adam, "decoupled"), (NAdam, "decoupled_weight_decay"), (RAdam, "decoupled_weight_decay"), (RMSprop, "centered")]],
    *[(cls, name, value, "must be a finite number above 0") for cls in (AdaBound, AdaBoundW) for name in ("final_lr", "gamma") for value in (0.0, -1.0, NAN, INF)],
    (SGDW, "dampening", -0.1, AT_LEAST_0), (SGDW, "dampening", 1.1, "at most 1"), (SGDW, "dampening", NAN, AT_LEAST_0),
    (SGDW, "momentum", 1.0, BELOW_1), (SGDW, "momentum", -0.1, BELOW_1), (SGDW, "momentum", NAN, BELOW_1),
    (NAdam, "momentum_decay", -1.0, AT_LEAST_0), (RMSprop, "momentum", -1.0, AT_LEAST_0),
    (RMSprop, "alpha", 1.5, "at most 1"), (Adadelta, "rho", 1.5, "at most 1"), (Adadelta, "rho", -0.5, AT_LEAST_0),
]  # fmt: skip
BETAS = [((1.0, 0.9), r"betas\[0\]=1.0"), ((0.9, -0.1), r"betas\[1\]=-0.1"), ((0.9, NAN), r"betas\[1\]=nan"),
         ((0.9,), r"betas=\(0.9,\): must be 2 numbers"), (0.9, "betas=0.9: must be 2 numbers"), ("ab", "betas='ab': must be 2 numbers"),
         ((0.9, torch.tensor(0.9)), r"betas\[1\].*must be a number"), ([0.9, 2], r"betas\[1\]=2")]  # fmt: skip


@pytest.mark.parametrize(("cls", "name", "value", "rule"), BAD)
def test_arguments(cls, name, value, rule):
    p = torch.nn.Parameter(torch.ones(2))
    with pytest.raises(ConfigError, match=rf"^{name}\b.*{rule}"):
        cls([p], **{name: value})
    optimizer = cls([p])
    before = copy.deepcopy(optimizer.state_dict())
    with pytest.raises(ConfigError, match=rf"^{name}\b.*{rule}"):
        optimizer.add_param_group({"params": [torch.nn.Parameter(torch.ones(2))], name: value})
    assert optimizer.state_dict() == before


@pytest.mark.parametrize("cls", [cls for cls in ALL if cls not in (SGDW, RMSprop, Adadelta)])
@pytest.mark.parametrize(("betas", "message"), BETAS)
def test_betas(cls, betas, message):
    with pytest.raises(ConfigError, match=message):
        cls([torch.zeros(1)], betas=betas)


def test_nesterov_takes_no_dampening():
    with pytest.raises(ConfigError, match=r"^dampening=0.5: must be 0 with nesterov=True$"):
        SGDW([torch.zeros(1)], dampening=0.5, nesterov=True)


def test_conjugated_and_negated_parameters():
    """Their memory does not hold their values: what a rule writes would be lost."""
    numbers = torch.ones(3, dtype=torch.complex64)
    for view in (numbers.conj(), numbers.conj().imag):
        with pytest.raises(ConfigError, match=r"^params: one is a conjugated or negated view"):
            SGDW([torch.nn.Parameter(view)])
        SGDW([torch.nn.Parameter(view.resolve_conj().resolve_neg())])


def test_parameters_without_a_shape_yet():
    """As with torch's own classes, a lazy module may get its shapes after its optimizer."""
    for name in ("sgdw", "adamw", "sgd"):
        module = torch.nn.LazyLinear(2)
        optimizer = lit_optim.build_optimizer(name, module, lr=0.1)
        module(torch.ones(1, 3)).sum().backward()
        before = module.weight.detach().clone()
        optimizer.step()
        assert not torch.equal(module.weight, before)


def test_nesterov_needs_a_momentum():
    with pytest.raises(ConfigError, match="nesterov=True.*momentum is 0; set it"):
        SGDW([torch.zeros(1)], momentum=0.0, nesterov=True)


def test_numbers_of_numpy_are_numbers():
    numpy = pytest.importorskip("numpy")
    p = torch.nn.Parameter(torch.ones(1))
    optimizer = SGDW([p], lr=numpy.float32(0.5), momentum=numpy.float64(0.0))
    p.grad = torch.ones(1)
    optimizer.step()
    assert p.item() == 0.5


@pytest.mark.parametrize("cls", ALL)
def test_no_parameters(cls):
    with pytest.raises(ValueError, match="empty parameter list"):
        cls([])


@pytest.mark.parametrize("cls", ALL)
def test_two_types_of_devices(cls):
    here, elsewhere = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2, device="meta"))
    message = f"params: on devices cpu and meta; {cls.__name__} takes"
    with pytest.raises(ConfigError, match=message):
        cls([here, elsewhere])
    with pytest.raises(ConfigError, match=message):
        cls([{"params": [here]}, {"params": [elsewhere]}])
    optimizer = cls([here])
    with pytest.raises(ConfigError, match=message):
        optimizer.add_param_group({"params": [elsewhere]})
    assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize("cls", ALL)
def test_sparse_gradients(cls):
    dense, sparse = (torch.nn.Parameter(torch.ones(3, 2)) for _ in range(2))
    optimizer = cls([dense, sparse], compile=False)
    dense.grad, sparse.grad = torch.ones(3, 2), torch.eye(3, 2).to_sparse()
    with pytest.raises(
        ConfigError, match=rf"params: a gradient has layout torch.sparse_coo; {cls.__name__} takes dense"
    ):
        optimizer.step()
    assert torch.equal(dense, torch.ones(3, 2))
    assert optimizer.state_dict()["state"] == {}
    sparse.grad = torch.ones(3, 2)
    optimizer.step()
    sparse.grad = torch.eye(3, 2).to_sparse()
    kept = dense.detach().clone()
    with pytest.raises(ConfigError, match="sparse_coo"):
        optimizer.step()
    assert torch.equal(dense, kept)
    assert float(optimizer.state[dense]["step"]) == 1
    with pytest.raises(ConfigError, match="params: one has layout torch.sparse_coo"):
        cls([torch.eye(3).to_sparse().requires_grad_()])


def test_a_large_sparse_gradient():
    p = torch.nn.Parameter(torch.ones(100_000, 1))
    optimizer = SGDW([p])
    p.grad = torch.ones(100_000, 1)
    optimizer.step()
    p.grad = torch.eye(100_000, 1).to_sparse()
    with pytest.raises(ConfigError, match="sparse_coo"):
        optimizer.step()
    assert float(optimizer.state[p]["step"]) == 1


def test_adabound_that_begins_at_lr_0():
    first, p = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2))
    optimizer = AdaBound([{"params": [first], "betas": (0.8, 0.9)}, {"params": [p], "lr": 0.0}], lr=0.1)
    first.grad = p.grad = torch.ones(2)
    optimizer.step()
    assert torch.equal(p, torch.ones(2))
    optimizer.param_groups[1]["lr"] = 0.1
    kept = first.detach().clone()
    with pytest.raises(ConfigError, match=r"base_lr=0: must be above 0 .*give it a base_lr"):
        optimizer.step()
    assert torch.equal(first, kept), "no group has taken a part of the step"
    assert float(optimizer.state[first]["step"]) == 1
    optimizer.param_groups[1]["base_lr"] = 0.1
    optimizer.step()
    assert float(optimizer.state[first]["step"]) == float(optimizer.state[p]["step"]) == 2


SPECS = [("lr", "nan", "finite|nan"), ("lr", -1, "at least 0"), ("weight_decay", -1, "at least 0"), ("lrr", 1, "did you mean 'lr'"),
         ("maximize", "x", "bool"), ("compile", 3, "bool|True or False")]  # fmt: skip


@pytest.mark.parametrize("name", OWN)
def test_through_the_configuration(name):
    specs = list(SPECS)
    keys = presets.load_preset("optimizer", name)
    if "betas" in keys:
        specs += [("betas", [0.9, 1.0], r"below 1"), ("betas", [0.9], "got 1 value|2 numbers"), ("betas", 0.9, "betas")]
    if "final_lr" in keys:
        specs += [("final_lr", 0, "above 0"), ("gamma", -1, "above 0")]
    if name == "sgdw":
        specs += [("momentum", 1.0, "below 1")]
    p = torch.nn.Parameter(torch.ones(2))
    for key, value, rule in specs:
        with pytest.raises(ConfigError, match=rule) as caught:
            lit_optim.validate({"optimizer": {**keys, key: value}})
        assert key in str(caught.value)
        with pytest.raises(ConfigError, match=rule):
            lit_optim.build_optimizer(name, [p], **{key: value})


def test_a_group_that_breaks_a_rule_through_the_configuration():
    rules = {"rules": [{"match": {"type": ["bias"]}, "final_lr": -1}]}
    with pytest.raises(ConfigError, match="final_lr=-1.*above 0"):
        lit_optim.build_optimizer("adabound", torch.nn.Linear(2, 2), param_groups=rules)
