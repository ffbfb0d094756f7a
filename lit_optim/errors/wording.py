"""Words a message: the key and its value, the nearest option, one line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

LONGEST = 300  # characters of texts that others wrote


def one_line(problem: str) -> str:
    """Replace line breaks by spaces, and other control characters by escapes, which do not move the cursor."""
    flat = re.sub(r"\s+", " ", str(problem)) if re.search(r"[\n\r\v\f\x85\u2028\u2029]", str(problem)) else str(problem)
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda found: found[0].encode("unicode_escape").decode(), flat)


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
        >>> did_you_mean("WSD", ["wsd", "none"])
        "; did you mean 'wsd'?"
        >>> did_you_mean("zzz", ["lr", "betas"], list_all=True)
        '; there are: betas, lr'
    """
    import difflib  # slow to import, and a Hydra app that does not use us imports this module

    names = sorted(options)
    folded = [name for name in names if name.lower() == str(word).lower()]
    near = folded or difflib.get_close_matches(str(word), names, n=5, cutoff=0.6)
    near = near or [name for name in names if word and name.startswith(str(word))]  # base -> base_width
    near = near or [name for name in names if difflib.get_close_matches(str(word), [name.rpartition(".")[2]])]
    if near:
        swapped = [name for name in near if sorted(name) == sorted(str(word))]  # two letters the wrong way round
        return f"; did you mean {(swapped or near)[0]!r}?"
    return "; there are: " + ", ".join(names) if list_all and names else ""


def cut(text: Any) -> str:
    """One line of a length that a person reads."""
    line = one_line(str(text))
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."
