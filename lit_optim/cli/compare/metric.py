"""Chooses the metric by which trials are selected, and whether it is to fall or to rise."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lit_optim.cli.compare.app import dotted
from lit_optim.errors import ConfigError

MIN, MAX = "min", "max"
FALLS = {"loss", "error", "err", "perplexity", "ppl", "nll", "mse", "mae", "rmse", "wer", "cer", "fid", "bpc", "bpb"}
RISES = {"acc", "accuracy", "f1", "auc", "auroc", "precision", "recall", "iou", "miou", "map", "dice", "bleu", "r2"}
RISES |= {"psnr", "ssim", "reward", "return", "top1", "top5"}
PLACES = (("monitor", ("monitor_mode", "mode")), ("scheduler.monitor", ("scheduler.mode",)))


def choose_metric(config: Mapping[str, Any], metric: str | None, mode: str | None) -> tuple[str, str]:
    """Return the name of the metric and its mode.

    Args:
        config: of the app.
        metric: of the command line; None: the app's ``optimized_metric``, ``scheduler.monitor`` or ``monitor``.
        mode: of the command line; None: the app's, or guessed from the name.

    Raises:
        ConfigError: where one of them cannot be known.

    Example:
        >>> choose_metric({"monitor": "val/acc", "monitor_mode": "max"}, None, None)
        ('val/acc', 'max')
        >>> choose_metric({"monitor": "val/acc"}, "val/loss", None)
        ('val/loss', 'min')
        >>> choose_metric({"monitor": "val/score"}, None, None)
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: val/score: whether it is to fall or to rise is not known; \
write --mode min or --mode max
    """
    keys = ("optimized_metric", "scheduler.monitor", "monitor")
    found = metric or next((name for name in (dotted(config, key) for key in keys) if isinstance(name, str)), None)
    if not found:
        rule = "the app names none, in optimized_metric or monitor; write the validation metric that counts"
        raise ConfigError(f"--metric: {rule}, e.g. --metric val/loss")
    return found, mode_of(config, found, mode, "--mode")


def mode_of(config: Mapping[str, Any], metric: str, mode: str | None, option: str) -> str:
    """Return the mode of a metric.

    Args:
        config: of the app.
        metric: its name.
        mode: of the command line; None: the app's, or guessed from the name.
        option: of the command line, for the mode.

    Raises:
        ConfigError: where it cannot be known.

    Example:
        >>> mode_of({"monitor": "val/loss", "mode": "min"}, "test/acc", None, "--test-mode")
        'max'
    """
    modes = [dotted(config, key) for name, keys in PLACES if dotted(config, name) == metric for key in keys]
    known: str | None = next((each for each in (mode, *modes, guessed_mode(metric)) if each in (MIN, MAX)), None)
    if known is None:
        rule = f"whether it is to fall or to rise is not known; write {option} min or {option} max"
        raise ConfigError(f"{metric}: {rule}")
    return known


def guessed_mode(metric: str) -> str | None:
    """Guess a mode from the words of a metric's name; None where they say nothing, or both.

    Example:
        >>> guessed_mode("val/loss"), guessed_mode("val_acc_epoch"), guessed_mode("score")
        ('min', 'max', None)
    """
    words = {*re.split(r"[^a-z0-9]+", metric.lower())}
    falls, rises = bool(words & FALLS), bool(words & RISES)
    return None if falls == rises else MIN if falls else MAX
