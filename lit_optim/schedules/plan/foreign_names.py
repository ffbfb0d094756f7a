"""Explain other libraries' names of a shape's arguments, which are rejected as they may mean something else."""

from __future__ import annotations

from collections.abc import Collection

from lit_optim.errors import did_you_mean

# their name -> ours, the first that the shape has; and how the value is converted
WORDS: dict[str, tuple[tuple[str, ...], str]] = {
    "T_0": (("period",), ""),
    "T_max": (("steps",), "; without it the phase ends with the run"),
    "T_mult": (("period_mult",), ""),
    "base_momentum": (("drive",), ".momentum.values"),
    "cycle_decay": (("peak_decay",), ""),
    "cycle_limit": (("cycles",), ""),
    "cycle_momentum": (("drive",), ".momentum.values"),
    "cycle_mul": (("period_mult",), ""),
    "d_model": (("model_size",), ""),
    "decay": (("gamma", "end_factor"), ""),
    "decay_length": (("decay",), ""),
    "decay_rate": (("gamma", "end_factor"), ""),
    "decay_steps": (("decay", "step_size"), ""),
    "decay_t": (("step_size",), ""),
    "decay_type": (("tail",), ""),
    "degree": (("power",), ""),
    "div_factor": (("start_factor",), " = 1 / div_factor"),
    "end_lr": (("min_lr",), ""),
    "eta_min": (("min_lr",), ", or end_factor, a share of the lr"),
    "final_div_factor": (("end_factor",), " = start_factor / final_div_factor"),
    "final_lr": (("min_lr",), ""),
    "k_decay": (("k",), ""),
    "lb": (("lower",), ""),
    "lr_end": (("min_lr",), ""),
    "lr_lambda": (("function",), ""),
    "lr_min": (("min_lr",), ""),
    "max_momentum": (("drive",), ".momentum.values"),
    "min_delta": (("threshold",), ""),
    "min_lr_ratio": (("end_factor",), ""),
    "min_ratio": (("end_factor",), ""),
    "num_cycles": (("cycles",), ""),
    "step_size": (("step_size_up",), ""),
    "t_initial": (("period", "steps"), ""),
    "total_iters": (("steps",), "; without it the phase ends with the run"),
    "ub": (("upper",), ""),
    "warmup_steps": (("timescale",), ""),
}


def meaning_elsewhere(word: str, accepted: Collection[str], key: str = "") -> str:
    """Return the tail of a message about an argument that a shape does not have: our name for it, or the nearest ones.

    Args:
        word: what the user wrote.
        accepted: the arguments that there are.
        key: dotted name of the scheduler, if the word was written there and not in the slot.

    Example:
        >>> meaning_elsewhere("div_factor", ["start_factor"]), meaning_elsewhere("end_factr", ["end_factor"])
        ('; here it is start_factor = 1 / div_factor', "; did you mean 'end_factor'?")
    """
    ours, how = WORDS.get(word, ((), ""))
    found = next((name for name in ours if name in accepted or name in ("steps", "drive", "min_lr")), None)
    inside = f"{key}." if key and found == "drive" else f"{key}.main." if key else ""
    return f"; here it is {inside}{found}{how}" if found else did_you_mean(word, accepted, list_all=True)
