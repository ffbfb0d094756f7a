"""Words errors in a configuration: the key, the value, the rule, and what to write instead."""

from __future__ import annotations

import functools
import inspect
import os
import re
import sys
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from lit_optim.errors.failures import exit_code_of_ranks, failure_message, first_error
from lit_optim.errors.hydra_messages import hydra_message
from lit_optim.errors.wording import did_you_mean, one_line, wrong

__all__ = [
    "ConfigError",
    "NonFiniteError",
    "Problems",
    "config_error_in",
    "did_you_mean",
    "exit_on_config_error",
    "hydra_message",
    "wrong",
]

SHORT = "LIT_OPTIM_SHORT_ERRORS"  # set while HYDRA_FULL_ERROR is set by us, and not by the user
F = TypeVar("F", bound=Callable[..., Any])


class ConfigError(ValueError):
    """Holds all problems of a configuration, one line a problem.

    Args:
        problems: complete sentences, each of which names its key; repeated ones are dropped.

    Attributes:
        exit_code: with which `exit_on_config_error` ends the process.

    Example:
        >>> raise ConfigError("optimizer.lrr=0.1: AdamW has no argument 'lrr'")
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: optimizer.lrr=0.1: AdamW has no argument 'lrr'
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, *problems: str) -> None:
        self.problems = tuple(dict.fromkeys(one_line(problem) for problem in problems))
        super().__init__(*self.problems)

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return self.problems[0]
        lines = (f"  - {problem}" for problem in self.problems)
        return "\n".join([f"{len(self.problems)} errors in the configuration:", *lines])


class NonFiniteError(ConfigError):
    """Ends a run whose loss, gradients, weights or learning rate are not finite, with exit code 3."""

    exit_code = 3


class Problems(list[str]):
    """Collects problems, so that one ConfigError reports all of them."""

    def add(self, key: str, value: Any, rule: str) -> None:
        """Add that ``key=value`` breaks ``rule``."""
        self.append(wrong(key, value, rule))

    def take(self, error: ConfigError) -> None:
        """Add the problems of an inner check."""
        self.extend(error.problems)

    def raise_if_any(self) -> None:
        """Raise one ConfigError for everything collected so far."""
        if self:
            raise ConfigError(*self)


def config_error_in(error: BaseException) -> ConfigError | None:
    """Return the ConfigError that ``error`` is, was caused by, or carries as text from a worker process."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ConfigError):
            return seen
        if type(seen).__name__ == "ProcessRaisedException":  # a forked rank sends its traceback as text
            # the last one: an error that was raised from another shows both
            *_, name, last = ["", *re.split(r"^lit_optim\.\S+\.(\w+): ", str(seen), flags=re.MULTILINE)]
            lines = last.partition("\n\n")[0].strip().split("\n  - ") if last != str(seen) else []
            cls = NonFiniteError if name == NonFiniteError.__name__ else ConfigError
            return cls(*(lines[1:] or lines)) if lines else None
        seen = seen.__cause__
    return None


def exit_on_config_error(main: F) -> F:
    """Decorator for ``main``: prints one message for a wrong configuration, without a traceback, and exits 2.

    What fails on the machine (a full disk, a deleted folder, a lost process) has one message too, and exits 1.
    A run that `NonFiniteError` ends exits 3.

    Put it under ``@hydra.main``: there it shortens errors of ``hydra.utils.instantiate`` too, with the key first.
    Call ``exit_on_config_error(main)()`` around Hydra too, and what Hydra itself rejects on the command line ends the
    same way. ``HYDRA_FULL_ERROR=1`` shows Hydra's errors with their traceback.

    Example:
        >>> @exit_on_config_error
        ... def main(cfg):
        ...     raise ConfigError("trainer.max_epochs=0: nothing to train")
        >>> main({})
        Traceback (most recent call last):
        SystemExit: 2
    """
    task = inspect.unwrap(main)  # the function under @hydra.main

    @functools.wraps(main)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        full_error = os.environ.get("HYDRA_FULL_ERROR") == "1" and SHORT not in os.environ
        raising = {} if task is main or full_error else {"HYDRA_FULL_ERROR": "1", SHORT: "1"}  # Hydra raises its errors
        os.environ.update(raising)
        try:
            return main(*args, **kwargs)
        except BaseException as error:  # torch's errors of distributed checkpoints are no Exceptions
            frames = error.__traceback__
            while frames is not None and frames.tb_frame.f_code is not task.__code__:
                frames = frames.tb_next
            first = first_error(error)
            found = config_error_in(error) or config_error_in(first)
            message, code = str(found or ""), ConfigError.exit_code if found is None else found.exit_code
            if not message and not full_error and isinstance(error, Exception):
                message = hydra_message(error, before_main=frames is None)
                if not message:
                    message = failure_message(error) or failure_message(first)
                    code = exit_code_of_ranks(error) or 1
            if not message:
                raise error.with_traceback(frames or error.__traceback__)  # noqa: B904 - the same error
            if code <= 128:  # else a rank has said why
                print(message, file=sys.stderr)
            raise SystemExit(code) from None
        finally:
            for name in raising:
                os.environ.pop(name, None)

    return guarded  # type: ignore[return-value]  # functools.wraps keeps the signature, which F cannot say
