import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from lit_optim.cli.compare.launch import child_command, run_jobs
from lit_optim.errors import ConfigError
from lit_optim.run_folder import claim_folder
from lit_optim.study.plan import ComparisonPlan, Job, read_job
from lit_optim.study.results import read_result

PLAN = ComparisonPlan("app.py", (), (), "loss", "min")
LAUNCHERS = {
    "basic": None,
    "joblib": "hydra_plugins.hydra_joblib_launcher",
    "submitit_local": "hydra_plugins.hydra_submitit_launcher",
}


def a_job(number, *overrides):
    return Job("sgd", "trial", number, seed=1, values={"lr": 0.1}, overrides=(f"name=job{number}", *overrides))


def run(app, folder, jobs, *overrides):
    """Run jobs, and return the outcome and the error of each, and how often each one began."""
    log = folder.parent / "log.txt"
    claim_folder(folder, "--dir")
    run_jobs(app, folder, jobs, [f"log='{log}'", *overrides], on_poll=lambda: None)
    begun = [line.split()[0] for line in log.read_text().splitlines()] if log.exists() else []
    results = [read_result(folder / job.folder, PLAN) for job in jobs]
    return [(r.outcome, r.error) for r in results], [begun.count(f"job{job.number}") for job in jobs]


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_every_launcher_runs_all_jobs_and_keeps_what_fails(launcher, app, tmp_path):
    package = LAUNCHERS[launcher]
    if package and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    folder, log = tmp_path / "a comparison, of two", f"log='{tmp_path / 'log.txt'}'"
    given = [(), ("what=raise",), ("what=reject",), ("optimizer=adamm",), ("what=nothing", "optim_callbacks=null"), ()]
    jobs = [a_job(number, log, *words) for number, words in enumerate(given)]
    old = folder / jobs[0].folder / "record/old.csv"
    old.parent.mkdir(parents=True)
    old.touch()
    results, begun = run(app, folder, jobs, f"hydra/launcher={launcher}")
    assert begun == [1, 1, 1, 0, 1, 1]
    assert results[0] == results[5] == ("finished", "")
    assert results[1] == ("crashed", "RuntimeError: out of luck")
    assert results[2] == ("crashed", "ConfigError: optimizer.lr=-1: must be positive")
    assert results[3][1].startswith("MissingConfigException: In 'train': Could not find 'optimizer/adamm'")
    assert results[4][1].startswith("NoRecord: the run has ended without a record")
    assert "in main\n" in (folder / jobs[1].folder / "error.txt").read_text()
    assert [read_job(folder / job.folder) for job in jobs] == jobs
    assert not old.exists()
    assert not [*folder.rglob("running")]


@pytest.mark.slow
def test_a_job_that_kills_the_multirun_is_a_result_and_the_rest_run(app, tmp_path):
    log = f"log='{tmp_path / 'log.txt'}'"
    results, begun = run(app, tmp_path / "c", [a_job(0, log), a_job(1, log, "what=die"), a_job(2, log)])
    assert begun == [1, 1, 1]
    assert results[0] == results[2] == ("finished", "")
    assert results[1][0] == "crashed"
    assert results[1][1].startswith("ProcessDied: SIGSEGV has ended the process of the run: a crash in compiled code")


@pytest.mark.slow
def test_of_jobs_that_ran_beside_one_that_died_none_is_blamed(app, tmp_path):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    log = f"log='{tmp_path / 'log.txt'}'"
    waits = f"wait_for='{tmp_path / 'c' / a_job(1).folder / 'running'}'"
    waits_too = f"wait_for='{tmp_path / 'c' / a_job(0).folder / 'error.txt'}'"
    jobs = [a_job(0, log, waits, "what=die"), a_job(1, log, waits_too)]
    results, begun = run(app, tmp_path / "c", jobs, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    assert [outcome for outcome, _ in results] == ["crashed", "finished"]
    assert begun == [2, 2]  # each of them again, alone


@pytest.mark.slow
def test_an_app_that_ends_before_its_first_job(app, tmp_path):
    with pytest.raises(ConfigError, match=r"app.py: ended \(exit code 2\) before its first job") as error:
        run(app, tmp_path / "c", [a_job(0)], "optimizer=adamm")
    assert "adamm" in str(error.value)


@pytest.mark.parametrize("folder", ["/plain/run-1", "/it's", "/my runs\\", "/a\\'b", "/c, d = {e}"])
def test_a_folder_reaches_hydra_as_it_is(folder):
    (word,) = (each for each in child_command(Path("a.py"), Path(folder), []) if each.startswith("hydra.sweep.dir="))
    assert OverridesParser.create().parse_override(word).value() == folder


# A comparison as a process: the jobs that are not over, until all are.
COMPARE = """
import sys
from pathlib import Path
from lit_optim.cli.compare.launch import run_jobs
from lit_optim.run_folder import claim_folder
from lit_optim.study.plan import Job, ComparisonPlan
from lit_optim.study.results import OVER, read_result

app, folder, log, launcher, number, *words = sys.argv[1:]
claim_folder(folder, "--dir")
plan = ComparisonPlan("app.py", (), (), "loss", "min")
jobs = [
    Job("sgd", "trial", i, 1, {"lr": 0.1}, (f"name=job{i}", f"log='{log}'", *words)) for i in range(int(number))
]
begun = [j for j in jobs if (Path(folder, j.folder) / "job.json").exists()]
left = [j for j in jobs if j not in begun or read_result(Path(folder, j.folder), plan).outcome not in OVER]
run_jobs(Path(app), Path(folder), left, [f"log='{log}'", f"hydra/launcher={launcher}"], on_poll=lambda: None)
"""


def start(app, folder, log, launcher, jobs, *words):
    command = [sys.executable, "-c", COMPARE, str(app), str(folder), str(log), launcher, str(jobs), *words]
    return subprocess.Popen(command, start_new_session=True)


def lines(log):
    return [line.split() for line in log.read_text().splitlines()] if log.exists() else []


def wait_until(holds, seconds=5.0, process=None):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        assert process is None or process.poll() is None
        time.sleep(0.01)


def chance():
    return os.urandom(1)[0]


def is_alive(pid):
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def finished(folder, jobs):
    folders = [folder / a_job(i).folder for i in range(jobs)]
    return {
        i for i, f in enumerate(folders) if (f / "job.json").exists() and read_result(f, PLAN).outcome == "finished"
    }


@pytest.mark.slow
def test_killed_at_random_and_started_again_no_job_is_lost_and_none_repeated(app, tmp_path):
    folder, log, count = tmp_path / "c", tmp_path / "log.txt", 7
    before: dict[int, int] = {}  # how often a job had begun when it was seen finished
    for kill in (os.killpg, os.kill, os.killpg):  # the process group; the comparison alone
        process, enough = (
            start(app, folder, log, "basic", count, "what=train", "seconds=0.3"),
            len(lines(log)) + 1 + chance() % 2,
        )
        wait_until(lambda n=enough: len(lines(log)) >= n, 60, process)
        time.sleep(chance() / 1000)
        kill(process.pid, signal.SIGKILL)
        process.wait()
        wait_until(lambda: not any(is_alive(int(pid)) for _, pid in lines(log)))
        names = [name for name, _ in lines(log)]
        for i in finished(folder, count):
            assert before.setdefault(i, names.count(f"job{i}")) == names.count(f"job{i}")
    assert start(app, folder, log, "basic", count, "what=train", "seconds=0.3").wait(60) == 0
    names = [name for name, _ in lines(log)]
    assert finished(folder, count) == {*range(count)}
    assert all(names.count(f"job{i}") == times for i, times in before.items())


@pytest.mark.slow
def test_workers_end_with_a_killed_comparison_and_a_new_one_waits_for_no_one(app, tmp_path):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    folder, log, ready = tmp_path / "c", tmp_path / "log.txt", tmp_path / "ready"
    process = start(app, folder, log, "joblib", 2, f"wait_for='{ready}'")
    wait_until(lambda: len(lines(log)) == 2, 60, process)
    process.kill()
    process.wait()
    again = start(app, folder, log, "joblib", 2, f"wait_for='{ready}'")
    wait_until(lambda: len(lines(log)) > 2, 60, again)
    assert not any(is_alive(int(pid)) for _, pid in lines(log)[:2])
    ready.touch()
    assert again.wait(60) == 0
    assert finished(folder, 2) == {0, 1}
    assert len(lines(log)) == 4
