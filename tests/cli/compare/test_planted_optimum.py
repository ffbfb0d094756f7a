"""An optimum outside of the declared space, through the command: extension finds it, or "not tuned" is said."""

import csv
import math

import pytest

from _support.tiny_app import start_comparison, write_app

# of the quadratic with curvature 5, SGD's best lr is 0.2; both spaces end below it, one of them by more than a decade
WORDS = ("optimizer=sgd,momentum", "--budget", "15", "--seeds", "1", "curvature=5", "noise=0", "--metric", "val/loss")
SPACES = ("--space", "sgd: lr log 1e-3..0.1", "--space", "momentum: lr log 1e-5..1e-3")


@pytest.mark.slow
def test_an_optimum_a_decade_outside_is_found_and_a_farther_one_is_marked(tmp_path):
    write_app(tmp_path)
    process = start_comparison(tmp_path, tmp_path / "here", *WORDS, *SPACES)
    assert process.wait(200) == 0, (tmp_path / "here/err.txt").read_text()
    report = tmp_path / "here/compare/report"
    with (report / "summary.csv").open(newline="") as file:
        found, beyond = sorted(csv.DictReader(file), key=lambda row: row["contender"] == "momentum")
    assert found["why_not_tuned"] == ""
    assert abs(math.log10(float(found["best.lr"]) / 0.2)) < 0.2
    assert beyond["why_not_tuned"].startswith("not tuned: the best lr")
    assert found["trials"] == beyond["trials"] == "15"
    with (report / "runs.csv").open(newline="") as file:
        rows = [*csv.DictReader(file)]
    trials = [row for row in rows if row["kind"] == "trial"]
    assert [row["extends"] for row in trials].count("high") == 6
    assert not {row["seed"] for row in trials} & {row["seed"] for row in rows if row["kind"] == "seed"}
