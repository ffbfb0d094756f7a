import importlib.util
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from lit_optim import ConfigError
from lit_optim.cli.optuna_space import suggest
from lit_optim.config.read.preset_header import header
from lit_optim.config.read.presets import preset_names
from lit_optim.study.search_space import parse_search_space

TRAIN = Path(__file__).resolve().parents[2] / "examples" / "train.py"


class Trial:
    """Keeps what is suggested, as Optuna's would."""

    def __init__(self, fixed=(), swept=()):
        self.user_attrs, self.params, self.asked = dict(fixed), dict(swept), {}

    def suggest_float(self, name, low, high, *, log):
        self.asked[name] = (low, high, log)

    def suggest_categorical(self, name, choices):
        self.asked[name] = choices


def asked(choices, fixed=(), swept=(), sources=()):
    trial = Trial(fixed, swept)
    runtime = {"choices": choices, "config_sources": [*sources]}
    suggest(OmegaConf.create({"hydra": {"runtime": runtime}}), trial)
    return trial.asked


def test_the_space_of_the_chosen_preset():
    found = asked({"scheduler": "cosine", "optimizer": "adamw"})
    betas = found.pop("optimizer.betas.0")
    assert found == {"optimizer.lr": (1e-4, 1e-2, True), "optimizer.weight_decay": (5e-3, 1.0, True)}
    assert (betas[0], betas[4], betas[-1]) == (0.98, 0.9, 0.5)


@pytest.mark.parametrize(
    ("choices", "fixed", "swept", "keys"),
    [
        ({"optimizer": "adamw"}, {"optimizer": "adamw", "optimizer.lr": "0.1"}, {}, ["weight_decay", "betas.0"]),
        ({"optimizer": "adamw"}, {"optimizer.betas": "[0.9,0.99]"}, {"optimizer.lr": 0.1}, ["weight_decay"]),
        ({"optimizer": "adamw"}, {"++optimizer.lr": "0.1"}, {"+optimizer.betas": "[0.9,0.99]"}, ["weight_decay"]),
        ({"optimizer@optimizer": "sgd"}, {}, {}, ["lr"]),
    ],
)
def test_what_the_command_line_says_is_not_searched(choices, fixed, swept, keys):
    assert [*asked(choices, fixed, swept)] == [f"optimizer.{key}" for key in keys]


def test_where_the_optimizer_is_mounted():
    assert [*asked({"optimizer@model.optimizer": "sgd"})] == ["model.optimizer.lr"]


@pytest.mark.parametrize("name", [name for name in preset_names("optimizer") if header("optimizer", name).search])
def test_every_key_of_every_space_is_suggested(name):
    dimensions = parse_search_space(header("optimizer", name).search).dimensions
    keys = ["optimizer." + each.key.replace("[", ".").replace("]", "") for each in dimensions]
    assert [*asked({"optimizer": name})] == keys


def test_a_preset_without_a_space():
    rule = "optimizer=any: its preset has no `# search:` line; sweep e.g. .optimizer.lr=interval"
    with pytest.raises(ConfigError, match=rule):
        asked({"optimizer": "any"})


def test_a_sweep_over_optimizers_is_none():
    rule = "optimizer=sgd: a study searches the space of one optimizer; to compare several: lit-optim compare"
    with pytest.raises(ConfigError, match=rule):
        asked({"optimizer": "adamw"}, {}, {"optimizer": "sgd"})


def test_a_preset_of_the_app(tmp_path):
    sources = [{"schema": "pkg", "path": "hydra.conf"}, {"schema": "file", "path": str(tmp_path)}]
    (tmp_path / "optimizer").mkdir()
    (tmp_path / "optimizer" / "mine.yaml").write_text("# Mine.\n# search: lr log 0.1..10\nlr: 1\n")
    (tmp_path / "optimizer" / "bare.yaml").write_text("# Without a space.\nlr: 1\n")
    assert asked({"optimizer": "mine"}, sources=sources) == {"optimizer.lr": (0.1, 10.0, True)}
    assert [*asked({"optimizer": "sgd"}, sources=sources)] == ["optimizer.lr"]
    with pytest.raises(ConfigError, match="optimizer=bare: its preset has no `# search:` line"):
        asked({"optimizer": "bare"}, sources=sources)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("optuna") is None, reason="hydra-optuna-sweeper is in the extra dev alone")
def test_a_study_goes_on_in_its_database(tmp_path):
    words = ["+hparams_search=optuna", "optimizer=adamw", "trainer.max_epochs=1", "hydra.sweeper.n_trials=1"]
    for trials in (1, 2):
        subprocess.run([sys.executable, str(TRAIN), "-m", *words], cwd=tmp_path, check=True, capture_output=True)
        with sqlite3.connect(tmp_path / "optuna.db") as database:
            assert database.execute("select count(*) from trials where state='COMPLETE'").fetchall() == [(trials,)]
            names = {name for (name,) in database.execute("select param_name from trial_params")}
            (study,) = database.execute("select study_name from studies").fetchone()
        database.close()
        assert names == {"optimizer.lr", "optimizer.weight_decay", "optimizer.betas.0"}
        assert "optimizer=adamw" in study  # another optimizer is another study
