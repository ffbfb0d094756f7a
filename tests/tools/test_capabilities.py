"""The capability table is what the probes find, in the headers, in the shipped file and in docs/optimizers.md."""

import json
from pathlib import Path

import pytest
import torch

from capabilities.columns import QUICK, SLOW, measure
from capabilities.page import markdown
from capabilities.probes.needs import PROBES
from capabilities.subject import Subject
from capabilities.verdict import NO, WRONG, YES, verdict
from conftest import OPTIMIZERS, STEPPED, TESTED, UNTESTED, preset_names
from lit_optim.cli.main import main
from lit_optim.config.capabilities import WORDS, Measured, capabilities, capability_table

ROOT = Path(__file__).resolve().parents[2]
STORED = json.loads((ROOT / "lit_optim" / "config" / "capabilities.json").read_text(encoding="utf-8"))
AGAIN = "the table is out of date: make capabilities"


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.__name__)
@pytest.mark.parametrize("name", STEPPED)
def test_the_needs_in_the_header_are_what_is_found_by_taking_them_away(name, probe):
    assert probe(Subject(name)) == getattr(capabilities(name), probe.__name__)


def test_every_need_is_probed_but_those_that_cannot_be_here():
    assert {probe.__name__ for probe in PROBES} == {*WORDS.values()} - {"gpu", "argument"}
    assert {name for name in preset_names("optimizer") if capabilities(name).argument} == {"any"}
    assert {name for name in preset_names("optimizer") if capabilities(name).gpu} < {*UNTESTED}


def test_every_tested_preset_is_measured_and_nothing_else():
    assert [*STORED] == sorted(TESTED), AGAIN
    assert all({*QUICK, *SLOW} == {*row} for row in STORED.values()), AGAIN
    assert {name for name, entry in capability_table().items() if entry.measured is not None} == {*TESTED}


@pytest.mark.parametrize("name", STEPPED)
def test_quick_columns(name):
    torch.manual_seed(1)  # the probes seed for themselves
    assert measure(name, QUICK) == {column: STORED[name][column] for column in QUICK}, AGAIN


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_slow_columns(name):
    assert measure(name, SLOW) == {column: STORED[name][column] for column in SLOW}, AGAIN


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_only_random_numbers_may_cost_the_exact_resume(name):
    assert STORED[name]["resumes"] != capabilities(name).random


def test_the_page_shows_it():
    assert markdown(capability_table()) in (ROOT / "docs" / "optimizers.md").read_text(encoding="utf-8"), AGAIN


def test_info_shows_it(capsys):
    assert main(["info", "adam", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["presets"]
    assert found["measured"] == STORED["adam"]
    assert main(["info", "adam"]) == 0
    assert "sparse no, complex yes, bf16 yes, fused yes" in " ".join(capsys.readouterr().out.split())
    assert main(["info", "adam8bit", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["presets"][0]["measured"] is None


HAND_COMPUTED = {  # copies of the weights in float32, 4 bytes each
    "sgd": 0.0,
    "momentum": 4.0,
    "adamw": 8.0,  # two averages
    "amsgrad": 12.0,  # and the largest second one
    "lbfgs": 88.0,  # the gradient before, the direction, and a full history of ten pairs
    "lion": 4.0,
    "adan": 16.0,  # three averages and the gradient before
    "soap": 24.0,  # two averages, two preconditioners, two bases of a square matrix
}


@pytest.mark.parametrize(("name", "expected"), HAND_COMPUTED.items())
def test_state_bytes_are_those_that_the_algorithm_needs(name, expected):
    assert STORED[name]["state_bytes"] == expected


KNOWN = [  # documented by torch, or measured by others before
    ("sparse_adam", "sparse", "only"), ("sgd", "sparse", YES), ("adagrad", "sparse", YES), ("adam", "sparse", NO),
    ("adafactor", "complex", NO), ("adam", "complex", YES), ("muon", "complex", NO),
    ("adafactor", "fsdp2", NO), ("rprop", "fsdp2", NO), ("lbfgs", "fsdp2", NO), ("sgd", "fsdp2", YES), ("muon", "fsdp2", YES),
    ("adam", "fused", YES), ("sgd", "fused", YES), ("adagrad", "fused", YES), ("nadam", "fused", NO),
    ("sgd", "bf16", YES),  # fused is wrong there, and not chosen
]  # fmt: skip


@pytest.mark.parametrize(("name", "column", "expected"), KNOWN)
def test_what_was_known_before(name, column, expected):
    assert STORED[name][column] == expected


def test_verdicts():
    way = torch.tensor([1.0, -2.0])
    assert verdict(lambda: way + 0.01, lambda: way, 0.1) == YES
    assert verdict(lambda: way + 0.3, lambda: way, 0.1) == WRONG
    assert verdict(lambda: way * float("nan"), lambda: way, 0.1) == WRONG
    assert verdict(lambda: 1 / 0, lambda: way, 0.1) == NO


def test_the_measured_columns_are_those_of_the_probes():
    assert {*Measured.__dataclass_fields__} == {*QUICK, *SLOW}
