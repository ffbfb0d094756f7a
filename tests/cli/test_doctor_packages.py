"""``lit-optim doctor`` and the two packages of Lightning."""

import json

import pytest

from lit_optim.cli.environment import requirement_findings
from lit_optim.cli.main import main


@pytest.mark.parametrize(
    ("found", "wrong"),
    [({"lightning": "2.6"}, False), ({"pytorch-lightning": "2.6"}, False), ({"pytorch-lightning": "2.3"}, True), ({}, True)],
)  # fmt: skip
def test_one_of_them_will_do(found, wrong, monkeypatch):
    monkeypatch.setattr("lit_optim.cli.environment.installed", lambda name: found.get(name, ""))
    assert [f.remedy for f in requirement_findings(["lightning>=2.4"])] == ["pip install 'lightning>=2.4'"] * wrong


@pytest.mark.parametrize(
    ("trainer", "rejected"),
    [("pytorch_lightning.Trainer", True), ("lightning.pytorch.Trainer", False), ("lightning.Trainer", False), ("own.Trainer", False)],
)  # fmt: skip
def test_a_trainer_of_the_other_package_is_found(trainer, rejected, capsys):
    command = ["doctor", "model._target_=_support.net.Net", f"+trainer._target_={trainer}", "--json"]
    assert main(command) == 2 * rejected
    found = [f for f in json.loads(capsys.readouterr().out)["findings"] if f["check"] == "package"]
    assert [(f["key"], f["remedy"]) for f in found] == [
        (f"trainer._target_={trainer}", "write lightning.Trainer")
    ] * rejected
