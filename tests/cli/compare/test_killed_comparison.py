"""`lit-optim compare` killed at random and started again comes to the report of an unbroken one."""

import os
import signal
import time
from collections import Counter

import pytest

from _support.lasting_report import lasting_report
from _support.tiny_app import runs_begun, start_comparison, write_app
from lit_optim.study.plan import read_plan
from lit_optim.study.results import OVER, read_results

WORDS = ("optimizer=sgd,adam", "--budget", "3", "--seeds", "3", "seconds_a_step=0.02")


def over(folder):
    """The runs that are over in a folder at rest."""
    return {r.job.folder for r in read_results(folder, read_plan(folder)) if r.outcome in OVER}


def kill_after(process, where, begun, whole_group):
    """Kill a comparison at a random moment after so many runs have begun."""
    while process.poll() is None and len(runs_begun(where)) < begun:
        time.sleep(0.01)
    time.sleep(os.urandom(1)[0] / 1000)
    assert process.poll() is None, (where / "err.txt").read_text()
    (os.killpg if whole_group else os.kill)(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.slow
def test_a_comparison_killed_three_times_comes_to_the_same_report(tmp_path):
    write_app(tmp_path)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    unbroken = start_comparison(tmp_path, whole, *WORDS)
    for least, whole_group in ((1, False), (4, True), (8, False)):
        begun = max(least, len(runs_begun(killed)) + 2)
        kill_after(start_comparison(tmp_path, killed, *WORDS), killed, begun, whole_group)
        time.sleep(1.5)  # the processes of the runs end with it
        done, before = over(killed / "compare"), Counter(runs_begun(killed))
    last = start_comparison(tmp_path, killed, *WORDS)
    assert last.wait(120) == 0, (killed / "err.txt").read_text()
    assert unbroken.wait(120) == 0, (whole / "err.txt").read_text()
    assert len(done) >= 4
    after = Counter(runs_begun(killed))
    assert {name: after[name] for name in done} == {name: before[name] for name in done}
    assert len(runs_begun(whole)) == len(after) == 12
    mine, theirs = lasting_report(killed / "compare"), lasting_report(whole / "compare")
    for name, text in theirs.items():
        assert mine[name] == text, name
