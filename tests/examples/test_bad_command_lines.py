"""The table of bad command lines, run: one readable message, and nothing trained."""

import re
import subprocess
import sys

import pytest

from _support import bad_checkpoints
from _support.app_process import TRAIN, Outcome, train
from _support.bad_command_lines import AREAS, CONTRACT, REAL

LINES, WIDTH = 25, 800
HYDRA_LOGS = r".+/\.hydra/(config|hydra|overrides)\.yaml|logs/.+/multirun\.yaml|logs/.+/\.lit_optim\.lock"
LOGGERS_TOO = HYDRA_LOGS + r"|logs/.+/events\.out\.tfevents[^/]+|logs/.+/hparams\.yaml"  # they begin when a fit does
TABLE = [entry for area in AREAS for entry in area]
SLOW = [() if i % 3 == 0 else pytest.mark.slow for i in range(len(TABLE))]  # a second each: a third runs every time


def case(entry, marks=()):
    return pytest.param(*entry[:2], frozenset(entry[2:]), id=str(entry[0])[:80], marks=marks)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    (folder / "run").mkdir()
    assert train(folder / "run", *bad_checkpoints.SHORT).code == 0
    bad_checkpoints.make(folder, next((folder / "run").rglob("last.ckpt")))
    return folder


def words(typed, made):
    listed = typed.split(" ") if isinstance(typed, str) else typed
    return [word.replace("MADE/", f"{made}/") for word in listed]


def check(outcome, says, marks, folder):
    printed = outcome.err + outcome.out
    assert outcome.code == 2, printed
    assert says in outcome.err
    assert "Traceback" not in printed
    assert len(printed.splitlines()) <= LINES
    assert max(map(len, printed.splitlines())) <= WIDTH
    assert not re.search(r"^epoch |^val/", outcome.out, re.MULTILINE), "it trained"
    allowed = re.compile(LOGGERS_TOO if "late" in marks else HYDRA_LOGS)
    paths = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    assert [path for path in paths if path not in ("out.txt", "err.txt") and not allowed.fullmatch(path)] == []


def test_the_table_is_large_and_has_no_entry_twice():
    typed = [entry[0] for entry in TABLE]
    assert len(typed) >= 140
    assert len(set(typed)) == len(typed)
    assert len(set(typed) & REAL) == len(REAL) >= 10


@pytest.mark.parametrize(("typed", "says", "marks"), list(map(case, TABLE, SLOW)))
def test_ends_with_one_message(tmp_path, made, typed, says, marks):
    check(train(tmp_path, *words(typed, made)), says, marks, tmp_path)


@pytest.mark.parametrize(("typed", "line"), CONTRACT)
def test_the_messages_of_the_contract_to_the_letter(tmp_path, typed, line):
    assert train(tmp_path, typed).err.splitlines()[-1] == line


@pytest.mark.slow
@pytest.mark.parametrize(("typed", "says", "marks"), [case(entry) for entry in TABLE if entry[0] in REAL])
def test_as_a_real_process(tmp_path, made, typed, says, marks):
    command = [sys.executable, str(TRAIN), *words(typed, made)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    check(Outcome(done.returncode, done.stdout, done.stderr), says, marks, tmp_path)
