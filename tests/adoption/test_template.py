"""A project of the shape that most Lightning-and-Hydra projects have, before and after it adopts lit-optim."""

import re
import shutil
from pathlib import Path

import hydra
import pytest
import torch

from _support.app_process import run

TEMPLATE = Path(__file__).parent / "template"
MODEL, MODULE = "configs/model/regression.yaml", "src/models/regression.py"
BEFORE, MOUNTED, TOP_LEVEL = "before", "mounted at model", "groups at the top"


def replace(file, pattern, by):
    text, found = re.subn(pattern, by, file.read_text(), flags=re.DOTALL)
    assert found == 1, (file, pattern)
    file.write_text(text)


def use_the_mixin(project):
    replace(project / MODULE, r"(class RegressionModule\()", r"\1lit_optim.ConfigureOptimizersMixin, ")
    replace(project / MODULE, r"(from lightning import LightningModule\n)", r"\1\nimport lit_optim\n")
    replace(project / MODULE, r"\n    def configure_optimizers.*", "")


def say_what_is_wrong(project):
    """Not needed to train: messages with the whole key, exit code 2, no traceback."""
    replace(project / "src/train.py", r"import lightning as L\n", "import lightning as L\n\nimport lit_optim\n")
    replace(project / "src/train.py", r"@hydra.main\(", "@lit_optim.hydra_main(")
    replace(project / "src/train.py", r"def main\(cfg\):\n", "def main(cfg):\n    lit_optim.validate(cfg)\n")


def mount(project):
    groups = "defaults:\n  - /optimizer@optimizer: adamw\n  - /scheduler@scheduler: warmup_cosine\n  - _self_\n\n"
    replace(project / MODEL, r"optimizer:.*(?=net:)", "")
    replace(project / MODEL, r"^", groups)


def put_on_top(project):
    replace(project / MODEL, r"optimizer:.*(?=net:)", "optimizer: ${optimizer}\nscheduler: ${scheduler}\n\n")
    for app in ("train", "eval"):
        groups = "  - optimizer: adamw\n  - scheduler: warmup_cosine\n"
        replace(project / f"configs/{app}.yaml", r"(  - model: regression\n)", r"\1" + groups)


@pytest.fixture(scope="module")
def projects(tmp_path_factory):
    made = {}
    for name, change in ((BEFORE, None), (MOUNTED, mount), (TOP_LEVEL, put_on_top)):
        made[name] = shutil.copytree(TEMPLATE, tmp_path_factory.mktemp("project") / "project")
        if change:
            change(made[name])
            use_the_mixin(made[name])
            say_what_is_wrong(made[name])
            choice = "/optimizer@model.optimizer" if change is mount else "/optimizer"
            (made[name] / "configs/experiment/sgd.yaml").write_text(
                f"# @package _global_\ndefaults:\n  - override /model: regression\n  - override {choice}: sgd\n"
            )
    return made


def call(project, folder, *arguments, app="train"):
    return run(project / f"src/{app}.py", project, folder, *arguments)


RUNS = [  # two epochs of four batches
    (BEFORE, "test=false", "8 steps with Adam lr=0.001"),
    (MOUNTED, "", "8 steps with AdamW lr=0.001"),
    (MOUNTED, "optimizer@model.optimizer=sgd", "8 steps with SGD lr=0.01"),
    (MOUNTED, "optimizer@model.optimizer=nadam scheduler@model.scheduler=warmup_plateau", "8 steps with NAdam lr=0.002"),
    (MOUNTED, "model.optimizer=sgd", "8 steps with SGD lr=0.01"),
    (MOUNTED, "model.optimizer=sgd model.scheduler=constant", "8 steps with SGD lr=0.01"),
    (MOUNTED, "model.optimizer.lr=0.5", "8 steps with AdamW lr=0.5"),
    (MOUNTED, "experiment=sgd", "8 steps with SGD lr=0.01"),
    (MOUNTED, "experiment=wide debug=default", "4 steps with AdamW lr=0.001"),
    (MOUNTED, "experiment=sgd debug=limit", "6 steps with SGD lr=0.01"),
    (MOUNTED, "debug=fdr", "1 steps with AdamW lr=0.001"),
    (MOUNTED, "debug=profiler", "4 steps with AdamW lr=0.001"),
    (TOP_LEVEL, "experiment=wide debug=overfit", "6 steps with AdamW lr=0.001"),
    (MOUNTED, "logger=csv model.scheduler.warmup.steps=2", "8 steps with AdamW lr=0.001"),
    (TOP_LEVEL, "", "8 steps with AdamW lr=0.001"),
    (TOP_LEVEL, "optimizer=sgd", "8 steps with SGD lr=0.01"),
    (TOP_LEVEL, "optimizer=nadam scheduler=warmup_plateau", "8 steps with NAdam lr=0.002"),
    (TOP_LEVEL, "experiment=sgd", "8 steps with SGD lr=0.01"),
    (TOP_LEVEL, "model.optimizer=sgd", "8 steps with SGD lr=0.01"),
    (TOP_LEVEL, "optimizer.lr=0.5 scheduler.warmup.steps=50%", "8 steps with AdamW lr=0.5"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "trained"), RUNS, ids=str)
def test_trains_and_tests_the_best_checkpoint(projects, tmp_path, name, arguments, trained):
    if name == BEFORE and not hydra.__version__.startswith("1.3."):
        pytest.skip("without lit-optim, Lightning drops Hydra 1.4's partials from hparams: they cannot be pickled")
    outcome = call(projects[name], tmp_path, *arguments.split())
    assert outcome.code == 0, outcome.err
    assert f"trained {trained}" in outcome.out
    best = [] if "test=false" in arguments else sorted(str(path) for path in tmp_path.rglob("epoch=*.ckpt"))
    assert re.findall("^tested the weights of (.*)$", outcome.out, re.MULTILINE) == best  # debug configs save none


WRONG = [
    (MOUNTED, "model.optimizer=sdg", "model.optimizer='sdg': no preset of that name; did you mean 'sgd'?"),
    (MOUNTED, "+model.optimizer.lrr=1", "model.optimizer.lrr=1: AdamW has no argument 'lrr'; did you mean 'lr'?"),
    (MOUNTED, "model.optimizer.lr=abc", "model.optimizer.lr='abc': AdamW expects float | Tensor, got str"),
    (MOUNTED, "model.scheduler.warmup=1.5", "model.scheduler.warmup=1.5: neither a share below 1"),
    (MOUNTED, "model.optimizer._target_=torch.optim.RMSprop", "model.optimizer.betas=[0.9, 0.999]: RMSprop has no argument 'betas'"),
    (MOUNTED, "optimizer=sgd", "optimizer=sgd: the app's defaults list has no such entry; did you mean optimizer@model.optimizer=sgd?"),
    (MOUNTED, "optimizer@model.optimizer=sdg", "optimizer=sdg: the group has no such name; did you mean 'sgd'?"),
    (MOUNTED, "model.optimizer.lrr=1", "model.optimizer.lrr=1: no such key; did you mean 'lr'?"),
    (TOP_LEVEL, "optimizer=sdg", "optimizer=sdg: the group has no such name; did you mean 'sgd'?"),
    (TOP_LEVEL, "experiment=sdg", "experiment=sdg: the group has no such name; did you mean 'sgd'?"),
    (TOP_LEVEL, "+optimizer.lrr=1", "optimizer.lrr=1: AdamW has no argument 'lrr'; did you mean 'lr'?"),
    (TOP_LEVEL, "model.optimizer=sdg", "model.optimizer='sdg': no preset of that name; did you mean 'sgd'?"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "argument", "message"), WRONG, ids=str)
def test_wrong_configurations_train_nothing(projects, tmp_path, name, argument, message):
    outcome = call(projects[name], tmp_path, argument)
    assert outcome.code == 2, outcome.err
    assert message in outcome.err
    assert "Traceback" not in outcome.err
    assert "trained" not in outcome.out
    assert not list(tmp_path.rglob("*.ckpt"))


def test_a_sweep_over_experiments(projects, tmp_path):
    outcome = call(projects[MOUNTED], tmp_path, "-m", "experiment=sgd,wide", "debug=limit")
    assert outcome.code == 0, outcome.err
    assert re.findall(r"trained 6 steps with (\w+)", outcome.out) == ["SGD", "AdamW"]


def changed_files(project):
    files = [file.relative_to(TEMPLATE) for file in TEMPLATE.rglob("*.*") if "__pycache__" not in file.parts]
    return {file.as_posix() for file in files if (TEMPLATE / file).read_bytes() != (project / file).read_bytes()}


def test_the_edits_are_those_of_the_documentation(projects):
    """The mixin, the model's config; and, to have its own messages or groups at the top, a few lines of the app."""
    assert changed_files(projects[BEFORE]) == set()
    assert changed_files(projects[MOUNTED]) == {MODULE, MODEL, "src/train.py"}
    assert changed_files(projects[TOP_LEVEL]) == {
        MODULE,
        MODEL,
        "src/train.py",
        "configs/train.yaml",
        "configs/eval.yaml",
    }


@pytest.mark.parametrize(("name", "choice"), [(MOUNTED, "optimizer@model.optimizer"), (TOP_LEVEL, "optimizer")])
def test_a_sweep(projects, tmp_path, name, choice):
    outcome = call(projects[name], tmp_path, "-m", f"{choice}=adamw,nadam,sgd")
    assert outcome.code == 0, outcome.err
    found = re.findall(r"trained 8 steps with (\w+) lr=(\S+)", outcome.out)
    assert found == [("AdamW", "0.001"), ("NAdam", "0.002"), ("SGD", "0.01")]


@pytest.mark.parametrize("name", [MOUNTED, TOP_LEVEL])
def test_checkpoints_load_safely_evaluate_and_resume(projects, tmp_path, name):
    choice = "optimizer@model.optimizer=nadam" if name == MOUNTED else "optimizer=nadam"  # its betas come as a list
    assert (
        call(
            projects[name],
            tmp_path,
            choice,
            "test=false",
            "scheduler.warmup.steps=2" if name == TOP_LEVEL else "model.scheduler.warmup.steps=2",
        ).code
        == 0
    )
    path = next(tmp_path.rglob("last.ckpt"))
    saved = torch.load(path, weights_only=True)
    assert saved["hyper_parameters"]["optimizer"]["_target_"] == "torch.optim.NAdam"
    evaluated = call(projects[name], tmp_path, f"ckpt_path='{path}'", app="eval")
    assert evaluated.code == 0, evaluated.err
    assert "tested: " in evaluated.out
    (tmp_path / "resumed").mkdir()
    resumed = call(projects[name], tmp_path / "resumed", choice, f"ckpt_path='{path}'", "trainer.max_epochs=3")
    assert resumed.code == 0, resumed.err
    assert "trained 12 steps with NAdam lr=0.002" in resumed.out
    loaded = call(projects[name], tmp_path, f"+path='{path}'", app="load")
    assert loaded.code == 0, loaded.err
    assert "NAdam" in loaded.out
