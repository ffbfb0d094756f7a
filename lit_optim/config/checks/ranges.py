"""Values that classes take without a word, and that no run survives: torch's, and those of the packages of presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lit_optim.errors import Problems
from lit_optim.imports import EXTRAS

# argument -> (lowest, highest); for one class only where the name means something else elsewhere
RANGES: dict[str, tuple[float, float]] = {
    "momentum": (0.0, 0.9999999),
    "dampening": (0.0, 1.0),
    "RMSprop.alpha": (0.0, 1.0),
    "ASGD.alpha": (0.0, 1.0),
    "ASGD.lambd": (0.0, 1.0),
    "ASGD.t0": (0.0, float("inf")),
    "max_iter": (1, float("inf")),
    "history_size": (1, float("inf")),
    "ns_steps": (1, 99),
}
# what the same names mean in every other package, each value of a tuple by itself
ELSEWHERE = {
    "betas": (0.0, 0.9999999),
    "clip_threshold": (1e-30, float("inf")),
    "d0": (1e-30, float("inf")),
    "d_coef": (1e-30, float("inf")),
    "eps": (0.0, float("inf")),
    "lr": (0.0, float("inf")),
    "momentum": (0.0, 0.9999999),
    "trust_coefficient": (1e-30, float("inf")),
    "warmup_steps": (0, float("inf")),
    "weight_decay": (0.0, float("inf")),
}


def check_ranges(cls: type, arguments: Mapping[str, Any], key: str, problems: Problems) -> None:
    """Notes the values of a known package's optimizer that lie outside the range in which it is an optimizer.

    Example:
        >>> import torch
        >>> found = Problems()
        >>> check_ranges(torch.optim.SGD, {"momentum": 5.0}, "optimizer", found); found
        ['optimizer.momentum=5.0: must lie between 0 and 1']
    """
    if cls.__module__.partition(".")[0] in EXTRAS:
        for name, value in arguments.items():
            if name in ELSEWHERE:
                for item in value if isinstance(value, tuple) else (value,):
                    _check(f"{key}.{name}", item, ELSEWHERE[name], problems)
    if not cls.__module__.startswith("torch.optim."):
        return
    for name, value in arguments.items():
        limits = RANGES.get(f"{cls.__name__}.{name}", RANGES.get(name))
        if limits is not None:
            _check(f"{key}.{name}", value, limits, problems)
    search = arguments.get("line_search_fn")
    if cls.__name__ == "LBFGS" and search not in (None, "strong_wolfe"):
        problems.add(f"{key}.line_search_fn", search, "LBFGS knows only 'strong_wolfe'; or leave it out")
    sizes = arguments.get("step_sizes")
    if cls.__name__ == "Rprop" and isinstance(sizes, tuple) and not 0 < sizes[0] <= sizes[1]:
        problems.add(f"{key}.step_sizes", sizes, "the smallest step size comes first, and is above 0")


def _check(key: str, value: Any, limits: tuple[float, float], problems: Problems) -> None:
    low, high = limits
    if isinstance(value, (int, float)) and not low <= value <= high:
        limit = f"be at least {low:g}" if high == float("inf") else f"lie between {low:g} and {high:.3g}"
        problems.add(key, value, f"must {limit}")
