"""The verb: what it writes and prints, the same for the same runs; part of a comparison; what it rejects."""

import csv
import json
import re
import shutil

import pytest

from _support.fake_comparison import FAKES, PLANTED, Fake, write_comparison
from lit_optim.cli.main import main
from lit_optim.study.plan import PLAN

FILES = ("index.html", "report.md", "runs.csv", "summary.csv", "comparisons.csv")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return write_comparison(tmp_path_factory.mktemp("fake") / "c")


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "c")


def table(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_what_is_written_and_printed(folder, capsys):
    assert main(["report", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "planted has the best mean val/acc" in shown
    assert "wild is last: 1 of 5 final runs diverged (seed 103)" in shown
    assert "sgd is not tuned: give it a wider space, --space 'sgd: lr log 0.0001..0.1'" in shown
    assert all(str(folder / "report" / name) in shown for name in FILES)
    text = (folder / "report" / "report.md").read_text()
    for title in ("What it shows", "Warnings", "Try next", "Results", "Pairs", "Tuning", "Trials", "Final runs"):
        assert f"\n## {title}\n" in text
    rows = {row["contender"]: row for row in table(folder / "report" / "summary.csv")}
    assert [*rows] == ["planted", "twin", "adam", "sgd", "wild", "muon"]
    assert [row["place"] for row in rows.values()] == ["1", "2", "3", "4", "", ""]
    assert len(table(folder / "report" / "runs.csv")) == 6 * 5 + 5 * 5


def test_a_contender_that_is_not_tuned_is_marked_wherever_it_is_ranked(folder, capsys):
    main(["report", str(folder)])
    text = (folder / "report" / "report.md").read_text()
    shown, _, rest = text.partition("\n## Try next")
    ranked = shown + rest[rest.index("\n## Results") : rest.index("\n## Tuning")]
    assert re.findall(r"\bsgd\b(?! \(not tuned\)| is not tuned)", ranked) == []


def test_the_same_runs_have_the_same_report(folder, tmp_path, capsys):
    """Files that are read in another order, at another place."""
    other = tmp_path / "elsewhere"
    write_comparison(other, [*FAKES])
    for each in (folder, other):
        main(["report", str(each)])
    for name in FILES:
        assert (folder / "report" / name).read_bytes() == (other / "report" / name).read_bytes()


def test_other_times_change_measured_columns_alone(folder, tmp_path, capsys):
    main(["report", str(folder)])
    before = {name: table(folder / "report" / name) for name in FILES[2:]}
    text = (folder / "report" / "report.md").read_text()
    for run in folder.glob("runs/*/*/record"):
        for name in ("metrics.csv", "steps.csv"):
            rows = table(run / name)
            with (run / name).open("w", newline="") as file:
                writer = csv.DictWriter(file, [*rows[0]], lineterminator="\n")
                writer.writeheader()
                writer.writerows({**row, "seconds": 3 * float(row["seconds"])} for row in rows)
        found = json.loads((run / "run.json").read_text())
        measured = found["measured"]
        measured["seconds"], measured["peak_memory"] = 7.0, 5
        measured["step_seconds"]["median"] *= 2
        (run / "run.json").write_text(json.dumps(found))
    main(["report", str(folder)])
    for name, rows in before.items():
        after = table(folder / "report" / name)
        changed = {key for row, other in zip(rows, after, strict=True) for key in row if row[key] != other[key]}
        assert all(key.startswith("measured_") for key in changed)
        assert changed or name == "comparisons.csv"
    other = (folder / "report" / "report.md").read_text()
    section = re.compile(r"\n## Measured.*?(?=\n## )", re.DOTALL)
    assert section.sub("", other) == section.sub("", text)
    assert other != text


def test_each_score_says_of_which_metric_it_is(tmp_path, capsys):
    folder = write_comparison(tmp_path / "c", (Fake("adam"), PLANTED), test_metric="val/other")
    main(["report", str(folder)])
    rows = table(folder / "report" / "runs.csv")
    found = {(row["kind"], row["score_metric"], row["score"] == "0.5") for row in rows}
    assert found == {("trial", "val/acc", False), ("seed", "val/other", True)}


def test_json(folder, capsys):
    main(["report", str(folder), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["contenders"][0]["contender"] == "planted"
    assert found["contenders"][-1]["mean"] is None
    assert found["files"]


def test_a_part_of_a_comparison(tmp_path, capsys):
    fakes = (Fake("adam", missing=(104, 105)), PLANTED)
    assert main(["report", str(write_comparison(tmp_path / "c", fakes))]) == 0
    shown = capsys.readouterr().out
    assert "no ranking: final runs are missing: seeds of adam 104, 105" in shown
    assert "missing are adam seeds 104, 105; the same lit-optim compare goes on" in shown
    assert "better than" not in shown
    verdicts = [row["verdict"] for row in table(tmp_path / "c" / "report" / "comparisons.csv")]
    assert verdicts == ["not ranked"]


def test_damaged_files_are_named_and_the_rest_is_reported(folder, capsys):
    (folder / "runs/adam/seed-1/record/run.json").write_text("{")
    (folder / "runs/twin/trial-02/job.json").write_text("[]")
    assert main(["report", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"left out: .*adam/seed-1/record/run.json: damaged", shown)
    assert re.search(r"left out: .*twin/trial-02/job.json: damaged", shown)
    assert "missing are twin 1 of 5 trials; adam seed 102" in shown


def test_records_without_a_plan(folder, capsys):
    (folder / PLAN).unlink()
    (folder / "runs/adam/seed-1/record/run.json").write_text("{")
    assert main(["report", str(folder), "--metric", "val/acc", "--mode", "max"]) == 0
    shown = capsys.readouterr().out
    assert "no ranking: no study was declared, so how often each optimizer was tuned is not known" in shown
    assert "planted lr=0.001" in shown
    assert "better than" not in shown
    assert re.search(r"left out: .*adam/seed-1/record/run.json: damaged", shown)


def test_two_folders(folder, tmp_path, capsys):
    other = write_comparison(tmp_path / "later", (Fake("adam", 0.85), Fake("new", 0.7)))
    assert main(["report", str(folder), str(other), "--out", str(tmp_path / "both")]) == 0
    names = [row["contender"] for row in table(tmp_path / "both" / "summary.csv")]
    assert names == ["planted", "adam (later)", "twin", "adam (c)", "new", "sgd", "wild", "muon"]
    folders = {row["folder"].partition("/")[0] for row in table(tmp_path / "both" / "runs.csv")}
    assert folders == {"c", "later"}


def without(name):
    return lambda folder: [shutil.rmtree(each) for each in folder.glob(name)]


def replaced(old, new, name="runs/*/*/record/metrics.csv"):
    def change(folder):
        for file in folder.glob(name):
            file.write_text(file.read_text().replace(old, new))

    return change


@pytest.mark.parametrize(
    ("change", "arguments", "words"),
    [
        (shutil.rmtree, [], "no such folder"),
        (lambda folder: (folder / PLAN).write_text("{"), [], "plan.json: damaged"),
        (lambda folder: None, ["--metric", "val/loss"], "compares by val/acc, see its plan.json; leave --metric out"),
        (lambda folder: None, ["--mode", "min"], "compares by max"),
        (lambda folder: (folder / PLAN).unlink(), [], "--metric: missing; logged are: val/acc, val/other"),
        (lambda folder: (folder / PLAN).unlink(), ["--metric", "val/acc"], "--mode: missing for val/acc"),
        (lambda folder: (folder / PLAN).unlink(), ["--metric", "f1"], "--metric f1: no run has logged it; logged are"),
        (lambda folder: [(folder / PLAN).unlink(), without("runs")(folder)], [], "holds no record of a run"),
    ],
)
def test_nothing_to_report(folder, capsys, change, arguments, words):
    change(folder)
    assert main(["report", str(folder), *arguments]) == 2
    found = capsys.readouterr()
    assert words in found.err
    assert "Traceback" not in found.err
    assert not (folder / "report").exists()


@pytest.mark.parametrize(
    ("change", "words", "known"),
    [
        (without("runs"), "no run is over, none was begun", "missing are adam 5 of 5 trials, seeds 101, 102"),
        (
            lambda folder: [each.unlink() for name in ("run.json", "error.txt") for each in folder.rglob(name)],
            "no run is over, 55 were begun",
            "muon 5 of 5 trials, seeds 101, 102",
        ),
        (
            replaced("val/acc", "val/f1"),
            "no run has logged val/acc, by which the plan compares; logged: val/f1",
            "adam: 5 runs finished without a finite val/acc, the first is runs/adam/trial-00",
        ),
    ],
)
def test_what_is_known_is_reported_where_no_run_answers(folder, capsys, change, words, known):
    change(folder)
    assert main(["report", str(folder)]) == 2
    found = capsys.readouterr()
    assert words in found.err
    assert f"what there is so far: {folder / 'report' / 'index.html'}" in found.err
    assert found.out == ""
    text = (folder / "report" / "report.md").read_text()
    assert known in text
    assert "lit-optim compare train.py optimizer=adam," in text
    assert (folder / "report" / "runs.csv").exists()


def test_runs_that_all_failed_are_a_result(tmp_path, capsys):
    fakes = (Fake("muon", crashes="ConfigError: matrices only"), Fake("dead", all_trials_diverge=True))
    assert main(["report", str(write_comparison(tmp_path / "c", fakes))]) == 0
    shown = capsys.readouterr().out
    assert "no ranking: no optimizer has trained" in shown
    assert "muon is not ranked: all 5 trials crashed: ConfigError: matrices only" in shown
    assert "dead: no trial trains; search a lower lr" in shown


def test_folders_of_different_metrics(folder, tmp_path, capsys):
    other = write_comparison(tmp_path / "other", mode="min")
    assert main(["report", str(folder), str(other), "--out", str(tmp_path / "both")]) == 2
    assert "c: val/acc max; other: val/loss min" in capsys.readouterr().err
    assert main(["report", str(folder), str(other)]) == 2
    assert "--out: missing" in capsys.readouterr().err
