"""Each selector selects what the contract says, on names that are easily mixed up; wrong ones are rejected in words."""

import pytest
import torch
from torch import nn

import lit_optim
from lit_optim import ConfigError
from lit_optim.param_groups import NamedModel, owned_parameters, read_match


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(4)
        self.gate = nn.Linear(4, 4)
        self.conv = nn.Conv1d(4, 4, 1)
        self.rnn = nn.GRUCell(4, 4, bias=False)


class Model(nn.Module):
    """``encoder`` is the beginning of ``encoder2``; the head is tied to the table."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.token = nn.Parameter(torch.ones(1, 1, 4))
        self.table = nn.Embedding(6, 4)
        self.encoder = nn.Sequential(Block(), Block())
        self.encoder2 = nn.Linear(4, 4, bias=False)
        self.head = nn.Linear(4, 6)
        self.head.weight = self.table.weight
        self.scale._optim = {"lr": 0.5}

    def no_weight_decay(self):
        return {"token", "encoder.*.gate.bias"}


class Wrapped(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = Model()


def is_square(name, parameter, module):
    return parameter.shape == (4, 4) and isinstance(module, nn.Linear) and "encoder" in name


ENCODER = [f"model.encoder.{i}.{name}" for i in (0, 1) for name in (
    "norm.weight", "norm.bias", "gate.weight", "gate.bias", "conv.weight", "conv.bias", "rnn.weight_ih", "rnn.weight_hh",
)]  # fmt: skip
EVERY = ["model.scale", "model.token", "model.table.weight", *ENCODER, "model.encoder2.weight", "model.head.bias"]


def those(*words):
    return [name for name in EVERY if any(word in name for word in words)]


SELECTED = [
    ({"name": "*.gate.*"}, those("gate")),
    ({"name": ["*.0.gate.*", "*.scale"]}, [*those("scale"), *those("0.gate")]),
    ({"name": r"re:encoder\.\d+\.gate"}, those("gate")),
    ({"name": "model.head.weight"}, those("table")),  # tied: any of its names
    ({"module": "model.encoder"}, ENCODER),
    ({"module": ["model.encoder2", "model.token"]}, [*those("token"), "model.encoder2.weight"]),
    ({"type": "norm"}, those("norm")),
    ({"type": ["bias"]}, those("bias")),
    ({"type": "conv"}, those("conv")),
    ({"type": "linear"}, [*those("table"), *[n for n in EVERY if "gate" in n], "model.encoder2.weight", "model.head.bias"]),
    ({"type": "embedding"}, those("table")),
    ({"type": "recurrent"}, those("rnn")),
    ({"type": "LayerNorm"}, those("norm")),
    ({"type": "torch.nn.GRUCell"}, those("rnn")),
    ({"type": ["RNNCellBase", "norm"]}, those("rnn", "norm")),  # a base class
    ({"role": "embedding"}, those("table")),
    ({"role": "output"}, ["model.table.weight", "model.head.bias"]),
    ({"ndim": 0}, those("scale")),
    ({"ndim": "<2"}, those("scale", "bias", "norm.weight")),
    ({"ndim": ">=3"}, those("token", "conv.weight")),
    ({"ndim": "== 3"}, those("token", "conv.weight")),
    ({"declared": "no_weight_decay"}, [*those("token"), *those("gate.bias")]),
    ({"declared": "_optim"}, those("scale")),
    ({"module": "model.encoder", "type": "bias"}, [n for n in ENCODER if "bias" in n]),  # several keys: all of them
    ({"all": [{"type": "bias"}, {"not": {"module": "model.encoder"}}]}, ["model.head.bias"]),
    ({"any": [{"type": "norm"}, {"ndim": 0}]}, those("scale", "norm")),
    ({"not": {"module": "model.encoder"}}, [name for name in EVERY if name not in ENCODER]),
    (is_square, [*[n for n in EVERY if "gate.weight" in n], "model.encoder2.weight"]),
]  # fmt: skip


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(("match", "expected"), SELECTED)
def test_selectors(match, expected, compiled):
    net = Wrapped()
    if compiled:
        net.model.encoder[0] = torch.compile(net.model.encoder[0], backend="eager")  # its prefix is in no name
    model = NamedModel(net)
    assert [p.name for p in model.parameters] == EVERY
    selected = read_match(match).select(model)
    assert [p.name for p in model.parameters if p in selected] == sorted(expected, key=EVERY.index)
    assert model.unmatched == []


BAD = [
    ("nothing.at.all", "there is no package 'nothing'"),
    ("os.sep", "not a function (name, parameter, module) -> bool"),
    ({}, "not a selector; write e.g. {type: [norm, bias]}"),
    (["norm"], "not a selector"),
    ({"modul": "head"}, "match.modul='head': no such selector; did you mean 'module'?"),
    ({"type": "nrm"}, "match.type='nrm': no such type; did you mean 'norm'?"),
    ({"type": 3}, "match.type=3: expects a text or a list of texts"),
    ({"type": []}, "match.type=[]: expects a text or a list of texts"),
    ({"role": "outputs"}, "match.role='outputs': no such role; did you mean 'output'?"),
    ({"declared": "decay"}, "match.declared='decay': no such declared"),
    ({"ndim": "2<"}, "match.ndim='2<': expects a number of dimensions"),
    ({"ndim": True}, "match.ndim=True"),
    ({"ndim": -1}, "match.ndim=-1"),
    ({"name": "re:("}, "match.name='re:(': not a regular expression"),
    ({"any": []}, "match.any=[]: expects a list of selectors"),
    ({"any": [{"nam": "x"}], "all": [{"ndim": "x"}]}, "2 errors"),
    ({"not": {"nam": "x"}}, "match.not.nam='x': no such selector; did you mean 'name'?"),
]


@pytest.mark.parametrize(("match", "message"), BAD)
def test_wrong_selectors_are_rejected_without_a_model(match, message):
    with pytest.raises(ConfigError) as caught:
        read_match(match)
    assert message in str(caught.value)


UNMATCHED = [
    ({"name": "*.gaet.*"}, "match.name='*.gaet.*': matches no parameter"),
    ({"name": ["*.gate.*", "model.hed.*"]}, "match.name='model.hed.*': matches no parameter; did you mean 'model.head'?"),
    ({"module": "head"}, "match.module='head': matches no parameter; did you mean 'model.head'?"),
    ({"module": "model.enc"}, "match.module='model.enc': matches no parameter"),
    ({"type": "Linaer"}, "match.type='Linaer': owns no parameter directly; did you mean 'Linear'?"),
    ({"type": "Model2"}, "match.type='Model2'"),
    ({"not": {"module": "model.hed"}}, "match.not.module='model.hed': matches no parameter"),
    ({"module": "model.head", "type": "norm"}, "head.match: no parameter has all of this"),
    (lambda name, parameter, module: False, "matches no parameter"),
]  # fmt: skip


@pytest.mark.parametrize(("match", "message"), UNMATCHED)
def test_what_is_named_has_to_exist(match, message):
    rules = {"rules": {"head": {"match": match, "lr": 0.1}}}
    with pytest.raises(ConfigError) as caught:
        lit_optim.build_optimizer("sgd", Wrapped(), param_groups=rules)
    assert message in str(caught.value)
    with pytest.warns(UserWarning, match="match") as warned:
        optimizer = lit_optim.build_optimizer("sgd", Wrapped(), param_groups={**rules, "unmatched_rule": "warn"})
    assert any(message in str(warning.message) for warning in warned)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(EVERY)


def test_a_family_a_role_or_a_declaration_may_match_nothing():
    net = nn.Linear(2, 2, bias=False)
    for match in ({"type": "norm"}, {"ndim": 3}, {"declared": "_optim"}, {"role": "embedding"}):
        groups = lit_optim.build_optimizer("sgd", net, param_groups=[{"match": match, "lr": 0.1}]).param_groups
        assert len(groups) == 1


def test_the_index_of_a_sequential_is_a_text():
    model = NamedModel(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2)))
    for given, names in ((1, {"1.weight", "1.bias"}), ([0, "2"], {"0.weight", "0.bias", "2.weight", "2.bias"})):
        assert {p.name for p in read_match({"module": given}).select(model)} == names  # module=1 on a command line


def test_a_declared_text_is_no_number():
    net = nn.Linear(2, 2)
    net.weight._optim = {"lr": "1e-2"}
    rules = {"rules": {"own": {"match": {"declared": "_optim"}}}}
    with pytest.raises(ConfigError, match=r"weight._optim.lr='1e-2': a text in Python code; write the value"):
        lit_optim.build_optimizer("adamw", net, param_groups=rules)


def test_a_function_that_fails_is_named():
    def broken(name, parameter, module):
        raise KeyError(name)

    with pytest.raises(ConfigError, match="failed with KeyError"):
        lit_optim.build_optimizer("sgd", nn.Linear(2, 2), param_groups=[{"match": broken, "lr": 0.1}])


def test_lazy_parameters_are_selected_by_their_module():
    net = nn.Sequential(nn.LazyLinear(3), nn.LazyConv2d(2, 3), nn.LazyBatchNorm2d())
    model = NamedModel(net)
    assert [(p.name, p.ndim) for p in owned_parameters(net)] == [
        ("0.weight", 2), ("0.bias", 1), ("1.weight", 4), ("1.bias", 1), ("2.weight", 1), ("2.bias", 1),
    ]  # fmt: skip
    for match, expected in (({"type": "norm"}, {"2.weight", "2.bias"}), ({"ndim": ">=2"}, {"0.weight", "1.weight"}),
                            ({"type": "conv"}, {"1.weight", "1.bias"})):  # fmt: skip
        assert {p.name for p in read_match(match).select(model)} == expected
    groups = lit_optim.build_optimizer("adamw", net, param_groups="no_decay").param_groups
    assert [(group["name"], len(group["params"])) for group in groups] == [("default", 2), ("no_decay", 4)]
