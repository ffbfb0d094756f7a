from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from typing import Any

from lit_optim import ConfigError
from lit_optim.errors import did_you_mean, wrong


def check_logged(key: str, name: Any, logged: Iterable[str]) -> None:
    """A metric of that name is logged.

    Raises:
        ConfigError: with those that are.
    """
    logged = sorted(logged)
    if name not in logged:
        rule = f"no such metric is logged; there are: {', '.join(logged) or 'none'}{did_you_mean(str(name), logged)}"
        raise ConfigError(wrong(key, name, rule))


def rows(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and values as text; learning rates, which LearningRateMonitor adds, are no result.

    Example:
        >>> rows({"val/acc": 0.98765, "lr": 1e-3, "train/loss": 0.5})
        [('train/loss', '0.5000'), ('val/acc', '0.9877')]
    """
    return [(name, f"{float(metrics[name]):.4f}") for name in sorted(metrics) if not name.startswith("lr")]


def table(metrics: Mapping[str, Any]) -> str:
    """One table: drawn by rich on a terminal, else plain text in columns."""
    found = rows(metrics)
    if sys.stdout.isatty() and find_spec("rich") is not None:
        from rich import box
        from rich.console import Console
        from rich.table import Table

        drawn = Table("metric", "value", box=box.SIMPLE_HEAD)
        drawn.columns[1].justify = "right"
        for row in found:
            drawn.add_row(*row)
        console = Console()
        with console.capture() as capture:
            console.print(drawn)
        return capture.get()
    width = max((len(name) for name, _ in found), default=0)
    return "".join(["\n", *(f"{name:<{width}}  {value:>10}\n" for name, value in found)])
