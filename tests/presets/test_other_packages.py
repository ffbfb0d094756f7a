"""Presets that target other packages: form, extras, the line that installs them, `any`."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest
import torch

import lit_optim
from conftest import OPTIMIZERS, TESTED, UNTESTED, preset_names
from lit_optim import ConfigError
from lit_optim.cli.main import main
from lit_optim.config.read import presets
from lit_optim.config.read.preset_header import header
from lit_optim.imports import ELSEWHERE, EXTRAS, KNOWN, pip_line

PYPROJECT = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8")
TORCH_AND_US = {"torch", "lit_optim", "any"}
NOT_HERE = {"bitsandbytes", "distributed_shampoo", "timm", "torchao"}  # need a GPU, or torchvision


def package(name):
    return header("optimizer", name).package


def test_only_presets_of_packages_that_cannot_be_here_are_untested():
    assert {package(name) for name in UNTESTED} == NOT_HERE
    assert NOT_HERE.isdisjoint(package(name) for name in OPTIMIZERS)
    assert {*preset_names("optimizer")} == {*TESTED, *UNTESTED, "any"}


def test_every_package_has_a_line_that_installs_it_and_may_be_named_by_a_checkpoint():
    targeted = {package(name) for name in preset_names("optimizer")} - TORCH_AND_US
    assert targeted == {*EXTRAS, *ELSEWHERE}
    assert targeted <= KNOWN


@pytest.mark.parametrize(("module", "extra"), EXTRAS.items())
def test_extras_bring_the_packages(module, extra):
    brought = re.search(rf"^{extra} = \[(.*)\]", PYPROJECT, re.MULTILINE)[1]
    assert module.replace("_", "-") in re.findall(r'"([\w-]+)', brought)


def test_development_tests_the_zoo():
    assert re.search(r'^test = \[\n  "lit-optim\[[\w,]*\bzoo\b', PYPROJECT, re.MULTILINE)
    assert all(importlib.util.find_spec(name) for name, extra in EXTRAS.items() if extra == "zoo")


@pytest.mark.parametrize("name", preset_names("optimizer"))
def test_a_package_that_is_not_installed_is_answered_with_the_line_to_type(name, monkeypatch):
    target = presets.load_preset("optimizer", name)["_target_"]
    if package(name) in TORCH_AND_US:
        assert pip_line(package(name)) == ""
        return
    monkeypatch.setitem(sys.modules, package(name), None)  # as if it were not there
    for module in [module for module in sys.modules if module.startswith(f"{package(name)}.")]:
        monkeypatch.delitem(sys.modules, module)
    with pytest.raises(ConfigError) as caught:
        lit_optim.validate({"optimizer": name})
    line = pip_line(package(name))
    assert line.startswith("pip install '")
    assert str(caught.value) == f"optimizer._target_={target}: there is no package {package(name)!r}; {line}"


@pytest.mark.parametrize("name", UNTESTED)
def test_an_untested_preset_says_so_and_explains_its_keys(name, capsys):
    assert header("optimizer", name).untested.startswith("here")
    assert main(["info", name]) == 0
    out = capsys.readouterr().out
    assert "untested" in out
    assert all(key in out for key in presets.load_preset("optimizer", name) if not key.startswith("_"))


def test_any_takes_a_class_of_the_users():
    typed = ["optimizer=any", "optimizer._target_=torch.optim.SGD", "+optimizer.lr=0.25"]
    optimizer = lit_optim.build_optimizer(lit_optim.compose(typed).optimizer, torch.nn.Linear(2, 1))
    assert type(optimizer) is torch.optim.SGD
    assert optimizer.defaults["lr"] == 0.25
    with pytest.raises(ConfigError, match="optimizer.lrr=1: SGD has no argument 'lrr'; did you mean 'lr'"):
        lit_optim.validate(lit_optim.compose([*typed[:2], "+optimizer.lrr=1"]))


@pytest.mark.parametrize(
    "cfg",
    [
        {"optimizer": "any"},
        {"optimizer": {"_target_": "any", "lr": 0.1}},
        lit_optim.compose(["optimizer=any"]),
        lit_optim.compose(["optimizer=any", "+optimizer.lr=0.1"]),
    ],
    ids=["name", "mapping", "Hydra", "Hydra with a key"],
)
def test_any_without_a_class_says_what_to_write(cfg):
    with pytest.raises(ConfigError) as caught:
        lit_optim.validate(cfg)
    assert str(caught.value) == "optimizer._target_: missing; write e.g. optimizer._target_=package.Class"


def test_a_value_that_is_still_missing_is_named_where_it_is_mounted():
    from omegaconf import OmegaConf

    cfg = OmegaConf.create({"model": {"optimizer": {"_target_": "torch.optim.SGD", "lr": "???"}}})
    with pytest.raises(ConfigError) as caught:
        lit_optim.build_optimizer(cfg.model.optimizer, torch.nn.Linear(2, 1))
    assert "optimizer.lr: missing; give it a value" in str(caught.value)


REFUSED = [
    ("lion", {"lr": -1.0}, "optimizer.lr=-1.0: must be at least 0"),
    ("lion", {"lr": "abc"}, "optimizer.lr='abc': Lion expects float | Tensor, got str"),
    ("lion", {"weght_decay": 1}, "Lion takes any keyword, but does not read 'weght_decay'; did you mean 'weight_decay'?"),
    ("lars", {"nestrov": True}, "LARS takes any keyword, but does not read 'nestrov'; did you mean 'nesterov'?"),
    ("adan", {"betas": [0.9, 0.9, 7]}, "optimizer.betas=7.0: must lie between 0 and 1"),
    ("prodigy", {"d0": 0}, "optimizer.d0=0.0: must be at least 1e-30"),
    ("came", {"clip_threshold": 0}, "optimizer.clip_threshold=0.0: must be at least 1e-30"),
    ("schedule_free_adamw", {"betas": [0.9, 7]}, "optimizer.betas=7.0: must lie between 0 and 1"),
    ("schedule_free_adamw", {"warmup_steps": -5}, "optimizer.warmup_steps=-5: must be at least 0"),
    ("schedule_free_sgd", {"momentun": 0.9}, "SGDScheduleFree has no argument 'momentun'; did you mean 'momentum'?"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "changes", "message"), REFUSED, ids=[f"{n} {c}" for n, c, _ in REFUSED])
def test_wrong_values_are_refused_as_torchs_are(name, changes, message):
    with pytest.raises(ConfigError) as caught:
        lit_optim.validate({"optimizer": {"_target_": name, **changes}})
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["prodigy", "dadapt_adam"])
def test_an_lr_of_a_groups_own_is_refused_where_it_would_be_ignored(name):
    rules = {"rules": [{"name": "norms", "match": {"type": ["norm"]}, "lr": 0.5}]}
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.LayerNorm(2))
    with pytest.raises(ConfigError, match="has one lr for all groups; let no group have an lr of its own"):
        lit_optim.build_optimizer(name, model, param_groups=rules)
    assert len(lit_optim.build_optimizer(name, model, param_groups="no_decay", weight_decay=0.1).param_groups) == 2
