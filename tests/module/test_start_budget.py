"""Starting a fit does each thing once: counted in calls, for times depend on the machine."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def start():
    script = Path(__file__).parents[1] / "_support" / "start_of_a_fit.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_each_spec_is_checked_once(start):
    assert start["by_name"]["check_optimizer"] == 1
    assert start["by_name"]["check_scheduler"] == 1
    assert 1 <= start["by_name"]["compose_plan"] <= 5


def test_few_presets_are_parsed(start):
    assert 1 <= start["by_name"]["_merged"] <= 4


def test_few_calls_in_few_files(start):
    # 1757 calls in 98 files: also where none is configured, one look each for optimizers by name, parts, rules that
    # freeze, groups to report, a Muon's pitfalls, a checkpoint to resume, folders to save in, and the plan of the run
    assert start["calls"] <= 1780
    assert len(start["files"]) <= 100, start["files"]
