"""What the files of a run say of it, at any moment of a kill."""

import json

import pytest

from lit_optim.errors import ConfigError
from lit_optim.study.plan import ComparisonPlan, Job, as_json, read_plan
from lit_optim.study.results import OVER, read_result

PLAN = ComparisonPlan("train.py", (), (), "val/loss", "min", test_metric="test/loss")


@pytest.mark.parametrize(
    ("outcome", "running", "error", "expected"),
    [
        ("finished", False, "", "finished"),
        ("finished", True, "", "running"),  # killed between the fit and the test
        ("diverged", True, "", "running"),
        ("running", False, "", "running"),
        ("running", True, "ProcessDied: SIGSEGV", "crashed"),
        ("finished", False, "KeyError: after the fit", "finished"),
        ("interrupted", False, "", "interrupted"),
    ],
)
def test_a_run_is_over_when_its_process_has_left_it(outcome, running, error, expected, tmp_path):
    folder = tmp_path / "runs/sgd/seed-0"
    (folder / "record").mkdir(parents=True)
    (folder / "job.json").write_text(as_json(Job("sgd", "seed", 0, 2, {"lr": 0.1})))
    (folder / "record/run.json").write_text(json.dumps({"format": 1, "outcome": outcome}))
    (folder / "record/steps.csv").write_text("step,epoch,seconds,loss,grad_norm,update_norm\n")
    (folder / "record/metrics.csv").write_text("step,epoch,seconds,name,value\n4,0,1.0,test/loss,0.5\n")
    if running:
        (folder / "running").touch()
    if error:
        (folder / "error.txt").write_text(f"{error}\n")
    result = read_result(folder, PLAN)
    assert (result.outcome, result.error, result.score) == (expected, error, 0.5)
    assert (result.outcome in OVER) == (expected in ("finished", "crashed"))


def test_a_plan_without_a_test_mode_scores_by_its_mode(tmp_path):
    given = json.loads(as_json(PLAN))
    del given["test_mode"]
    (tmp_path / "plan.json").write_text(json.dumps(given))
    assert (read_plan(tmp_path), read_plan(tmp_path).score_mode) == (PLAN, "min")
    (tmp_path / "plan.json").write_text(json.dumps({**given, "test_mode": "up"}))
    with pytest.raises(ConfigError, match="its 'test_mode' is 'up'"):
        read_plan(tmp_path)
