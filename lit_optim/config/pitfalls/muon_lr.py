"""Finds a learning rate of Muon on the scale of the other form of its updates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lit_optim.config.build.parts import COMPOSITE, OURS, check_composite
from lit_optim.config.pitfalls.classes import as_number
from lit_optim.config.pitfalls.finding import Finding
from lit_optim.config.read.spec import Spec
from lit_optim.errors import ConfigError

CHECK = "muon_lr"
HIGH, LOW = 0.01, 2e-3  # from here on, and down to here


def muon_lr(optimizer: Spec) -> list[Finding]:
    """Find an lr of at least 0.01 with ``match_rms_adamw``, or of at most 2e-3 with ``original``.

    Args:
        optimizer: its spec, which may be a composite with Muon as a part.

    Example:
        >>> print(*muon_lr(Spec("torch.optim.Muon", {"lr": 0.02, "adjust_lr_fn": "match_rms_adamw"})))
        optimizer.lr=0.02: match_rms_adamw puts the lr on AdamW's scale, where this is large; write e.g. 1e-3, or \
adjust_lr_fn: original
    """
    findings = []
    for key, arguments in _muons(optimizer):
        lr, scale = as_number(arguments.get("lr", 1e-3)), arguments.get("adjust_lr_fn") or "original"
        if lr is None:
            continue
        if scale == "match_rms_adamw" and lr >= HIGH:
            problem = "match_rms_adamw puts the lr on AdamW's scale, where this is large"
            remedy = "write e.g. 1e-3, or adjust_lr_fn: original"
        elif scale == "original" and 0 < lr <= LOW:
            problem = "adjust_lr_fn: original needs about 20 times the lr of AdamW"
            remedy = "write e.g. 0.02, or adjust_lr_fn: match_rms_adamw"
        else:
            continue
        findings.append(Finding(CHECK, "warning", f"{key}.lr={lr:g}", problem, remedy))
    return findings


def _muons(optimizer: Spec) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the dotted names and arguments of all specs of a Muon."""
    if optimizer.path == COMPOSITE:
        try:
            parts = check_composite(optimizer).arguments["parts"]
        except ConfigError:  # which `validate` reports
            return
        for name, part in parts.items():
            if part["optimizer"] in OURS.values():
                yield f"{optimizer.key}.parts.{name}", part
    elif optimizer.path in (*OURS, *OURS.values()):
        yield optimizer.key, optimizer.arguments
