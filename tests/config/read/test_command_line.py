"""Words of a command line: which combinations and which values they are."""

import pytest

from lit_optim.config.read.command_line import at_commas, choices

LABELS = [
    (["scheduler=wsd"], [""]),
    (["scheduler=warmup_cosine,wsd,one_cycle"], ["warmup_cosine", "wsd", "one_cycle"]),
    (["scheduler=wsd,step", "optimizer.lr=0.1,0.01"], ["wsd, optimizer.lr=0.1", "wsd, optimizer.lr=0.01", "step, optimizer.lr=0.1", "step, optimizer.lr=0.01"]),
    (["optimizer=sgd,adamw", "optimizer.lr=1"], ["sgd", "adamw"]),
    (["+scheduler.main={a:1,b:[2,3]}"], [""]),
]  # fmt: skip


@pytest.mark.parametrize(("words", "labels"), LABELS)
def test_combinations(words, labels):
    assert [choice.label for choice in choices(words)] == labels


VALUES = [
    ("optimizer.lr=1e-3", {"optimizer": {"lr": 0.001}}),
    ("scheduler.warmup=5%", {"scheduler": {"warmup": "5%"}}),
    ("scheduler.warmup={steps:2ep,shape:linear}", {"scheduler": {"warmup": {"steps": "2ep", "shape": "linear"}}}),
    ("scheduler.drive.betas[0].values=[0.9,0.8]", {"scheduler": {"drive": {"betas[0]": {"values": [0.9, 0.8]}}}}),
    ("scheduler.drive=null", {"scheduler": {"drive": None}}),
]


@pytest.mark.parametrize(("word", "overrides"), VALUES)
def test_values_are_read_as_yaml(word, overrides):
    [choice] = choices([word])
    assert choice.overrides == overrides


def test_commas_inside_of_brackets_and_quotes_part_nothing():
    assert at_commas("[1,2],{a: 1, b: 2},'c,d',e") == ["[1,2]", "{a: 1, b: 2}", "'c,d'", "e"]
