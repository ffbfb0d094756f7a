"""The card: groups, memory, and what is tied, frozen, unmatched or without an optimizer."""

import json

import pytest
import torch
from torch import nn

from lit_optim.config.card_of_optimizers import card_of_optimizers
from lit_optim.config.resolve import resolve_specs
from lit_optim.param_groups.card import short_number
from lit_optim.param_groups.make_card import make_card


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(10, 4)
        self.stem = nn.Linear(4, 4)
        self.norm = nn.LayerNorm(4)
        self.head = nn.Linear(4, 10, bias=False)
        self.head.weight = self.words.weight


RULES = {
    "no_decay": {"match": {"type": ["norm", "bias"]}, "weight_decay": 0.0},
    "words": {"match": {"module": "words"}, "lr": "x10", "schedule": "constant"},
}


def card(net, rules=None, strict="error", **specs):
    given = {"optimizer": {"_target_": "adamw", "lr": 0.1, "weight_decay": 0.5}, **specs}
    resolved = resolve_specs({**given, "param_groups": {"rules": rules or {}, "unmatched_rule": strict}})
    return card_of_optimizers(resolved.parts, net, resolved.build_optimizers(net))


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_rows_by_hand(device):
    with torch.device(device):
        net = Net()
    found = card(net, RULES, scheduler="warmup_cosine")
    assert [tuple(vars(row).values()) for row in found.groups] == [
        ("default", (), 1, 16, 0.1, 0.5, "AdamW", 2 * 4 * 16 + 4, "warmup + cosine"),
        ("no_decay", ("no_decay",), 3, 12, 0.1, 0.0, "AdamW", 2 * 4 * 12 + 3 * 4, "warmup + cosine"),
        ("words", ("words",), 1, 40, 1.0, 0.5, "AdamW", 2 * 4 * 40 + 4, "constant"),
    ]
    assert (found.weight_bytes, found.gradient_bytes, found.state_bytes) == (4 * 68, 4 * 68, 8 * 68 + 5 * 4)


def test_tied_and_frozen_parameters_are_named():
    net = Net()
    net.norm.bias.requires_grad_(False)
    found = card(net, {"stem": {"match": {"module": "stem"}, "freeze": True}})
    assert [(p.name, p.tied) for p in found.tied] == [("words.weight", ("head.weight",))]
    frozen = {p.name: p.frozen for p in found.frozen}
    assert frozen == {"stem.weight": "stem", "stem.bias": "stem", "norm.bias": "requires_grad=False"}
    assert found.gradient_bytes == 4 * (40 + 4)
    assert found.weight_bytes == 4 * 68
    assert found.not_taken == []


def test_a_later_rule_that_trains_again_wins():
    rules = {
        "stem": {"match": {"module": "stem"}, "freeze": True},
        "bias": {"match": {"name": "stem.bias"}, "freeze": False},
    }
    assert {p.name: p.frozen for p in card(Net(), rules).frozen} == {"stem.weight": "stem"}


def test_a_rule_that_may_match_nothing_is_named_where_it_does():
    found = card(
        Net(), {"convs": {"match": {"type": "conv"}, "lr": 1.0}, "norms": {"match": {"type": "norm"}, "lr": 1.0}}
    )
    assert found.unmatched == ("param_groups.rules.convs.match: no parameter is of this kind: {'type': 'conv'}",)


def test_unmatched_patterns_are_named_once():
    with pytest.warns(UserWarning, match="hesd"):
        found = card(Net(), {"head": {"match": {"module": ["hesd", "stem"]}, "lr": 1.0}}, strict="warn")
    assert len(found.unmatched) == 1
    assert found.unmatched[0].startswith("param_groups.rules.head.match.module='hesd': matches no parameter")


def test_what_no_optimizer_takes_and_several_optimizers():
    net = Net()
    one = torch.optim.SGD([{"params": net.stem.parameters(), "name": "body"}], lr=0.1, momentum=0.9)
    two = torch.optim.AdamW([net.words.weight], lr=torch.tensor(0.25))
    found = make_card(net, {"a": one, "b": two})
    rows = [(row.group, row.optimizer, row.lr, row.state_bytes) for row in found.groups]
    assert rows == [("a/body", "SGD", 0.1, 80), ("b/default", "AdamW", 0.25, 8 * 40 + 4)]
    assert [p.name for p in found.not_taken] == ["norm.weight", "norm.bias"]


class Parts(torch.optim.Optimizer):
    """An optimizer that is made of others, as a composite is."""

    def __init__(self, **parts):
        self.parts = parts
        super().__init__([group for part in parts.values() for group in part.param_groups], {})


def test_parts_count_by_their_own_classes():
    net = Net()
    sgd = torch.optim.SGD([{"params": net.stem.parameters(), "name": "sgd"}], lr=0.1)
    adam = torch.optim.AdamW([{"params": [net.words.weight], "name": "adamw/words"}])
    found = make_card(net, {"": Parts(sgd=sgd, adamw=adam)})
    rows = [(row.group, row.optimizer, row.state_bytes) for row in found.groups]
    assert rows == [("sgd", "SGD", 0), ("adamw/words", "AdamW", 8 * 40 + 4)]


def test_lazy_parameters_have_no_size_yet():
    net = nn.Sequential(nn.Linear(2, 3), nn.LazyLinear(4))
    found = make_card(net, {"": torch.optim.AdamW(net.parameters())})
    assert [p.name for p in found.lazy] == ["1.weight", "1.bias"]
    assert [(row.tensors, row.parameters, row.state_bytes) for row in found.groups] == [(4, 9, 8 * 9 + 2 * 4)]


def test_the_lr_is_the_initial_one_of_a_schedule():
    net = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.01)
    assert make_card(net, {"": optimizer}).groups[0].lr == 0.5


def test_rows_of_the_csv_and_plain_containers():
    found = card(Net(), {**RULES, "stem": {"match": {"name": "stem.weight"}, "freeze": True}}, scheduler="cosine")
    assert [list(row) for row in found.rows()] == [
        ["parameter", "group", "rules", "shape", "lr", "weight_decay", "optimizer", "schedule", "frozen", "tied"],
        ["words.weight", "words", "words", "10x4", 1.0, 0.5, "AdamW", "constant", "", "head.weight"],
        ["stem.weight", "", "", "4x4", "", "", "", "", "stem", ""],
        ["stem.bias", "no_decay", "no_decay", "4", 0.1, 0.0, "AdamW", "cosine", "", ""],
        ["norm.weight", "no_decay", "no_decay", "4", 0.1, 0.0, "AdamW", "cosine", "", ""],
        ["norm.bias", "no_decay", "no_decay", "4", 0.1, 0.0, "AdamW", "cosine", "", ""],
    ]
    assert json.loads(json.dumps(found.as_plain()))["parameters"][1]["frozen"] == "stem"


def test_summary_fits_a_line():
    found = card(Net(), {**RULES, "stem": {"match": {"name": "stem.weight"}, "freeze": True}})
    assert found.summary() == (
        "param groups: no_decay 12 lr 0.1 wd 0 AdamW; words 40 lr 1 wd 0.5 AdamW; frozen 1 tensor; state 432 B"
    )
    net = nn.Sequential(*(nn.Linear(2, 2) for _ in range(30)))
    rules = {f"layer{i}": {"match": {"module": str(i)}, "lr": 0.01 * (i + 1)} for i in range(30)}
    text = card(net, rules).summary()
    assert len(text) <= 160
    assert text.endswith("; 27 more groups; state 1.68 kB")


NUMBERS = [(0, "0"), (999, "999"), (999.6, "1k"), (1234, "1.23k"), (6.74e9, "6.74B"), (7e12, "7T"), (None, "unknown")]


@pytest.mark.parametrize(("number", "text"), NUMBERS)
def test_short_number(number, text):
    assert short_number(number) == text
