"""What the verb makes of damaged folders, and of folders that do not belong together."""

import csv
import json

import pytest

from _support.fake_comparison import PLANTED, Fake, write_comparison
from lit_optim import ConfigError
from lit_optim.cli.main import main
from lit_optim.cli.report.read import read_study
from lit_optim.study.plan import PLAN


@pytest.fixture
def folder(tmp_path):
    return write_comparison(tmp_path / "c", (Fake("adam"), PLANTED))


def table(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def edited(file, **values):
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


@pytest.mark.parametrize(
    ("file", "values"),
    [
        ("seed-0/record/run.json", {"measured": None}),
        ("seed-0/record/run.json", {"steps": None}),
        ("seed-0/record/run.json", {"groups": 5}),
        ("seed-0/record/run.json", {"switches": [{}]}),
        ("seed-0/record/run.json", {"groups": [5]}),
        ("seed-0/record/run.json", {"measured": {"seconds": "abc"}}),
        ("seed-0/record/run.json", {"measured": {"step_seconds": 5}}),
        ("seed-0/record/run.json", {"switches": [{"step": "a"}]}),
        ("seed-0/record/run.json", {"versions": {"torch": 3}}),
        ("seed-0/record/run.json", {"git": {"commit": None}}),
        ("seed-0/record/run.json", {"outcome": 5}),
        ("seed-0/record/run.json", {"outcome": "done"}),
        ("seed-0/record/run.json", {"steps": True}),
        ("trial-00/job.json", {"values": {"lr": "x"}}),
        ("trial-00/job.json", {"values": {"lr": float("nan")}}),
        ("trial-00/job.json", {"values": {}}),
        ("trial-00/job.json", {"number": None}),
        ("trial-00/job.json", {"contender": "sgd"}),
        ("trial-00/job.json", {"kind": "x"}),
    ],
)
def test_a_value_of_a_wrong_type_is_damage(folder, file, values, capsys):
    edited(folder / "runs" / "adam" / file, **values)
    assert main(["report", str(folder)]) == 0
    assert f"left out: {folder}/runs/adam/{file}: damaged" in capsys.readouterr().out


@pytest.mark.parametrize("values", [{"mode": "up"}, {"budget": "x"}, {"seeds": "abc"}])
def test_a_plan_with_a_value_of_a_wrong_type(folder, values, capsys):
    edited(folder / PLAN, **values)
    assert main(["report", str(folder)]) == 2
    (name,) = values
    assert f"damaged (its {name!r} is " in capsys.readouterr().err


def damaged(value):
    """Yield a value with each nested one, and with itself, replaced by each wrong one in turn."""
    yield from (None, "x", -1.5, ["x"], {"x": 1})
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        for wrong in damaged(value[key]):
            copy = value.copy()
            copy[key] = wrong
            yield copy


@pytest.mark.parametrize(
    ("place", "declared"),
    [
        ("runs/adam/seed-0/record/run.json", True),
        ("runs/adam/seed-0/record/run.json", False),
        ("runs/adam/trial-00/job.json", True),
        (PLAN, True),
    ],
)
def test_any_value_of_any_wrong_type(tmp_path, monkeypatch, place, declared):
    """Whatever stands in a file, there is a report or a message; and a run is in the report, or named as left out."""
    monkeypatch.setattr("lit_optim.cli.report.page.write_picture", lambda *_: None)
    size = {"seeds": (101,), "budget": 1, "steps": 10, "validations": 1}
    folder = write_comparison(tmp_path / "c", (Fake("adam", diverges=(101,)), PLANTED), **size)
    words = [] if declared else ["--metric", "val/acc", "--mode", "max"]
    whole = json.loads((folder / place).read_text())
    if place.endswith("run.json"):
        unread = ("precision", "command", "parameters", "every_n_steps", "diverged_above", "resumed_at")
        whole = {key: value for key, value in whole.items() if key not in unread}
        whole["switches"] = [{"step": 3, "callback": "Swats", "from": "adam", "to": "sgd"}]
        whole["hydra"] = {"overrides": ["seed=1"]}
    if not declared:
        (folder / PLAN).unlink()
    for changed in damaged(whole):
        (folder / place).write_text(json.dumps(changed))
        try:
            problems = read_study(folder, *words[1::2]).problems
        except ConfigError:
            continue
        if any(str(folder / place) in problem for problem in problems):
            continue  # left out and named: the cases above
        assert main(["report", str(folder), *words]) in (0, 2), changed
        run = place.removesuffix("/record/run.json").removesuffix("/job.json")
        assert place == PLAN or run in (folder / "report" / "runs.csv").read_text() or run in str(problems), changed


def test_no_target(tmp_path, capsys):
    """No final run of the baseline: nothing is missed."""
    folder = write_comparison(tmp_path / "c", (Fake("adamw", all_trials_diverge=True), Fake("twin"), PLANTED))
    main(["report", str(folder)])
    assert "never" not in capsys.readouterr().out
    text = (folder / "report" / "report.md").read_text()
    assert "There is no target: no final run of adamw has logged a finite val/acc." in text


def test_folders_of_the_same_name(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for parent in ("a", "b"):
        write_comparison(tmp_path / parent / "c", (Fake("adam"), PLANTED))
    assert main(["report", "a/c", "b/c", "--out", "out"]) == 0
    assert {row["contender"] for row in table(tmp_path / "out" / "summary.csv")} == {
        f"{name} ({parent}/c)" for name in ("adam", "planted") for parent in "ab"
    }


def test_folders_that_cannot_be_joined(folder, tmp_path, capsys):
    assert main(["report", str(folder), str(folder), "--out", str(tmp_path / "out")]) == 2
    assert "named twice" in capsys.readouterr().err
    other = write_comparison(tmp_path / "long", (PLANTED,), overrides=("trainer.max_epochs=100",))
    assert main(["report", str(folder), str(other), "--out", str(tmp_path / "out")]) == 2
    assert "c: train.py trainer.max_epochs=10; long: train.py trainer.max_epochs=100" in capsys.readouterr().err


def test_a_place_where_nothing_can_be_written(folder, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["report", str(folder), "--out", str(tmp_path / "file")]) == 2
    assert "no folder can be made there" in capsys.readouterr().err


def test_no_p_without_a_ranking(tmp_path, capsys):
    folder = write_comparison(tmp_path / "c", (Fake("adam"), Fake("sgd", 0.75, missing=(105,))))
    main(["report", str(folder)])
    text = (folder / "report" / "report.md").read_text()
    (row,) = [line for line in text.splitlines() if line.endswith("| not ranked |")]
    assert row.split(" | ")[-2] == ""


def test_a_letter_that_the_font_of_the_picture_has_not(tmp_path, capsys):
    """No warning, which would be an error here."""
    assert main(["report", str(write_comparison(tmp_path / "c", (Fake("\u96ea"), PLANTED)))]) == 0
