"""Checkpoints of commit 766a6b3 (see write.py) resume to the weights and counters that its uninterrupted runs end with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from _support.fork import on_two_ranks
from old_checkpoints.cases import ONE_PROCESS, SAVED_AT, TWO_PROCESSES, result

HERE = Path(__file__).resolve().parent
EXPECTED = json.loads((HERE / "expected.json").read_text(encoding="utf-8"))
COMPILED = [case for case in ONE_PROCESS if "compiled" in case]

pytestmark = [
    pytest.mark.filterwarnings("ignore:ckpt_path. written with .* not bit for bit:UserWarning"),
    pytest.mark.filterwarnings("ignore:The loaded checkpoint was produced with Lightning v2.6:UserWarning"),
]


def kept(case: str, tmp_path: Path) -> Path:
    """The checkpoint of a case: a file, or a folder that is kept packed."""
    path = HERE / f"{case}.ckpt"
    packed = HERE / f"{case}.ckpt.zip"
    if packed.exists():
        path = tmp_path / path.name
        shutil.unpack_archive(packed, path)
    return path


def assert_same(found, expected, where):
    """Equal but for the rounding of other processors, torch versions and compilers; new keys beside the old are allowed."""
    if isinstance(expected, dict):
        assert set(expected) <= set(found), where
        for key, value in expected.items():
            assert_same(found[key], value, f"{where}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for i, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert_same(one, other, f"{where}.{i}")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-6), where
    else:
        assert found == expected, where


def assert_ended_as_before(found, case):
    expected = EXPECTED[case]
    assert_same(found, {**expected, "lrs": expected["lrs"][SAVED_AT:]}, case)
    for name, values in expected["weights"].items():
        assert found["weights"][name] == pytest.approx(values, rel=0, abs=1e-6), name
    for one, other in zip(found["lrs"], expected["lrs"][SAVED_AT:], strict=True):
        assert one == pytest.approx(other, rel=1e-6, abs=0)


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.slow) if case in COMPILED else case for case in ONE_PROCESS]
)
def test_resumes_to_the_same_weights_and_counters(tmp_path, case):
    assert_ended_as_before(result(case, tmp_path, resume_from=kept(case, tmp_path)), case)


@pytest.mark.parametrize("case", TWO_PROCESSES)
def test_resumes_on_two_ranks(tmp_path, case):
    path = kept(case, tmp_path)
    for found in on_two_ranks(lambda rank: result(case, tmp_path, resume_from=path)):
        assert_ended_as_before(found, case)


@pytest.mark.parametrize("case", [*ONE_PROCESS, *TWO_PROCESSES])
def test_is_read_without_unpickling_objects(tmp_path, case):
    path = kept(case, tmp_path)
    checkpoint = torch.load(path / "meta.pt" if path.is_dir() else path, weights_only=True)
    assert checkpoint["global_step"] == SAVED_AT
    assert set(checkpoint["lit_optim"]) == {"version", "spec", "param_names", "environment", "optimizers"}
