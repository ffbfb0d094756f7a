"""The scripts that a user copies: each trains on little data, and ends in one message where a choice is wrong."""

import json
import re
import warnings
from pathlib import Path

import pytest

from _support.app_process import TRAIN, run
from execute_notebook import execute

EXAMPLES = TRAIN.parent
NOTEBOOK = EXAMPLES / "quickstart.ipynb"
FIT = ("fit", "--config", str(EXAMPLES / "conf" / "cli.yaml"), "--trainer.max_epochs", "1")
SLOW = pytest.mark.slow


def typed(folder, script, *words):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Lightning and torch, which are errors here
        return run(EXAMPLES / script, EXAMPLES, folder, *words)


@pytest.mark.parametrize(
    ("script", "words", "says"),
    [
        ("plain.py", ("--epochs", "1"), "val/acc: "),
        pytest.param("cli.py", FIT, "val/acc: ", marks=SLOW),
        ("finetune.py", ("--epochs", "1"), "5-9, layer_decay:  val/acc "),
        pytest.param("finetune.py", ("--epochs", "4", "--how", "unfreeze"), "5-9, unfreeze:  val/acc ", marks=SLOW),
        pytest.param("language_model.py", ("--steps", "20"), "it writes: 'The ", marks=SLOW),
    ],
)
def test_trains_and_prints_what_came_out(tmp_path, script, words, says):
    done = typed(tmp_path, script, *words)
    assert done.code == 0, done.err[-2000:]
    assert says in done.out
    assert len([*tmp_path.glob("logs/*/optim/schedule.csv")]) == 1
    assert len((EXAMPLES / script).read_text(encoding="utf-8").splitlines()) <= 120


@pytest.mark.parametrize(
    ("script", "words", "says"),
    [
        ("plain.py", ("--optimizer", "admw"), "did you mean 'adamw'?"),
        ("plain.py", ("--warmup", "120%"), "scheduler.warmup='120%'"),
        ("cli.py", (*FIT, "--model.optimizer", "admw"), "did you mean 'adamw'?"),
        ("finetune.py", ("--lr", "-1"), "optimizer.lr=-1.0"),
        ("finetune.py", ("--how", "magic"), "invalid choice: 'magic'"),
        ("language_model.py", ("--optimizer", "moun"), "did you mean 'muon'"),
    ],
)
def test_a_wrong_choice_is_one_message(tmp_path, script, words, says):
    done = typed(tmp_path, script, *words)
    assert done.code == 2, done.err[-2000:]
    assert says in done.err
    assert "Traceback" not in done.err
    assert "val/acc" not in done.out


def shape(text):
    """A text without its numbers."""
    return re.sub(r"[0-9][0-9.e+-]*", "0", text)


@pytest.mark.filterwarnings("ignore")  # of Lightning and torch
def test_the_notebook_prints_what_is_committed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    cells = notebook["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells)
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == [*range(1, len(code) + 1)]
    committed = ["".join(line for output in cell["outputs"] for line in output["text"]) for cell in code]
    assert [*map(shape, execute(cells))] == [*map(shape, committed)]
    assert not re.search(rf"{Path.home()}|/tmp|site-packages", "".join(committed))
