"""What the verb makes of damaged folders, and of folders that do not belong together."""

import csv
import json

import pytest

from _support.fake_comparison import PLANTED, Fake, write_comparison
from lit_optim.cli.main import main
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
        ("trial-00/job.json", {"values": {"lr": "x"}}),
        ("trial-00/job.json", {"number": None}),
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
    assert f"damaged ({name} is " in capsys.readouterr().err


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
