"""How the process of a job has ended: by itself, which is a result, or by a signal, which is none."""

import pytest

from _support.child_process import in_child
from lit_optim.cli.compare import job_process
from lit_optim.cli.compare.job_process import is_running, marked_as_running, was_interrupted


def as_lightning(interrupt):
    """Exit as Lightning's Trainer does."""
    try:
        raise interrupt
    except BaseException:
        raise SystemExit(1)  # noqa: B904


@pytest.mark.parametrize(("first", "expected"), [(KeyboardInterrupt(), True), (ValueError("lr"), False)])
def test_an_exit_from_within_an_interrupt_is_no_crash(first, expected):
    with pytest.raises(SystemExit) as error:
        as_lightning(first)
    assert was_interrupted(error.value) is expected


def test_who_has_waited_for_the_end_of_another_holds_a_lock_on_a_file_that_is_there(tmp_path, monkeypatch):
    lock, held = job_process._lock, []

    def lock_after_its_holder_has_gone(file, **options):
        if not held:
            (tmp_path / "running").unlink()
        held.append(file)
        return lock(file, **options)

    monkeypatch.setattr(job_process, "_lock", lock_after_its_holder_has_gone)
    with marked_as_running(tmp_path):
        assert in_child(lambda send: send(is_running(tmp_path)))[1] == [True]
    assert not (tmp_path / "running").exists()
