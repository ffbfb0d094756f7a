"""The command itself: verbs, help, terminals, pipes, and what each verb imports."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lit_optim
from lit_optim.cli import rendering
from lit_optim.cli.main import VERBS, main
from lit_optim.cli.rendering import Code, Heading, Table, aligned, text_lines

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "lit_optim"]
HEAVY = ("torch", "lightning", "hydra", "omegaconf", "numpy", "rich", "matplotlib")


def run(*arguments, **environment):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run([*COMMAND, *arguments], env=environment, capture_output=True, text=True, check=False)


def on_a_terminal(*arguments, columns=80, **environment):
    """What a terminal of some width gets to see."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": str(columns), **environment}  # fmt: skip
    ours, theirs = pty.openpty()
    with subprocess.Popen([*COMMAND, *arguments], env=environment, stdout=theirs, stderr=theirs, stdin=theirs):
        os.close(theirs)
        parts = []
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # Linux's end of file
                break
            if not part:
                break
            parts.append(part)
    os.close(ours)
    return b"".join(parts).decode().replace("\r\n", "\n")


IMPORTS = [
    (["--help"], set()),
    (["--version"], set()),
    (["list"], set()),
    (["list", "--json"], set()),
    (["list", "--help"], set()),
    (["info", "--help"], set()),
    pytest.param(["info", "adamw"], {"torch", "omegaconf", "numpy"}, marks=pytest.mark.slow),
    pytest.param(["info", "warmup_cosine", "--json"], {"torch", "omegaconf", "numpy"}, marks=pytest.mark.slow),
    (["info", "no_decay"], {"torch", "omegaconf", "numpy"}),
    pytest.param(
        ["info", "schedule_report"],
        {"torch", "omegaconf", "numpy", "lightning", "rich", "matplotlib", "hydra"},
        marks=pytest.mark.slow,
    ),
]


@pytest.mark.parametrize(("arguments", "allowed"), IMPORTS)
def test_what_a_verb_imports(arguments, allowed):
    code = (
        "import contextlib, io, sys\nfrom lit_optim.cli.main import main\n"
        f"with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit): main({arguments})\n"
        f"print(*sorted({{*{HEAVY}}} & {{*sys.modules}}))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= allowed


def test_the_entry_point_is_main():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert '[project.scripts]\nlit-optim = "lit_optim.cli.main:main"\n' in text


def test_help_and_version(capsys):
    for arguments, words in ((["--help"], VERBS), (["--version"], [lit_optim.__version__])):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 0
        out = capsys.readouterr().out
        assert all(word in out for word in words)
    for verb in VERBS:
        with pytest.raises(SystemExit):
            main([verb, "--help"])
        out = capsys.readouterr().out
        assert "examples:\n  lit-optim " in out
        assert "--json" in out


WRONG = [
    (["lsit"], "did you mean 'list'?"),
    (["inof", "adamw"], "did you mean 'info'?"),
    (["prevue"], "did you mean 'preview'?"),
    ([], "required: VERB"),
    (["list", "--jsno"], "unrecognized arguments: --jsno"),
    (["list", "--group", "optimizr"], "invalid choice: 'optimizr'"),
    (["info"], "required: NAME"),
    (["--jsno", "list"], "unrecognized arguments: --jsno"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG)
def test_wrong_words_exit_2(arguments, words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err


VERBS_RUN = [("list",), *(pytest.param(verb, marks=pytest.mark.slow) for verb in [("info", "adamw"), ("doctor",)])]


@pytest.mark.parametrize("arguments", VERBS_RUN, ids=lambda a: a[0])
def test_a_pipe_gets_plain_text(arguments):
    done = run(*arguments, COLUMNS="40", FORCE_COLOR="1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii(), "no box drawing"
    assert "\x1b" not in done.stdout
    assert not any(line.endswith(" ") for line in done.stdout.splitlines())


@pytest.mark.parametrize("arguments", VERBS_RUN, ids=lambda a: a[0])
def test_a_terminal_gets_lines_that_fit(arguments):
    text = on_a_terminal(*arguments)
    assert "\x1b[1m" in text, "headings are bold"
    lines = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
    assert max(len(line.rstrip()) for line in lines) <= 80


def test_a_narrow_terminal_gets_lists_in_place_of_tables_that_do_not_fit():
    table = rendering.Table(["curve", "min", "max"], [["lr/default", "0.001", "0.1"], ["lr/" + "x" * 40, "", "0.1"]])
    lines = list(rendering.text_lines([table], 40))
    assert lines[:3] == ["lr/default", "    min: 0.001", "    max: 0.1"]
    assert lines[3:] == ["lr/" + "x" * 37, "xxx", "    max: 0.1"]
    assert next(iter(rendering.text_lines([table]))).split() == ["curve", "min", "max"]


@pytest.mark.slow
def test_no_color_is_respected():
    text = on_a_terminal("info", "adamw", columns=150, NO_COLOR="1")
    assert "\x1b" not in text
    assert "─" in text


def test_json_is_the_same_on_a_terminal():
    assert json.loads(on_a_terminal("list", "adamw", "--json")) == json.loads(run("list", "adamw", "--json").stdout)


def test_a_closed_pipe_is_no_error():
    command = f"{sys.executable} -m lit_optim list | head -n 1; echo ${{PIPESTATUS[0]}}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.startswith("name")
    read, write = os.pipe()
    os.close(read)  # a pipe without a reader
    done = subprocess.run([*COMMAND, "list", "--json"], env=environment, stdout=write, stderr=subprocess.PIPE, text=True, check=False)  # fmt: skip
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_without_rich_a_terminal_gets_plain_text_that_fits(monkeypatch, capsys):
    monkeypatch.setattr(rendering, "find_spec", lambda name: None)
    monkeypatch.setattr(rendering, "on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "70")
    assert main(["info", "lbfgs"]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    code = out.partition("Python")[2]
    assert max(map(len, out.removesuffix(code).splitlines())) <= 70


ROWS = [["lr", "float", "how fast the weights move"], ["betas", "", ""]]
WIDTHS = [
    (None, ["lr     float  how fast the weights move", "betas"]),
    (80, ["lr     float  how fast the weights move", "betas"]),
    (39, ["lr     float  how fast the weights move", "betas"]),
    (30, ["lr     float", "    how fast the weights move", "betas"]),
    (11, ["lr", "float", "    how", "    fast", "    the", "    weights", "    move", "betas"]),
]


@pytest.mark.parametrize(("width", "lines"), WIDTHS)
def test_aligned(width, lines):
    assert list(aligned(ROWS, width)) == lines


def test_a_last_column_with_room_is_broken_in_its_place():
    lines = list(aligned([["a", "x" * 30 + " " + "y" * 30]], width=40))
    assert lines == ["a  " + "x" * 30, "   " + "y" * 30]


def test_code_is_never_broken():
    assert list(text_lines([Heading("one two"), Code("x" * 90)], width=5)) == ["one", "two", "  " + "x" * 90]
    assert list(text_lines([Table((), [["a", "b"]])])) == ["a  b"]
