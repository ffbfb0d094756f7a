"""Words errors in a configuration: the key, the value, the rule, and what to write instead."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class ConfigError(ValueError):
    """Holds all problems of a configuration, one line a problem.

    Args:
        problems: complete sentences, each of which names its key; repeated ones are dropped.

    Example:
        >>> raise ConfigError("optimizer.lrr=0.1: AdamW has no argument 'lrr'")
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: optimizer.lrr=0.1: AdamW has no argument 'lrr'
    """

    def __init__(self, *problems: str) -> None:
        self.problems = tuple(dict.fromkeys(_one_line(problem) for problem in problems))
        super().__init__(*self.problems)

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return self.problems[0]
        lines = (f"  - {problem}" for problem in self.problems)
        return "\n".join([f"{len(self.problems)} errors in the configuration:", *lines])


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
            found = re.search(r"^lit_optim\.\S+\.\w+: (.*)", str(seen), re.DOTALL | re.MULTILINE)
            lines = found.group(1).strip().split("\n  - ") if found else []
            return ConfigError(*(lines[1:] or lines)) if lines else None
        seen = seen.__cause__
    return None


def exit_on_config_error(main: F) -> F:
    """Decorate ``main``, under ``@hydra.main``, to print a ConfigError without a traceback and exit with 2.

    Example:
        >>> @exit_on_config_error
        ... def main(cfg):
        ...     raise ConfigError("trainer.max_epochs=0: nothing to train")
        >>> main({})
        Traceback (most recent call last):
        SystemExit: 2
    """

    @functools.wraps(main)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return main(*args, **kwargs)
        except BaseException as error:  # torch's errors of distributed checkpoints are no Exceptions
            config_error = config_error_in(error)
            if config_error is None:
                raise
            print(config_error, file=sys.stderr)
            raise SystemExit(2) from None

    return guarded  # type: ignore[return-value]  # functools.wraps keeps the signature, which F cannot say
