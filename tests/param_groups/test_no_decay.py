"""Norms and biases lose their decay whatever a model calls them, and nothing else does."""

import pytest
import torch
from torch import nn

import lit_optim
from lit_optim import ConfigError


class LlamaRMSNorm(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n))


class NormedLinear(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3, 3))


class PreNorm(nn.Module):
    """A wrapper that only has 'norm' in its name."""

    def __init__(self, inner):
        super().__init__()
        self.fn = inner


class Zoo(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_f = nn.LayerNorm(4)
        self.bn = nn.BatchNorm2d(3)
        self.gn = nn.GroupNorm(1, 3)
        self.inorm = nn.InstanceNorm1d(3, affine=True)
        self.rms = nn.RMSNorm(4)
        self.llama = LlamaRMSNorm(4)
        self.matrix_norm = nn.LayerNorm((2, 3))
        self.proj = PreNorm(nn.Linear(3, 3))
        self.normed = NormedLinear()
        self.conv = nn.Conv2d(3, 3, 1)
        self.lstm = nn.LSTM(3, 3)
        self.attention = nn.MultiheadAttention(4, 2, add_bias_kv=True)
        self.table = nn.Embedding(5, 4)
        self.bilinear = nn.Bilinear(2, 2, 2)
        self.relative_position_bias_table = nn.Parameter(torch.zeros(4, 4))
        self.cls_token = nn.Parameter(torch.zeros(1, 1, 4))
        self.scale = nn.Parameter(torch.ones(4))
        self.frozen = nn.Linear(2, 2).requires_grad_(False)


DECAYED = {
    "proj.fn.weight", "normed.weight", "conv.weight", "lstm.weight_ih_l0", "lstm.weight_hh_l0", "attention.in_proj_weight",
    "attention.out_proj.weight", "table.weight", "bilinear.weight", "relative_position_bias_table", "cls_token", "scale",
}  # fmt: skip


def test_no_decay_by_type_of_module():
    zoo = Zoo()
    names = {parameter: name for name, parameter in zoo.named_parameters()}
    optimizer = lit_optim.build_optimizer("adamw", zoo, param_groups="no_decay", weight_decay=0.3)
    groups = {group["name"]: group for group in optimizer.param_groups}
    assert {names[p] for p in groups["default"]["params"]} == DECAYED
    assert groups["default"]["weight_decay"] == 0.3
    assert groups["no_decay"]["weight_decay"] == 0.0
    every = [p for group in optimizer.param_groups for p in group["params"]]
    assert len(every) == len(set(every)) == len([p for p in zoo.parameters() if p.requires_grad])


class Declares(nn.Module):
    def __init__(self):
        super().__init__()
        self.token, self.layer = nn.Parameter(torch.ones(2)), nn.Linear(2, 2)


def test_a_declaration_may_be_one_name_and_its_failure_is_no_other_meaning():
    def fails(self):
        raise TypeError("no such table")

    for declared in ("token", lambda self: "token", property(lambda self: ["token"])):
        cls = type("One", (Declares,), {"no_weight_decay": declared})
        groups = lit_optim.build_optimizer("adamw", cls(), param_groups="no_decay").param_groups
        assert [len(group["params"]) for group in groups] == [1, 2]
    other = type("Other", (Declares,), {"no_weight_decay": lambda self, name: ["token"]})
    groups = lit_optim.build_optimizer("adamw", other(), param_groups="no_decay").param_groups
    assert [len(group["params"]) for group in groups] == [2, 1]
    failing = type("Fails", (Declares,), {"no_weight_decay": fails})()
    with pytest.raises(TypeError, match="no such table"):
        lit_optim.build_optimizer("adamw", failing, param_groups="no_decay")


def test_a_tied_parameter_is_in_one_group():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    rules = {"rules": {"b": {"match": {"type": "bias"}, "weight_decay": 0.0}}}
    groups = lit_optim.build_optimizer("adamw", net, param_groups=rules).param_groups
    assert [len(group["params"]) for group in groups] == [1, 2]


def test_the_later_rule_wins_key_by_key_and_the_rest_inherits():
    rules = [
        {"match": {"type": "norm"}, "lr": 1.0, "weight_decay": 0.5, "name": "norms"},
        {"match": {"type": ["norm", "bias"]}, "lr": 2.0},
    ]
    net = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2))
    groups = lit_optim.build_optimizer("sgd", net, param_groups=rules, lr=3.0).param_groups
    assert [(g["name"], g["lr"], g["weight_decay"], len(g["params"])) for g in groups] == [
        ("default", 3.0, 0.0, 1),
        ("group2/norms", 2.0, 0.5, 2),
        ("group2", 2.0, 0.0, 1),
    ]


def test_a_rule_without_options_gives_its_parameters_a_group_and_a_name():
    rules = [{"match": {"type": "bias"}, "name": "biases"}, {"match": {"type": ["norm", "bias"]}, "weight_decay": 0.0}]
    net = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2))
    groups = lit_optim.build_optimizer("adamw", net, param_groups=rules).param_groups
    assert [(g["name"], g["weight_decay"], len(g["params"])) for g in groups] == [
        ("default", 0.01, 1),
        ("biases/group2", 0.0, 2),
        ("group2", 0.0, 1),
    ]


def test_a_model_without_norms_and_biases_has_one_group():
    optimizer = lit_optim.build_optimizer("adamw", nn.Linear(2, 2, bias=False), param_groups="no_decay")
    assert len(optimizer.param_groups) == 1


def test_no_decay_needs_no_decay_to_begin_with():
    assert len(lit_optim.build_optimizer("rprop", nn.Linear(2, 2), param_groups="no_decay").param_groups) == 1
    with pytest.raises(ConfigError, match=r"param_groups.rules\[0\].weight_decay=0.1: Rprop has no 'weight_decay'"):
        lit_optim.build_optimizer(
            "rprop", nn.Linear(2, 2), param_groups=[{"match": {"type": "bias"}, "weight_decay": 0.1}]
        )


BAD = [
    ("no_dcay", "param_groups='no_dcay': no preset of that name; did you mean 'no_decay'?"),
    ({"rule": []}, "param_groups.rule=[]: no such key; did you mean 'rules'?"),
    ({"rules": "norm"}, "param_groups.rules='norm': expects rules by name"),
    ([3], "param_groups.rules[0]=3: a rule is a mapping"),
    ([{"weight_decay": 0}], "param_groups.rules[0].match: missing; write e.g. {type:"),
    ([{"match": {"type": "nrm"}}], "param_groups.rules[0].match.type='nrm': no such type; did you mean 'norm'?"),
    ([{"match": {"name": "x"}}], "param_groups.rules[0].match.name='x': matches no parameter; there are e.g. weight"),
    ([{"match": {"type": "norm"}, "name": "default"}], "param_groups.rules[0].name='default': a name that another"),
    ([{"match": {"type": "norm"}, "wieght_decay": 0.1}], "param_groups.rules[0].wieght_decay=0.1: AdamW has no"),
    (
        [{"match": {"type": "norm"}, "weight_decay": "abc"}],
        "param_groups.rules[0].weight_decay='abc': AdamW expects float",
    ),
]


@pytest.mark.parametrize(("rules", "message"), BAD)
def test_wrong_rules_are_rejected(rules, message):
    with pytest.raises(ConfigError) as caught:
        lit_optim.build_optimizer("adamw", nn.Linear(2, 2), param_groups=rules)
    assert message in str(caught.value)


def test_rules_need_the_module():
    with pytest.raises(ConfigError, match="rules need the module"):
        lit_optim.build_optimizer("adamw", nn.Linear(2, 2).parameters(), param_groups="no_decay")


def test_groups_and_named_parameters_are_taken_as_they_are():
    net = nn.Linear(2, 2)
    optimizer = lit_optim.build_optimizer("sgd", [{"params": [net.weight], "lr": 5.0}, {"params": net.bias}], lr=1.0)
    assert [group["lr"] for group in optimizer.param_groups] == [5.0, 1.0]
    optimizer = lit_optim.build_optimizer("sgd", net.named_parameters())
    assert len(optimizer.param_groups[0]["params"]) == 2
    optimizer = lit_optim.build_optimizer("sgd", dict(net.named_parameters()))
    assert len(optimizer.param_groups[0]["params"]) == 2
    for nothing in ([], torch.zeros(2), 3, ["abc"], [{"lr": 1}], [net.weight, {"params": [net.bias]}]):
        with pytest.raises(ConfigError, match="params"):
            lit_optim.build_optimizer("sgd", nothing)
