"""``lit-optim doctor``: what it finds, what it lets pass, and with which exit code."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lit_optim.cli import doctor as verb
from lit_optim.cli.environment import (
    extra_findings,
    plugin_findings,
    preset_findings,
    requirement_findings,
)
from lit_optim.cli.main import main
from lit_optim.config.pitfalls import Finding

ROOT = Path(__file__).resolve().parents[2]
APP = ("--config-dir", str(ROOT / "examples" / "conf"), "--config-name", "train")
CYCLE = (
    "scheduler._target_=torch.optim.lr_scheduler.OneCycleLR",
    "~scheduler.warmup",
    "~scheduler.main",
    "~scheduler.cooldown",
)
ONE_CYCLE = (*CYCLE, "+scheduler.max_lr=0.1")


def doctor(capsys, *arguments):
    code = main(["doctor", *arguments, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] == (code == 0)
    about_config = [
        f for f in found["findings"] if f["check"] not in ("plugin", "extra", "preset", "requirement", "hydra")
    ]
    return code, [(f["severity"], f["key"]) for f in about_config]


TABLE = [
    ([], 0, []),
    (["optimizer=adamw", "scheduler=warmup_cosine"], 0, []),
    (["optimizer=adamw", "scheduler=warmup_cosine", "scheduler.warmup.steps=500", "trainer.max_steps=400"], 2, [("error", "scheduler.warmup.steps=500")]),
    (["scheduler=warmup_cosine", "scheduler.warmup.steps=500", "+trainer.max_steps=501"], 0, []),
    (["scheduler=warmup_cosine", "scheduler.warmup.steps=500", "total_steps=500"], 2, [("error", "scheduler.warmup.steps=500")]),
    (["scheduler=warmup_cosine", "scheduler.warmup.steps=2ep", "steps_per_epoch=10", "total_steps=20"], 2, [("error", "scheduler.warmup.steps=2ep")]),
    ([*ONE_CYCLE, "+scheduler.total_steps=1000", "trainer.max_epochs=10"], 2, [("error", "scheduler.total_steps=1000")]),
    ([*ONE_CYCLE, "+scheduler.total_steps=10", "trainer.max_epochs=10"], 0, []),
    ([*ONE_CYCLE, "+scheduler.total_steps=9", "+scheduler.interval=step", "optimizer=sgd"], 2, [("error", "scheduler.cycle_momentum=True")]),
    ([*ONE_CYCLE, "+scheduler.total_steps=9", "+scheduler.interval=step", "optimizer=momentum"], 0, []),
    (["scheduler=plateau"], 0, [("note", "scheduler.monitor=val/loss")]),
    (["scheduler=plateau", "--logged", "val/acc, val/loss"], 0, []),
    (["scheduler=plateau", "--logged", "val/acc"], 2, [("error", "scheduler.monitor=val/loss")]),
    (["scheduler=cosine", "+scheduler.main.min_lr=0.5"], 2, [("error", "scheduler.main.min_lr=0.5")]),
    (["optimizer=sgd", "scheduler=cosine", "trainer.strategy._target_=lightning.pytorch.strategies.DeepSpeedStrategy", "trainer.strategy.config.scheduler.type=WarmupLR"], 2, [("error", "trainer.strategy.config.scheduler")]),
    (["optimizer=sdg"], 2, [("error", "optimizer=sdg")]),
    (["optimizer.lrr=1"], 2, [("error", "optimizer.lrr=1")]),
    (["+optimizer.lrr=1", "optimizer.betas=[0.9]"], 2, [("error", "optimizer.lrr=1"), ("error", "optimizer.betas=[0.9]")]),
    (["optimizer=sgd", "optimizer.lr=${nowhere}"], 2, [("error", "optimizer.lr")]),
    (["model._target_=no_such_package.Net"], 2, [("error", "model._target_=no_such_package.Net")]),
    (["optimizr=adamw"], 2, [("error", "optimizr=adamw")]),
    (["trainr.max_steps=9"], 2, [("error", "trainr.max_steps=9")]),
    (["sedd=1"], 0, []),
    (["model._target_=os.system"], 2, [("error", "model._target_=os.system")]),
    ([*APP], 0, []),
    ([*APP, "scheduler=warmup_plateau"], 0, []),
    ([*APP, "scheduler=plateau", "scheduler.monitor=val_loss"], 2, [("error", "scheduler.monitor=val_loss")]),
    ([*APP, "model=lstm", "data=text", "scheduler=plateau", "scheduler.monitor=val/acc"], 2, [("error", "scheduler.monitor=val/acc")]),
    ([*APP, "model=lstm", "data=text", "scheduler=plateau", "scheduler.monitor=val/perplexity"], 0, []),
    ([*APP, "+trainer.max_steps=9", "scheduler.warmup.steps=9"], 2, [("error", "scheduler.warmup.steps=9")]),
    ([*APP, "scheduler.warmup.steps=10ep"], 2, [("error", "scheduler.warmup.steps=10ep")]),
    ([*APP, "optim_callbacks=schedule_report", "optim_callbacks.schedule_report.folder=${output_dir}/x"], 0, [("note", "model.optim_callbacks.schedule_report.folder"), ("note", "optim_callbacks.schedule_report.folder")]),
    (["--config-dir", str(ROOT / "examples" / "conf"), "--config-name", "tran"], 2, [("error", "--config-name tran")]),
    ([str(ROOT / "examples" / "train.py"), "optimizer=adamww"], 2, [("error", "optimizer=adamww")]),
    (["--config-dir", "/no/such/folder"], 2, [("error", "--config-dir /no/such/folder")]),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "code", "expected"), TABLE)
def test_configurations(arguments, code, expected, capsys):
    found = doctor(capsys, *arguments)
    assert (found[0], sorted(found[1])) == (code, sorted(expected))


MOUNTED = """
defaults:
  - /optimizer@model.optimizer: sgd
  - /scheduler@model.scheduler: warmup_plateau
  - _self_
model:
  _target_: own_module.Net
trainer:
  max_epochs: 5
"""
MODULE = """
import lightning as L
class Net(L.LightningModule):
    def validation_step(self, batch, batch_idx):
        self.log("valid/loss", 0.0)
"""


def test_specs_mounted_under_model_and_a_module_beside_the_config(capsys, tmp_path):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "main.yaml").write_text(MOUNTED)
    (tmp_path / "own_module.py").write_text(MODULE)
    app = ("--config-dir", str(tmp_path / "conf"), "--config-name", "main.yaml")
    before = list(sys.path)
    assert doctor(capsys, *app) == (2, [("error", "model.scheduler.monitor=val/loss")])
    right = (*app, "model.scheduler.monitor=valid/loss")
    assert doctor(capsys, *right) == (0, [])
    assert doctor(capsys, *right, "model.scheduler.warmup.steps=5ep") == (
        2,
        [("error", "model.scheduler.warmup.steps=5ep")],
    )
    assert doctor(capsys, *right, "+model.optimizer.lrr=1") == (2, [("error", "model.optimizer.lrr=1")])
    assert sys.path == before
    sys.modules.pop("own_module")


def test_a_config_name_needs_a_folder(capsys):
    assert main(["doctor", "--config-name", "train"]) == 2
    assert "give --config-dir too" in capsys.readouterr().err


def test_text_ends_with_the_verdict(capsys):
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Installed"
    assert lines[-1] == "no error found in the installation; give overrides to have them looked at"
    assert main(["doctor", "scheduler=cosine", "scheduler.warmup=100%"]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "1 error"
    assert any(re.match(r"error +scheduler\.warmup\.steps=100%: a warmup of 100 percent", line) for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["before", "behind"])
def test_a_regular_hydra_plugins_package_that_hides_ours(place, tmp_path):
    (tmp_path / "hydra_plugins").mkdir()
    (tmp_path / "hydra_plugins" / "__init__.py").touch()
    paths = [str(tmp_path), str(ROOT)] if place == "before" else [str(ROOT), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-m", "lit_optim", "doctor", "--json"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "")
    (finding,) = [f for f in json.loads(done.stdout)["findings"] if f["check"] == "plugin"]
    assert str(tmp_path / "hydra_plugins" / "__init__.py") in finding["problem"]
    assert "delete that __init__.py" in finding["remedy"]


def raising(error):
    def load(name):
        raise error

    return load


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ModuleNotFoundError("no", name="hydra_plugins.lit_optim"), "is not installed"),
        (ModuleNotFoundError("No module named 'hydra'", name="hydra"), "No module named 'hydra'"),
        (ImportError("cannot import name 'ConfigSearchPath'"), "cannot import name 'ConfigSearchPath'"),
        (RuntimeError("broken"), "RuntimeError: broken"),
    ],
)
def test_a_plugin_that_is_not_there_or_broken(error, words):
    (finding,) = plugin_findings(raising(error))
    assert (finding.severity, finding.key) == ("error", "hydra_plugins")
    assert words in finding.problem
    assert "pip install" in finding.remedy


def test_the_plugin_is_found_here():
    assert plugin_findings() == []


def test_extras():
    requires = ["torch>=2", 'not-there-a>=1; extra == "cli"', "not-there-b; extra == 'cli'", 'lit-optim[cli]; extra == "more"', 'pytest; extra == "plot"', 'not-there; extra == "dev"']  # fmt: skip
    (finding,) = extra_findings(requires)
    assert str(finding) == "cli: not-there-a, not-there-b is not installed; pip install 'lit-optim[cli]'"
    assert finding.severity == "note"


def test_requirements():
    found = requirement_findings(["torch>=99", "omegaconf>=2", "not-there<1", 'torch>=99; extra == "x"'])
    assert [(f.severity, f.remedy) for f in found] == [
        ("error", "pip install 'torch>=99'"),
        ("error", "pip install 'not-there<1'"),
    ]
    assert found[1].key == "not-there=not installed"
    assert requirement_findings() == []


def test_presets_of_packages_that_are_not_there():
    found = preset_findings({"optimizer/a": "torch.optim.SGD", "optimizer/b": "not_there.B", "param_groups/c": ""})
    assert [str(f) for f in found] == [
        "optimizer/b: needs the package 'not_there', which is not installed; lit-optim info optimizer/b"
    ]


def test_notes_are_counted_and_shown_on_request(monkeypatch, capsys):
    found = [Finding("extra", "note", "a", "missing", ""), Finding("hydra", "warning", "b", "old", "")]
    monkeypatch.setattr(verb, "environment_findings", lambda installed: [*found])
    assert main(["doctor", "optimizer=sdg"]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert "notes, shown by --notes: 1" in lines
    rows = lines[lines.index("Findings") + 1 :]
    assert [row.split()[:2] for row in rows[:2]] == [["error", "optimizer=sdg:"], ["warning", "b:"]]
    assert main(["doctor", "--notes"]) == 0
    assert "note     a: missing" in capsys.readouterr().out


def test_it_says_which_functions_of_the_users_it_calls(tmp_path, monkeypatch, capsys):
    (tmp_path / "lo_decay.py").write_text("def decay(step):\n    return 0.5 ** step")
    monkeypatch.syspath_prepend(str(tmp_path))
    own = "scheduler.main.function=lo_decay.decay"
    assert doctor(capsys, "scheduler=lambda", own) == (0, [("note", own)])
    assert doctor(capsys, "scheduler=lambda") == (0, [])
    assert main(["preview", "scheduler=lambda", own, "total_steps=4", "--out", "none"]) == 0
    assert f"note: {own}: your own function, called to draw it" in capsys.readouterr().out
