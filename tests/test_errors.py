import pytest

from lit_optim import ConfigError, NonFiniteError, exit_on_config_error
from lit_optim.errors import Problems, config_error_in, did_you_mean, wrong


def test_one_problem_is_its_own_text_and_several_are_a_list():
    assert str(ConfigError("a=1: no")) == "a=1: no"
    assert (
        str(ConfigError("a=1: no", "b=2: no", "a=1: no")) == "2 errors in the configuration:\n  - a=1: no\n  - b=2: no"
    )


def test_long_values_are_cut():
    assert len(wrong("key", "x" * 10_000, "no")) < 150


def test_did_you_mean():
    assert did_you_mean("cosin", ["cosine", "linear"]) == "; did you mean 'cosine'?"
    assert did_you_mean("xyz", ["cosine", "linear"]) == ""
    assert did_you_mean("xyz", ["cosine", "linear"], list_all=True) == "; there are: cosine, linear"


def test_exit_code_2_and_nothing_but_the_message(capsys):
    @exit_on_config_error
    def main(value):
        if value == "config":
            raise ConfigError("a=1: no")
        if value == "wrapped":
            raise RuntimeError("outer") from ConfigError("b=2: no")
        if value == "other":
            raise ZeroDivisionError
        return value

    assert main(3) == 3
    assert main.__name__ == "main"
    for value, text in (("config", "a=1: no\n"), ("wrapped", "b=2: no\n")):
        with pytest.raises(SystemExit) as stop:
            main(value)
        assert stop.value.code == 2
        assert capsys.readouterr().err == text
    with pytest.raises(ZeroDivisionError):
        main("other")


def test_an_error_that_a_forked_rank_sent_as_text():
    class ProcessRaisedException(Exception):
        """As torch.multiprocessing's."""

    text = "\n-- Process 1 terminated with the following error:\nTraceback (most recent call last):\n  File x\n"
    error = config_error_in(ProcessRaisedException(text + "lit_optim.errors.ConfigError: a=1: no\n"))
    assert str(error) == "a=1: no"
    error = config_error_in(ProcessRaisedException(text + "lit_optim.duration.LengthUnknown: scheduler: why\n"))
    assert str(error) == "scheduler: why"
    chained = (
        "lit_optim.errors.ConfigError: scheduler: why\n\nThe above exception was the direct cause of it:\n\nTraceback\n"
    )
    error = config_error_in(ProcessRaisedException(text + chained + "lit_optim.errors.ConfigError: scheduler.a: why\n"))
    assert str(error) == "scheduler.a: why"
    assert config_error_in(ProcessRaisedException(text + "ValueError: b\n")) is None


def test_problems():
    problems = Problems()
    problems.raise_if_any()
    problems.add("a", 1, "no")
    problems.take(ConfigError("b=2: no"))
    with pytest.raises(ConfigError) as caught:
        problems.raise_if_any()
    assert caught.value.problems == ("a=1: no", "b=2: no")


def test_a_run_that_is_not_finite_exits_with_another_code(capsys):
    class ProcessRaisedException(Exception):  # how torch passes on what a forked rank raised
        pass

    text = "-- Process 1 terminated:\n\nlit_optim.errors.NonFiniteError: finite: the loss is nan\n"
    for error in (NonFiniteError("finite: the loss is nan"), ProcessRaisedException(text)):

        @exit_on_config_error
        def main(error=error):
            raise error

        with pytest.raises(SystemExit) as caught:
            main()
        assert caught.value.code == 3
        assert capsys.readouterr().err == "finite: the loss is nan\n"
