"""What `lit-optim compare` declares from a command line and an app, and what it rejects before the first run."""

import argparse
import hashlib
import os
import re
from pathlib import Path

import pytest

from _support.child_process import in_child
from lit_optim.cli import compare
from lit_optim.cli.compare import add_arguments
from lit_optim.cli.compare.app import read_app
from lit_optim.cli.compare.contenders import complete
from lit_optim.cli.compare.declare import check_contenders, declare
from lit_optim.errors import ConfigError
from lit_optim.run_folder import claim_folder
from lit_optim.study.plan import Job, as_json

SCRIPT = """
import hydra
raise RuntimeError("only read, never run")

@hydra.main(config_path="conf", config_name="train")
def main(cfg):
    pass
"""
CONFIG = """
defaults: [lit_optim, _self_]
seed: 7
monitor: val/acc
trainer: {max_epochs: 3}
"""


@pytest.fixture
def app(tmp_path, monkeypatch):
    """Write an app, and return a function that declares a comparison of it."""
    (tmp_path / "conf/optimizer").mkdir(parents=True)
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "conf/train.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)

    def declared(*words, check=True):
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        args = parser.parse_intermixed_args(["train.py", *words])
        found = read_app(args.overrides, args.seed_key)
        plan = declare(args, found, args.overrides)
        if check:
            check_contenders(plan, found)
        return plan, found

    return declared


def rewrite(config):
    Path("conf/train.yaml").write_text(config)


def overrides_of(plan, found, index=0, **values):
    contender = plan.contenders[index]
    return complete(Job(contender.name, "trial", 3, 5, values["values"]), found, contender, "/my runs/it's")


def test_a_declared_comparison(app):
    plan, found = app("optimizer=sgd,adamw", "trainer.max_epochs=1", "hydra/launcher=basic", "seed=3")
    assert [each.name for each in plan.contenders] == ["sgd", "adamw"]
    assert plan.contenders[1].space == "lr log 0.0001..0.01; weight_decay log 0.005..1; betas[0] 1-x log 0.02..0.5"
    assert "Dahl et al. 2023" in plan.contenders[1].source
    assert (plan.metric, plan.mode, plan.baseline) == ("val/acc", "max", "adamw")
    assert (plan.tier, plan.search, plan.budget, plan.studies) == ("default", "quasi-random", 15, 1)
    assert (plan.tuning_seed, plan.seeds) == (3, (4, 5, 6, 7, 8))
    assert plan.overrides == ("trainer.max_epochs=1", "hydra/launcher=basic")
    assert found.parallel == 1
    assert overrides_of(plan, found, 1, values={"lr": 0.01, "betas[0]": 0.95}) == (
        "trainer.max_epochs=1",
        "optimizer=adamw",
        "optim_callbacks=[record]",
        "optim_callbacks.record.stop_diverged=true",
        "optimizer.lr=0.01",
        "optimizer.betas=[0.95, 0.999]",
        "seed=5",
        r"optim_callbacks.record.folder='/my runs/it\'s/runs/adamw/trial-03/record'",
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ("", "max")),
        (["--test-metric", "test/loss"], ("min", "min")),  # the trials are selected by val/acc
        (["--test-metric", "test/score", "--test-mode", "max"], ("max", "max")),
        (["--metric", "score", "--mode", "min", "--test-metric", "score"], ("min", "min")),
    ],
)
def test_the_metric_of_the_final_runs_has_a_mode(words, expected, app):
    plan, _ = app("optimizer=sgd", *words, check=False)
    assert (plan.test_mode, plan.score_mode) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [(["--quick"], (5, 0, 1, "grid")), (["--paper"], (15, 10, 3, "quasi-random")),
     (["--budget", "4", "--seeds", "2", "--search", "grid"], (4, 2, 1, "grid"))],
)  # fmt: skip
def test_tiers(words, expected, app):
    plan, _ = app("optimizer=sgd", *words, check=False)
    assert (plan.budget, len(plan.seeds), plan.studies, plan.search) == expected
    assert plan.tuning_seed == 7
    assert 7 not in plan.seeds


def test_another_element_of_a_tuned_list_may_be_typed(app):
    plan, found = app("optimizer=adamw", "optimizer.betas.1=0.95")
    assert "optimizer.betas=[0.8, 0.95]" in overrides_of(plan, found, values={"betas[0]": 0.8})


def test_a_callback_goes_around_its_optimizer(app):
    plan, found = app("optimizer=swats,lookahead", "optim_callbacks=[ema]", check=False)
    swats, lookahead = plan.contenders
    assert swats.overrides[:2] == ("optimizer=adam", "optim_callbacks=[record,ema,swats]")
    assert lookahead.overrides[:2] == ("optimizer=momentum", "optim_callbacks=[record,ema,lookahead]")
    keys = ["optimizer.lr", "optimizer.betas[0]", "optim_callbacks.swats.switch_tol"]
    assert [each.partition(" ")[0] for each in swats.space.split("; ")] == keys
    words = overrides_of(plan, found, values=dict(zip(keys, (0.1, 0.8, 1e-5), strict=True)))
    assert {"optimizer.betas=[0.8, 0.999]", "optim_callbacks.swats.switch_tol=1e-5"} < {*words}
    again, _ = app("optimizer=swats", "optim_callbacks=[ema]", "--space", f"swats: {swats.space}", check=False)
    assert again.contenders[0].space == swats.space


@pytest.mark.parametrize("choice", ["ema", "[ema,finite]"])
def test_the_callbacks_of_the_app_stay(choice, app):
    rewrite(CONFIG.replace("[lit_optim,", f"[lit_optim, override optim_callbacks: {choice},"))
    if choice.startswith("["):
        rewrite("defaults: [optimizer: adam, optim_callbacks: [ema, finite], _self_]\nseed: 1\nmonitor: loss")
    plan, _ = app("optimizer=sgd")
    assert plan.contenders[0].overrides[1] == f"optim_callbacks=[record,{choice.strip('[]')}]"


def test_specs_below_model(app):
    groups = "optimizer@model.optimizer: adam, optim_callbacks@model.optim_callbacks: none"
    rewrite(f"defaults: [{groups}, _self_]\nmodel: {{seed: 2}}\nmonitor: loss")
    plan, found = app("optimizer=adamw", "--seed-key", "model.seed")
    assert plan.contenders[0].overrides[0] == "optimizer@model.optimizer=adamw"
    words = overrides_of(plan, found, values={"betas[0]": 0.5})
    assert words[3:5] == ("model.optimizer.betas=[0.5, 0.999]", "model.seed=5")
    assert words[5].startswith("model.optim_callbacks.record.folder=")
    assert plan.seeds == (3, 4, 5, 6, 7)


def test_a_preset_of_the_app(app):
    own = "# Mine.\n# search: lr log 1e-3..1; from us\n_target_: torch.optim.SGD\n_partial_: true\nlr: 0.1\n"
    Path("conf/optimizer/mine.yaml").write_text(own)
    plan, _ = app("optimizer=mine,timm/lamb", check=False)
    assert [(each.name, each.overrides[0]) for each in plan.contenders] == [
        ("mine", "optimizer=mine"), ("timm/lamb", "optimizer=timm/lamb"),
    ]  # fmt: skip
    assert (plan.contenders[0].space, plan.contenders[0].source) == ("lr log 0.001..1", "us")


def test_a_name_with_a_slash_is_the_one_typed_in_every_option(app):
    space = "timm/lamb: lr log 0.01..0.1"
    plan, found = app("optimizer=adamw,timm/lamb", "--baseline", "timm/lamb", "--space", space, check=False)
    assert (plan.baseline, plan.contenders[1].space) == ("timm/lamb", "lr log 0.01..0.1")
    record = overrides_of(plan, found, 1, values={"lr": 0.1})[-1]
    assert record.endswith("/runs/timm-lamb/trial-03/record'")
    Path("conf/optimizer/timm-lamb.yaml").write_text("# Mine.\n# search: lr log 1e-3..1\n_target_: torch.optim.SGD\n")
    with pytest.raises(
        ConfigError, match="optimizer=timm/lamb: its runs and those of timm-lamb would be in one folder"
    ):
        app("optimizer=timm/lamb,timm-lamb", check=False)


ANY = "optimizer=any: its preset declares no search space; write one, e.g. --space 'any: lr log 1e-4..1e-2'"
WRONG = [
    (["trainer.max_epochs=1"], "optimizer=: missing; write e.g. `lit-optim compare train.py optimizer=sgd,adamw`"),
    (["optimizer="], "optimizer=: empty; write the optimizers to compare, e.g. optimizer=sgd,adamw"),
    (["optimizer=sgd,adamww"], "optimizer=adamww: no preset of that name; did you mean 'adamw'?"),
    (["optimizer=sgd,sgd"], "optimizer=sgd: named twice"),
    (["optimizer=any,sgd"], ANY),
    (["optimizer=sgd", "--space", "adamw: lr log 1..2"], "--space 'adamw: lr log 1..2': names none of the optimizers"),
    (["optimizer=sgd", "--space", "sgd: lr log 2..1"], "--space sgd='lr log 2..1': 2 is not below 1"),
    (["optimizer=sgd", "--space", "sgd: lrr log 1..2"], "sgd: optimizer.lrr=1.425: no such key; did you mean 'lr'?"),
    (["optimizer=swats", "--space", "swats: optimizer=any; swats.switch_tol log 1e-9..1"], "needs `optimizer=NAME`"),
    (["optimizer=sgd", "trainer.max_epochs=1,2"], "or start a comparison for each of them"),
    (["optimizer=sgd", "optimizer.lr=0.1"], "optimizer.lr=0.1: is tuned for sgd; leave it out"),
    (["optimizer=sgd", "++optimizer.lr=0.1"], "++optimizer.lr=0.1: is tuned for sgd; leave it out"),
    (["optimizer=adamw", "optimizer.betas=[0.8,0.9]"], "optimizer.betas=[0.8,0.9]: is tuned for adamw; leave it out"),
    (["optimizer=adamw", "optimizer.betas.0=0.8"], "optimizer.betas.0=0.8: is tuned for adamw; leave it out"),
    (
        ["optimizer=sgd", "optim_callbacks.record.stop_after=9"],
        "optim_callbacks.record.stop_after=9: ends every run ea",
    ),
    (["optimizer=sgd", "recipe=cnn"], "recipe=cnn: sets the optimizer too; write its schedule and groups"),
    (["optimizer=sgd", "scheduler=warmup_cosine", "scheduler.warmup=-5"], "sgd: scheduler.warmup"),
    (["optimizer=sgd", "--seed-key", "sed"], "sed: no such key in train.yaml; did you mean 'seed'?"),
    (["optimizer=sgd,adam", "--baseline", "adamw"], "--baseline=adamw: none of the optimizers that are compared"),
    (["optimizer=sgd", "--budget", "0"], "--budget=0: must be at least 1 trial"),
    (["optimizer=sgd", "--seeds", "-1"], "--seeds=-1: must be at least 0"),
    (["optimizer=sgd", "--paper", "--budget", "16"], "--budget=16: must be a multiple of 3"),
    (["optimizer=sgd", "--paper", "--search", "grid"], "--search=grid: the studies of --paper differ"),
    (["optimizer=sgd", "--quick", "--seeds", "2"], "--seeds=2: --quick has no final runs"),
    (["optimizer=sgd", "--metric", "val/score"], "val/score: whether it is to fall or to rise is not known"),
    (["optimizer=sgd", "--test-metric", "test/score"], "is not known; write --test-mode min or --test-mode max"),
    (["optimizer=sgd", "--test-mode", "max"], "--test-mode='max': is of --test-metric, which is missing; write --mode"),
]


@pytest.mark.parametrize(("words", "message"), WRONG)
def test_what_is_wrong_on_the_command_line(words, message, app):
    with pytest.raises(ConfigError) as error:
        app(*words)
    assert any(message in problem for problem in error.value.problems)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            "seed: 1",
            "optim_callbacks: no such config group in train.yaml; add `- optim_callbacks: none` to its default",
        ),
        ("defaults: [lit_optim, _self_]", "seed: no such key in train.yaml; add it and seed everything with it"),
        ("defaults: [lit_optim, _self_]\nseed: 1", "--metric: the app names none"),
        (
            "defaults: [optimizer: sgd, optim_callbacks: [mine, ema], _self_]\nseed: 1",
            "where own is no preset of ours; write",
        ),
    ],
)
def test_what_an_app_lacks(config, message, app):
    Path("conf/optim_callbacks").mkdir()
    Path("conf/optim_callbacks/mine.yaml").write_text("own: {_target_: lit_optim.callbacks.Lookahead}")
    rewrite(config)
    with pytest.raises(ConfigError) as error:
        app("optimizer=sgd")
    assert any(message in problem for problem in error.value.problems)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "SCRIPT: not the script"),
        (["optimizer=sgd"], "optimizer=sgd: not the script"),
        (["no.py"], "cannot be read"),
    ],
)
def test_what_is_no_script(words, message):
    with pytest.raises(ConfigError, match=message):
        read_app(words, "seed")


def test_the_hash_of_the_config_is_that_of_its_files(app):
    rewrite(CONFIG + "width: 8\nstarted: ${now:%f}\n")
    (before, _), (again, _) = app("optimizer=sgd", "hydra/launcher=basic"), app("optimizer=adamw")
    assert before.config == again.config
    assert re.fullmatch("[0-9a-f]{64}", before.config)
    rewrite(CONFIG + "width: 16\nstarted: ${now:%f}\n")
    assert app("optimizer=sgd")[0].config != before.config


def test_the_hash_of_the_script_is_that_of_its_text(app):
    before, _ = app("optimizer=sgd")
    assert before.script_hash == hashlib.sha256(SCRIPT.encode()).hexdigest()
    Path("train.py").write_bytes(SCRIPT.replace("\n", "\r\n").encode())  # as git writes it on Windows
    assert app("optimizer=sgd")[0].script_hash == before.script_hash
    Path("train.py").write_text(SCRIPT + "x = 1\n")
    assert app("optimizer=sgd")[0].script_hash != before.script_hash


OWN_KEYS = ["optimizer.momentum=0.8", "optim_callbacks.record.diverged_above=1e6", "trainer.max_epochs=1"]


def test_keys_of_an_optimizer_and_of_the_record_are_not_words_without_one(app):
    spaces = ("--space", "momentum: lr log 1e-3..1", "--space", "nesterov: lr log 1e-3..1")
    plan, found = app("optimizer=momentum,nesterov", *OWN_KEYS, "hydra/launcher=basic", *spaces)
    assert found.own_overrides == ["trainer.max_epochs=1", "hydra/launcher=basic"]
    for index in (0, 1):
        words = overrides_of(plan, found, index, values={"lr": 0.1})
        assert [*words[:3]] == OWN_KEYS
        assert words[3].startswith("optimizer=")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("hydra._internal.core_plugins.basic_launcher.BasicLauncher", True),
        ("hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher", True),
        ("hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher", False),
    ],
)
def test_which_launcher_keeps_its_processes(target, expected, app):
    _, found = app("optimizer=sgd", "hydra/launcher=basic", f"hydra.launcher._target_={target}")
    assert found.starts_once == expected


def test_a_second_comparison_in_the_same_folder_removes_nothing(app, tmp_path):
    plan, _ = app("optimizer=adamw", check=False)
    folder, job = tmp_path / "compare", Job("adamw", "trial", 0, 7, {"lr": 0.01})
    (folder / job.folder).mkdir(parents=True)
    (folder / "plan.json").write_text(as_json(plan))
    (folder / job.folder / "job.json").write_text(as_json(job))  # of the first run, which goes on
    files = [folder / "plan.json", folder / job.folder / "job.json"]
    before = [file.read_bytes() for file in files]
    claim_folder(folder, "of the test")
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    args = parser.parse_intermixed_args(["train.py", "optimizer=sgd"])
    args.json = False
    _, _, failure = in_child(lambda _: compare.run(args))
    assert re.search(rf"ConfigError: --dir='{folder}': another run is writing there .process {os.getpid()} on", failure)
    assert [file.read_bytes() for file in files] == before
