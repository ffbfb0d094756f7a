"""The README is short, its examples do what it says of them, and the table of presets names what there is."""

import math
import re
import runpy
import shlex
import sys
import warnings
from types import SimpleNamespace

import lightning as L
import pytest
import torch

import lit_optim
from _support.pages import PAGES, ROOT, blocks, commands
from conftest import CONF, TESTED, UNTESTED, preset_names
from lit_optim.config.read.preset_header import header
from lit_optim.config.read.presets import SWEEP

README = (ROOT / "README.md").read_text(encoding="utf-8")
TABLE = (ROOT / "docs" / "optimizers.md").read_text(encoding="utf-8")
BEFORE, MODEL, HYDRA, CLI, PLAIN = (block.text for block in blocks(ROOT / "README.md") if block.language == "python")
(CONFIG,) = (block.text for block in blocks(ROOT / "README.md") if block.language == "yaml")


def row(group):
    return re.search(rf"^\| `{group}` \| (.*) \|$", TABLE, re.MULTILINE)[1]


def test_every_optimizer_is_in_the_table_and_nothing_else():
    lists = {"torch": [], "lit_optim": [], "compiled": []}
    for name in TESTED:
        kind = name.rpartition("/")[0] or header("optimizer", name).package
        lists.get(kind, []).append(name)
    assert [part.partition(": ")[2].split(", ") for part in row("optimizer").split("; ")] == [*lists.values()]
    ours = [name for names in lists.values() for name in names]
    others = re.search(
        r"^\| `optimizer` of other packages \| .*?: (.*); untested.*?: (.*); and `any` \|$", TABLE, re.MULTILINE
    )
    assert others[1].split(", ") == [name for name in TESTED if name not in ours]
    assert re.sub(r" \(.*?\)", "", others[2]).split(", ") == UNTESTED


def test_every_schedule_is_in_the_table():
    named = set(re.findall(r"\w+", row("scheduler").partition(" - and")[0]))
    assert named == {name.removeprefix("warmup_") for name in preset_names("scheduler")}


def test_groups_and_callbacks_are_in_the_table():
    table = TABLE[: TABLE.index("##")]
    for group in ("param_groups", "optim_callbacks", "resume"):
        assert all(name in row(group) for name in preset_names(group))
    groups = {folder.name for folder in CONF.iterdir() if folder.is_dir() and not folder.name.startswith(("_", SWEEP))}
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == groups


def test_it_is_short():
    assert len(README.splitlines()) <= 200
    assert len(README.split()) <= 1500


def test_it_counts_the_presets():
    groups = {folder.name for folder in CONF.iterdir() if folder.is_dir() and not folder.name.startswith(("_", SWEEP))}
    assert int(re.search(r"(\d+) commented presets", README)[1]) == sum(len(preset_names(group)) for group in groups)


class Body(torch.nn.Module):
    """A body, a norm and a head, with what the README's method asks its module for."""

    lr, trainer = 1e-3, SimpleNamespace(estimated_stepping_batches=600)

    def __init__(self):
        super().__init__()
        layers = {"body": torch.nn.Linear(4, 4), "norm": torch.nn.LayerNorm(4), "head": torch.nn.Linear(4, 1)}
        self.net = torch.nn.ModuleDict(layers)


def values(optimizer, scheduler, module):
    """The lr and the weight decay of each parameter at each of 600 steps."""
    group_of = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    found = []
    for _ in range(600):
        found.append([(group_of[id(p)]["lr"], group_of[id(p)]["weight_decay"]) for p in module.parameters()])
        optimizer.step()
        scheduler.step()
    return type(optimizer), torch.tensor(found)


def test_before_and_after_are_the_same_training():
    module, names = Body(), {"torch": torch, "math": math}
    exec(BEFORE, names)
    built = names["configure_optimizers"](module)
    kind, expected = values(built["optimizer"], built["lr_scheduler"]["scheduler"], module)
    (command,) = (words for words in commands(ROOT / "README.md") if "optimizer.weight_decay=0.05" in words)
    specs = lit_optim.specs(lit_optim.compose(command[2:]))
    optimizer = lit_optim.build_optimizer(specs["optimizer"], module, param_groups=specs["param_groups"])
    after, found = values(optimizer, lit_optim.build_scheduler(specs["scheduler"], optimizer, total_steps=600), module)
    assert after is kind
    torch.testing.assert_close(found, expected)


@pytest.fixture
def app(tmp_path, monkeypatch):
    """The files of the README's three ways in, in a folder; returns what runs one of them with arguments."""
    (tmp_path / "conf").mkdir()
    files = {"model.py": MODEL, "train.py": HYDRA, "app.py": CLI, "plain.py": PLAIN, "conf/train.yaml": CONFIG}
    for name, text in files.items():
        assert f"`{name}`" in README
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    fits = []
    fit = L.Trainer.fit

    def noted(trainer, *args, **kwargs):
        trainer.fit_loop.max_epochs = 1
        fit(trainer, *args, **kwargs)
        fits.append(trainer)

    monkeypatch.setattr(L.Trainer, "fit", noted)

    def run(name, *words):
        monkeypatch.setattr(sys, "argv", [name, *words])
        monkeypatch.delitem(sys.modules, "model", raising=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Lightning's advice on loaders and loggers
            runpy.run_path(name, run_name="__main__")
        (trainer,) = fits
        return trainer

    yield run
    sys.modules.pop("model", None)


def callbacks(trainer):
    return {type(callback).__name__ for callback in trainer.callbacks}


def test_hydra(app):
    trainer = app(
        "train.py", "optimizer=nadam", "param_groups=[no_decay,head_x10]", "optim_callbacks=ema", "resume=stretch"
    )
    assert type(trainer.optimizers[0]).__name__ == "NAdam"
    assert len(trainer.optimizers[0].param_groups) == 4
    assert "ExponentialMovingAverage" in callbacks(trainer)
    assert trainer.model.hparams.resume["schedule"] == "stretch"
    assert "cosine" in str(trainer.model.hparams.scheduler)


CLI_COMMANDS = {tuple(words[2:]) for page in PAGES for words in commands(page) if words[:2] == ["python", "app.py"]}


@pytest.mark.parametrize("words", sorted(CLI_COMMANDS), ids=shlex.join)
def test_lightning_cli(app, words):
    trainer = app("app.py", *words)
    assert [group["lr"] for group in trainer.optimizers[0].param_groups] != [1e-3]
    assert type(trainer.optimizers[0]).__name__ == "SGD"
    assert type(trainer.lr_scheduler_configs[0].scheduler) is lit_optim.ScheduleLR


def test_plain_python(app):
    trainer = app("plain.py")
    assert len(trainer.optimizers[0].param_groups) == 4
    assert "ExponentialMovingAverage" in callbacks(trainer)
    assert trainer.optimizers[0].defaults["lr"] == 3e-4
