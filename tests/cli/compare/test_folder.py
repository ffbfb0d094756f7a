"""The folder of a comparison: whether one can begin there, or goes on with the runs that it holds."""

import math
from dataclasses import replace

import pytest

from lit_optim.cli.compare import check_folder
from lit_optim.cli.compare.declare import check_goes_on, results_there, write_plan
from lit_optim.errors import ConfigError
from lit_optim.study.plan import ComparisonPlan, Contender, Job, as_json, read_plan
from lit_optim.study.results import RunResult


def test_folders_that_cannot_hold_a_comparison(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    for path in ("file", "file/below"):
        with pytest.raises(ConfigError, match="is not a folder; write e.g. --dir compare"):
            check_folder(tmp_path / path, path)
    check_folder(tmp_path / "new/below", "new/below")
    check_folder(tmp_path / "a $b {c}", "a $b {c}")
    for path in ("a ${b}", "${b}/below"):
        with pytest.raises(ConfigError) as error:
            check_folder(tmp_path / path, path)
        rule = f"Hydra replaces ${{...}} in {tmp_path / path}; choose a folder without ${{ in its path"
        assert str(error.value) == f"--dir={path!r}: {rule}"
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write everywhere
    with pytest.raises(ConfigError, match="cannot be written; choose another folder"):
        check_folder(tmp_path / "new", "new")


SGD = Contender("sgd", ("optimizer=sgd",), "lr log 1e-4..1")
PLAN = ComparisonPlan(
    "train.py", ("a=1", "hydra/launcher=basic"), (SGD,), "val/loss", "min", seeds=(2, 3), baseline="sgd", config="1f",
    script_hash="1f",
)  # fmt: skip
ADAM = replace(SGD, name="adam")


@pytest.mark.parametrize(
    ("changed", "score", "message"),
    [
        ({"contenders": (SGD, ADAM), "seeds": (2, 3, 4), "baseline": "adam", "overrides": ("a=1",)}, 0.5, ""),
        ({"metric": "val/acc", "mode": "max"}, math.nan, ""),
        ({"test_mode": "max"}, 0.5, ""),  # an older lit-optim wrote none
        ({"metric": "val/acc"}, 0.5, "metric: val/loss in its plan, val/acc now"),
        ({"overrides": ("a=2",)}, 0.5, "overrides: a=1 in its plan, a=2 now"),
        ({"contenders": (ADAM,)}, 0.5, "optimizer=sgd: in its plan, and not named now"),
        ({"contenders": (replace(SGD, space="lr log 1e-4..2"),)}, 0.5, "sgd: space lr log 1e-4..1 in its plan, lr log"),
        ({"script_hash": "2e"}, 0.5, "train.py: has changed since"),
        ({"config": "2e", "script_hash": "1f"}, 0.5, "the app's config files have changed since"),
        ({"seeds": (2,)}, 0.5, "seeds: 2 in its plan, 1 now"),
        ({"budget": 5}, 0.5, "budget: 15 in its plan, 5 now"),
    ],
)
def test_a_folder_goes_on_with_the_same_comparison_alone(changed, score, message, tmp_path):
    done = [RunResult(Job("sgd", "trial", 0, 1, {"lr": 0.1}), "finished", score, None)]
    (tmp_path / "plan.json").write_text(as_json(PLAN))
    new = replace(PLAN, **changed)
    if not message:
        check_goes_on(new, tmp_path, done)
        write_plan(new, tmp_path, done)
        assert read_plan(tmp_path) == new
        return
    with pytest.raises(ConfigError) as error:
        check_goes_on(new, tmp_path, done)
    assert "holds runs of another comparison; give another --dir" in error.value.problems[0]
    assert message in error.value.problems[1]


@pytest.mark.parametrize(("old", "outcome"), [("", "finished"), ("1f", "crashed")])
def test_a_changed_script_matters_once_a_run_has_trained_with_a_known_one(old, outcome, tmp_path):
    """An older lit-optim wrote no hash; where all runs have failed, the script has been mended."""
    done = [RunResult(Job("sgd", "trial", 0, 1, {"lr": 0.1}), outcome, 0.5, None)]
    (tmp_path / "plan.json").write_text(as_json(replace(PLAN, script_hash=old)))
    check_goes_on(replace(PLAN, script_hash="2e"), tmp_path, done)


def test_the_runs_of_a_folder_are_read_as_its_own_plan_declares_them(tmp_path):
    job = Job("sgd", "trial", 0, 1, {"lr": 0.1})
    (tmp_path / job.folder).mkdir(parents=True)
    (tmp_path / job.folder / "job.json").write_text(as_json(job))
    other = replace(PLAN, contenders=(ADAM,))
    assert results_there(other, tmp_path) == []
    (tmp_path / "plan.json").write_text(as_json(PLAN))
    assert [each.job for each in results_there(other, tmp_path)] == [job]


def test_runs_that_all_failed_are_begun_anew(tmp_path):
    job = Job("sgd", "trial", 0, 1, {"lr": 0.1})
    (tmp_path / job.folder).mkdir(parents=True)
    (tmp_path / "runs/other").mkdir()
    failed = [RunResult(job, "crashed", math.nan, None, "no data")]
    check_goes_on(replace(PLAN, budget=3), tmp_path, failed)
    write_plan(replace(PLAN, budget=3), tmp_path, failed)
    assert [path.name for path in sorted((tmp_path / "runs").rglob("*"))] == ["other", "sgd"]
