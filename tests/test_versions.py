"""Which versions are supported, and what is said of a preset that the installed ones lack."""

import json
import re
from pathlib import Path

import pytest
import torch

import lit_optim
from _support.by_version import NO_WEIGHT_AVERAGING
from conftest import LACKING
from lit_optim import versions
from lit_optim.cli.environment import hydra_findings
from lit_optim.cli.main import main
from lit_optim.config.capabilities import capabilities
from lit_optim.lightning_api import is_weight_averaging

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
CORE = {"hydra-core", "lightning", "omegaconf", "torch", "torchmetrics"}


def constraints(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    return dict(re.match(r"([\w-]+)(.*)", line).groups() for line in text.splitlines() if line[:1].isalpha())


def floors():
    block = re.search(r"^dependencies = \[\n(.*?)^\]", PYPROJECT, re.MULTILINE | re.DOTALL)[1]
    return dict(re.findall(r'"([\w-]+)>=([\d.]+)', block))


def test_the_lower_bounds_are_what_the_oldest_environment_has():
    oldest = constraints("constraints-oldest.txt")
    assert {*floors()} == CORE
    for package, floor in floors().items():
        pinned = oldest[package].removeprefix("==")
        assert versions.release(pinned) == (*versions.release(floor), 0, 0)[:3], package


def test_the_newest_environment_has_a_say_on_the_same_packages():
    assert {*constraints("constraints-newest.txt")} == {*CORE, "pytorch-lightning"}


def test_the_readme_says_the_same():
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    for package, floor in floors().items():
        assert re.search(rf"\b{package} {re.escape(floor)}\b", readme), package
    newest = constraints("constraints-newest.txt")
    for package in ("torch", "lightning"):
        assert f"{package} {floors()[package]} to {newest[package].strip('=.*')}" in readme
    minors = re.findall(r":: Python :: (3\.\d+)", PYPROJECT)
    assert f'requires-python = ">={minors[0]}"' in PYPROJECT
    assert f"Python {minors[0]} to {minors[-1]}" in readme
    assert re.findall(r"^\.venv-\w+/\.installed: minor := (.*)", (ROOT / "Makefile").read_text(), re.MULTILINE) == [
        minors[0],
        minors[-1],
    ]


def test_versions_are_compared_by_their_numbers(monkeypatch):
    monkeypatch.setattr(versions, "installed", lambda package: "2.10.0+cu128")
    assert not versions.older("torch", "2.9")
    assert not versions.older("torch", "2.10")
    assert versions.older("torch", "2.11")
    assert versions.missing_version("torch 2.9") == versions.missing_version("2-D parameters") == ""


@pytest.fixture
def old(monkeypatch):
    """As if torch 2.6 were installed."""
    monkeypatch.setattr(versions, "installed", lambda package: "2.6.0+cpu")
    monkeypatch.setattr("lit_optim.cli.list.installed", versions.installed)


NEEDS = "the preset 'muon' (torch.optim.Muon) needs torch 2.9 or newer, and torch 2.6.0+cpu is installed; pip install 'torch>=2.9', or choose another preset"


@pytest.mark.parametrize("spec", ["muon", {"_target_": "muon", "lr": 0.1}, "torch.optim.Muon"])
def test_a_preset_that_the_installed_version_lacks_is_rejected_with_what_to_do(spec, old):
    with pytest.raises(lit_optim.ConfigError) as error:
        lit_optim.build_optimizer(spec, [torch.zeros(2, 2, requires_grad=True)])
    assert str(error.value) == f"optimizer: {NEEDS}"
    with pytest.raises(lit_optim.ConfigError) as error:
        lit_optim.validate({"optimizer": spec, "scheduler": "no_such"})
    assert f"optimizer: {NEEDS}" in error.value.problems


def test_it_is_listed_as_needing_the_version(old, capsys):
    assert main(["list", "muon"]) == 0
    assert "2-D parameters, torch 2.9 (installed: 2.6.0+cpu)" in capsys.readouterr().out
    assert main(["list", "muon", "--json"]) == 0
    found = next(found for found in json.loads(capsys.readouterr().out)["presets"] if found["name"] == "muon")
    assert found["needs"] == ["2-D parameters", "torch 2.9"]
    assert main(["info", "muon", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["presets"]
    assert found["needs"] == ["2-D parameters", "torch 2.9"]
    assert found["missing"] == f"optimizer: {NEEDS}"
    assert main(["doctor", "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert [(f["severity"], f["problem"], f["remedy"]) for f in findings if f["key"] == "optimizer/muon"] == [
        ("note", "needs torch 2.9 or newer, and torch 2.6.0+cpu is installed", "pip install 'torch>=2.9'")
    ]


def test_what_is_installed_is_listed_without_a_remark(capsys):
    assert main(["list", "--group", "optimizer"]) == 0
    assert capsys.readouterr().out.count("installed: ") == len(LACKING)
    assert capabilities("muon").versions == ("torch 2.9",)
    assert capabilities("adamw").versions == ()


def test_only_classes_that_the_oldest_torch_lacks_need_a_version():
    assert ("muon" in LACKING) == (not hasattr(torch.optim, "Muon"))


@pytest.mark.parametrize(
    ("version", "warned"), [("1.3.2", True), ("1.3.5", True), ("1.3.6", False), ("1.4.0.dev1", False), ("not installed", False)]
)  # fmt: skip
def test_the_doctor_warns_of_a_hydra_without_a_safe_blocklist(version, warned):
    found = hydra_findings({"hydra-core": version})
    assert [(f.severity, f.key) for f in found] == [("warning", f"hydra-core={version}")] * warned
    if warned:
        assert "pip install 'hydra-core>=1.3.6'" in found[0].remedy
        assert ("has no blocklist" in found[0].problem) == (version == "1.3.2")


def test_an_old_hydra_is_no_error(monkeypatch, capsys):
    found = {"hydra-core": "1.3.2", "torch": "2.6.0"}
    monkeypatch.setattr("lit_optim.cli.doctor.versions", lambda: found)
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"warning +hydra-core=1\.3\.2: .*blocklist", out)


def test_lightnings_averages_are_known_where_they_exist(monkeypatch):
    from lightning.pytorch import Callback, callbacks

    assert hasattr(callbacks, "WeightAveraging") != NO_WEIGHT_AVERAGING
    if not NO_WEIGHT_AVERAGING:
        assert is_weight_averaging(callbacks.EMAWeightAveraging())
        monkeypatch.delattr(callbacks, "WeightAveraging")  # as in Lightning 2.5
    assert not is_weight_averaging(Callback())
