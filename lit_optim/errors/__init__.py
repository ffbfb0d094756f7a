"""Words errors in a configuration: the key, the value, the rule, and what to write instead."""

from __future__ import annotations

import functools
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, TypeVar

from lit_optim.errors.failures import exit_code_of_ranks, failure_message, first_error

HYDRA_NOTES = r"\n\s*(?:full_key: |object_type=|Available options|Config search path:|See https:)"
SHORT = "LIT_OPTIM_SHORT_ERRORS"  # set while HYDRA_FULL_ERROR is set by us, and not by the user
LONGEST = 300  # characters of Hydra's texts
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
        self.problems = tuple(dict.fromkeys(_one_line(problem) for problem in problems))
        super().__init__(*self.problems)

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return self.problems[0]
        lines = (f"  - {problem}" for problem in self.problems)
        return "\n".join([f"{len(self.problems)} errors in the configuration:", *lines])


class NonFiniteError(ConfigError):
    """Ends a run whose loss, gradients, weights or learning rate are not finite, with exit code 3."""

    exit_code = 3


def _one_line(problem: str) -> str:
    """Replace line breaks by spaces, and other control characters by escapes, which do not move the cursor."""
    flat = re.sub(r"\s+", " ", str(problem)) if re.search(r"[\n\r\v\f\x85\u2028\u2029]", str(problem)) else str(problem)
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda found: found[0].encode("unicode_escape").decode(), flat)


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


def wrong(key: str, value: Any, rule: str) -> str:
    """Word the message about a bad value.

    Example:
        >>> wrong("optimizer.lr", "abc", "AdamW expects float, got str")
        "optimizer.lr='abc': AdamW expects float, got str"
    """
    try:
        text = repr(value)
    except Exception:  # an object whose repr is broken
        text = f"<{type(value).__name__}>"
    return f"{key}={text if len(text) <= 120 else text[:117] + '...'}: {rule}"


def did_you_mean(word: str, options: Iterable[str], *, list_all: bool = False) -> str:
    """Return the end of a message about an unknown ``word``: the nearest option, or some of them.

    Example:
        >>> did_you_mean("lrr", ["lr", "betas"])
        "; did you mean 'lr'?"
        >>> did_you_mean("zzz", ["lr", "betas"], list_all=True)
        '; there are: betas, lr'
    """
    import difflib  # slow to import, and a Hydra app that does not use us imports this module

    names = sorted(options)
    near = difflib.get_close_matches(str(word), names, n=5, cutoff=0.5)
    if near:
        swapped = [name for name in near if sorted(name) == sorted(str(word))]  # two letters the wrong way round
        return f"; did you mean {(swapped or near)[0]!r}?"
    return "; there are: " + ", ".join(names) if list_all and names else ""


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


def hydra_message(error: BaseException, *, before_main: bool = False) -> str:
    """One line for an error of Hydra or OmegaConf, with the dotted key first; empty for any other error.

    Args:
        error: its causes are read too.
        before_main: Hydra has not called the app yet, so that any error is about the command line.

    Example:
        >>> from omegaconf import OmegaConf
        >>> try:
        ...     OmegaConf.create({"trainer": {"max_epochs": "${epochs}"}}).trainer.max_epochs
        ... except Exception as error:
        ...     print(hydra_message(error))
        trainer.max_epochs='${epochs}': Interpolation key 'epochs' not found
    """
    causes: list[Any] = [error]
    # OmegaConf's error says all; it has its own cause under a debugger or a tracer only
    while causes[-1].__cause__ is not None and not type(causes[-1]).__module__.startswith("omegaconf"):
        causes.append(causes[-1].__cause__)
    rejections: list[Any] = [e for e in causes if type(e).__module__.partition(".")[0] in ("hydra", "omegaconf")]
    notes = (note for cause in causes for note in getattr(cause, "__notes__", ()))  # of Hydra 1.4
    noted = next((note[10:] for note in notes if note.startswith("full_key: ")), None)
    if not rejections and noted is not None:
        return _message_of_called(error, noted)
    if not rejections:
        return f"{_cut(' '.join(sys.argv[1:]))}: {type(error).__name__}: {_cut(error)}" if before_main else ""
    last = rejections[-1]
    lines = [line.strip() for rejection in rejections for line in str(rejection).splitlines()]
    key = next(
        (line[10:] for line in reversed(lines) if line.startswith("full_key: ")), getattr(last, "override", None)
    )
    if causes[-1] is not last:  # raised by what Hydra called
        return _message_of_called(last.__cause__, key)
    text = "; ".join(re.split(HYDRA_NOTES, str(rejection))[0] for rejection in rejections)
    if missing := getattr(last, "missing_cfg_file", None):
        text += did_you_mean(missing.rpartition("/")[2], last.options or (), list_all=True)
    elif "is not in struct" in text and "Did you mean" not in text:  # as Hydra 1.4 says by itself
        there = getattr(last, "parent_node", None) or ()
        text += did_you_mean(str(getattr(last, "key", "")), map(str, there), list_all=True)
    value = getattr(last, "child_node", None)
    text = re.sub(r'\w+ raised while resolving interpolation: "?(.*?)"?$', r"\1", text)
    return _cut(text if key is None else f"{key}: {text}" if value is None else wrong(key, str(value), text))


def _message_of_called(error: BaseException, key: str | None) -> str:
    """Word an error of a class that Hydra has called, for the key of its config."""
    text = str(error) if isinstance(error, (TypeError, ValueError)) else f"{type(error).__name__}: {error}"
    argument = re.search(r"unexpected keyword argument '(\w+)'|^(\w+)=", text)
    if key and argument:
        key, text = f"{key}.{argument[1] or argument[2]}", text.removeprefix(argument[2] or "")
    return _cut(text if key is None else f"{key}{text}" if text.startswith("=") else f"{key}: {text}")


def _cut(text: Any) -> str:
    """One line of a length that a person reads."""
    line = _one_line(str(text))
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."
