"""Describe the keys that no preset comments."""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import Any

COMMON_KEYS = {
    "lr": "absolute learning rate",
    "betas": "decay rates of the running averages of the gradient and of its square",
    "eps": "added to the denominator, so that it is never 0",
    "weight_decay": "how strongly each step pulls the weights towards 0",
    "momentum": "share of the previous update that is kept",
    "dampening": "share of the new gradient that is left out of the momentum buffer",
    "nesterov": "take the gradient as if looking one momentum step ahead",
    "amsgrad": "divide by the largest running average of the squared gradient so far",
    "decoupled_weight_decay": "weight decay as in AdamW; false = L2, added to the gradient",
    "maximize": "climb the gradient: makes the loss as large as possible",
    "foreach": "all tensors in a few kernels; null = the fastest that is right is chosen",
    "fused": "the whole step in one kernel; null = the fastest that is right is chosen",
    "capturable": "safe to record in a CUDA graph; slower otherwise",
    "differentiable": "gradients can flow through the step; slower, for meta-learning",
    "max_eval": "most calls of the closure in one optimizer step; null = 1.25 times max_iter",
    "ns_coefficients": "coefficients of the Newton-Schulz polynomial",
}
SCHEDULE_KEYS = {
    "steps": "length: optimizer steps (500), share of the run (5%), epochs (2ep); 0 = none",
    "shape": "a shape of lit_optim.schedules, or the import path of your own",
    "min_lr": "absolute lr at the lower end, in place of its factor",
    "main.steps": "length; null = what warmup and cooldown leave",
    "warmup.start_factor": "factor at the first step; null = 1 / steps, so that it is never 0",
    "cooldown.start_factor": "factor at its first step; null = where main ends",
    "drive": "other keys of the groups, driven over the same steps",
    "groups": "slots for one group only, by its name",
    "name": "of the learning rate, in logs",
}
RULE_KEYS = {
    "rules": "every rule that matches a parameter counts, key by key, and the later one wins; the rest inherit",
    "match": "which parameters: by name, module, type, role, ndim, declared; all, any, not",
}


def argument_docs(target: Any) -> dict[str, str]:
    """Read the arguments' section of a docstring: Google's style, torch's, and older ones.

    Example:
        >>> from lit_optim.schedules import cosine
        >>> argument_docs(cosine)["start_factor"]
        'factor at step 0, at least 0'
    """
    text = inspect.getdoc(target) or ""
    section = re.search(r"^( *)(?:Args|Arguments):\n((?:\1 +.*\n|\n)*)", text + "\n", re.MULTILINE)
    if not section:
        return {}
    found = re.findall(r"^(\w+)(?: \([^)]*\))?: *(.*(?:\n+ +.*)*)", textwrap.dedent(section[2]), re.MULTILINE)
    return {name: " ".join(text.replace("`", "").split()).removesuffix(".") for name, text in found}
