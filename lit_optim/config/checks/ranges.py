"""Reject values that a class of torch or of a preset's package accepts but cannot train with."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

from lit_optim.errors import Problems
from lit_optim.imports import EXTRAS

# argument -> (lowest, highest); for one class only where the name means something else elsewhere
TORCH = {
    "momentum": (0.0, 0.9999999),
    "dampening": (0.0, 1.0),
    "RMSprop.alpha": (0.0, 1.0),
    "ASGD.alpha": (0.0, 1.0),
    "ASGD.lambd": (0.0, 1.0),
    "ASGD.t0": (0.0, inf),
    "ns_steps": (1, 99),
    # of its schedulers: lengths in calls of step(), counts, and lrs
    **dict.fromkeys(("step_size", "T_max", "T_0", "T_mult", "total_steps", "epochs", "steps_per_epoch"), (1, inf)),
    **dict.fromkeys(("step_size_up", "step_size_down", "PolynomialLR.total_iters"), (1, inf)),
    **dict.fromkeys(("max_iter", "history_size"), (1, inf)),
    **dict.fromkeys(("total_iters", "patience", "cooldown", "gamma", "milestones"), (0, inf)),
    **dict.fromkeys(("max_lr", "base_lr", "eta_min", "min_lr"), (0, inf)),
}
# what the names of optimizers' arguments mean in the presets' other packages, each value of a tuple by itself
OTHER_PACKAGES = {
    "momentum": (0.0, 0.9999999),
    "betas": (0.0, 0.9999999),
    "clip_threshold": (1e-30, inf),
    "d0": (1e-30, inf),
    "d_coef": (1e-30, inf),
    "trust_coefficient": (1e-30, inf),
    **dict.fromkeys(("eps", "lr", "warmup_steps", "weight_decay"), (0.0, inf)),
}


def check_ranges(cls: type, arguments: Mapping[str, Any], key: str, problems: Problems) -> None:
    """Collect the arguments of a known package's class that lie outside of the range in which it works.

    Example:
        >>> import torch
        >>> found = Problems()
        >>> check_ranges(torch.optim.SGD, {"momentum": 5.0}, "optimizer", found); found
        ['optimizer.momentum=5.0: must lie between 0 and 1']
    """
    torchs = cls.__module__.startswith("torch.optim.")
    if not torchs and cls.__module__.partition(".")[0] not in EXTRAS:
        return
    table = TORCH if torchs else OTHER_PACKAGES
    for name, value in arguments.items():
        limits = table.get(f"{cls.__name__}.{name}", table.get(name))
        if limits is None:
            continue
        low, high = limits
        limit = f"be at least {low:g}" if high == inf else f"lie between {low:g} and {high:.3g}"
        for item in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(item, (int, float)) and not isinstance(item, bool) and not low <= item <= high:
                problems.add(f"{key}.{name}", value if torchs else item, f"must {limit}")
    search, sizes = arguments.get("line_search_fn"), arguments.get("step_sizes")
    if torchs and cls.__name__ == "LBFGS" and search not in (None, "strong_wolfe"):
        problems.add(f"{key}.line_search_fn", search, "LBFGS knows only 'strong_wolfe'; or leave it out")
    if torchs and cls.__name__ == "Rprop" and isinstance(sizes, tuple) and not 0 < sizes[0] <= sizes[1]:
        problems.add(f"{key}.step_sizes", sizes, "the smallest step size comes first, and is above 0")
