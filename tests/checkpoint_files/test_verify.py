"""What a reader finds in files that were cut off, changed or mixed; plain files of Lightning's are verified alike."""

import io
import os
import pickle
import random
import zipfile

import pytest
import torch

from lit_optim.checkpoint_files.verify import NOT_RESUMABLE, NOT_TORCH, damage, resume_problem

WHOLE = {"state_dict": {"weight": torch.arange(6.0)}, "loops": {}, "callbacks": {}, "optimizer_states": [{"state": {}}], "lr_schedulers": []}  # fmt: skip


def saved(value, **options):
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


def loaded(data):
    try:
        return torch.load(io.BytesIO(data), weights_only=True)
    except UnicodeDecodeError:  # see `outline`
        return torch.load(io.BytesIO(data), weights_only=True)


@pytest.mark.parametrize(("failures", "whole"), [(1, True), (2, False)])
def test_a_file_that_torch_fails_to_read_once_is_read_again(monkeypatch, failures, whole):
    real, calls = torch.load, []

    def load(*args, **kwargs):
        calls.append(args)
        if len(calls) <= failures:
            raise UnicodeDecodeError("utf-8", b"\x80", 0, 1, "invalid start byte")
        return real(*args, **kwargs)

    monkeypatch.setattr(torch, "load", load)
    problem = resume_problem(io.BytesIO(saved(WHOLE)))
    assert (problem == "") == whole, problem


def test_a_whole_file_is_whole_and_left_at_its_beginning():
    file = io.BytesIO(saved(WHOLE))
    assert resume_problem(file) == damage(file) == ""
    assert torch.equal(torch.load(file)["state_dict"]["weight"], torch.arange(6.0))


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, 0.99, -1])
def test_a_truncated_file_is_found(keep):
    data = saved(WHOLE)
    assert damage(io.BytesIO(data[: int(keep * len(data)) if isinstance(keep, float) else keep])) == NOT_TORCH


def test_a_flipped_bit_is_found_wherever_it_changes_what_is_loaded():
    """Every byte of a small file; names of records and sizes stand in it twice, dates and padding do not matter."""
    data = saved(WHOLE)
    undetected = []
    for i in range(len(data)):
        changed = data[:i] + bytes([data[i] ^ (1 << (i % 8))]) + data[i + 1 :]
        if not resume_problem(io.BytesIO(changed)):
            undetected.append(i)
            assert torch.equal(loaded(changed)["state_dict"]["weight"], torch.arange(6.0)), i
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for record in archive.infolist():
            start = data.index(archive.read(record), record.header_offset)
            assert not {*range(start, start + record.file_size)} & {*undetected}, record.filename


@pytest.mark.parametrize("seed", range(5))
def test_a_mix_of_two_files_is_found(seed):
    one, other = (saved({**WHOLE, "state_dict": {"weight": torch.full((500,), value)}}) for value in (1.0, 2.0))
    assert len(one) == len(other)
    differs = [i for i in range(len(one)) if one[i] != other[i]]
    at = random.Random(seed).choice(differs[2:1000])
    assert damage(io.BytesIO(one[:at] + other[at:])).startswith("damaged: the checksum of archive/")
    assert damage(io.BytesIO(one[:at] + other[at:] + other[-100:])) != ""
    assert damage(io.BytesIO(other[:at] + one)).startswith("damaged: ")


def test_files_without_checksums_are_taken_for_whole():
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        data = saved(WHOLE)
    finally:
        torch.serialization.set_crc32_options(before)
    assert damage(io.BytesIO(data)) == ""
    assert damage(io.BytesIO(data[:-5])) == NOT_TORCH
    old = saved(WHOLE, _use_new_zipfile_serialization=False)
    assert resume_problem(io.BytesIO(old)) == ""
    assert resume_problem(io.BytesIO(old[:-5])).startswith("damaged: ")
    assert damage(io.BytesIO(pickle.dumps(WHOLE["loops"]))) == NOT_TORCH


class Hostile:
    def __reduce__(self):
        return os._exit, (1,)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({}, ""),
        ({"hyper_parameters": Hostile()}, ""),  # loaded by a reader who trusts it, and by nothing of ours
        ({"optimizer_states": []}, NOT_RESUMABLE),
        ({"optimizer_states": 3}, NOT_RESUMABLE),
        ({"loops": None}, NOT_RESUMABLE),
        ({"lit_optim": 3}, NOT_RESUMABLE),
    ],
)
def test_what_a_resumed_run_needs(change, problem):
    assert resume_problem(io.BytesIO(saved({**WHOLE, **change}))) == problem


def test_what_is_no_checkpoint():
    assert resume_problem(io.BytesIO(saved(torch.zeros(3)))) == NOT_RESUMABLE
    assert resume_problem(io.BytesIO(saved(WHOLE["state_dict"]))) == NOT_RESUMABLE
