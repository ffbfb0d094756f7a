"""How the process of a job has ended: by itself, which is a result, or by a signal, which is none."""

import pytest

from lit_optim.cli.compare.job_process import was_interrupted


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
