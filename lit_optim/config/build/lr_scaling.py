"""Scale the lr of a spec, which is meant for a batch of some size, to the batch of the run.

Linear: Goyal et al. 2017 (arXiv:1706.02677), for SGD. Square root: Malladi et al. 2022 (arXiv:2205.10343), for
adaptive optimizers; of their rule, which scales betas and eps too, this is the lr.
"""

from __future__ import annotations

import difflib
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch.optim import Optimizer

from lit_optim.config.checks.keyword_arguments import check_call
from lit_optim.config.read.spec import LR_SCALING, Spec
from lit_optim.duration import COUNT, is_count
from lit_optim.errors import ConfigError, Problems, did_you_mean
from lit_optim.scheduler.batch_size import BatchSize
from lit_optim.scheduler.rescale_lr import multiply_lrs

Rule = Literal["linear", "sqrt", "auto"]
RATIO, STEPS = 4.0, 12  # of the gradients that are compared; RAdam is an SGD for its first five steps


def lr_factor(rule: str, batch: int, base: int) -> float:
    """Return ``batch / base``, or its square root.

    Example:
        >>> lr_factor("linear", 1024, 256), lr_factor("sqrt", 1024, 256)
        (4.0, 2.0)
    """
    return math.sqrt(batch / base) if rule == "sqrt" else batch / base


class LrScaling(NamedTuple):
    """The key ``lr_scaling`` of an optimizer spec.

    Args:
        base_batch_size: samples of an optimizer step for which the lrs of the spec are meant.
        rule: ``linear`` or ``sqrt``; ``auto`` in the configuration: by the class.
        batch_size: samples of an optimizer step; None: read from the Trainer.
    """

    base_batch_size: int
    rule: str
    batch_size: int | None


@dataclass(frozen=True)
class ScaledLr:
    """The lr of a spec, and what it is for the batch of a run.

    Example:
        >>> print(ScaledLr(0.1, "linear", 256, BatchSize(256, accumulation=2, devices=2)))
        lr 0.1 x 4 (linear: batch 1024 = 2 devices x 2 accumulated x 256, base 256) = 0.4
    """

    configured: float
    rule: str
    base_batch_size: int
    batch: BatchSize

    @property
    def factor(self) -> float:
        """Return what all lrs of the spec are multiplied by."""
        return lr_factor(self.rule, self.batch.samples, self.base_batch_size)

    @property
    def lr(self) -> float:
        """Return the optimizer's lr."""
        return self.configured * self.factor

    def __str__(self) -> str:
        """Write the computation in a line."""
        how = f"{self.rule}: batch {self.batch}, base {self.base_batch_size}"
        return f"lr {self.configured:g} x {self.factor:g} ({how}) = {self.lr:g}"


def check_lr_scaling(spec: Spec, cls: Any, arguments: Mapping[str, Any], problems: Problems) -> LrScaling | None:
    """Check and coerce the key ``lr_scaling`` of an optimizer spec; None where there is none.

    Args:
        spec: with the key.
        cls: the optimizer's class or factory, which ``auto`` tries.
        arguments: for it, checked.
        problems: collects what is wrong.
    """
    if spec.lr_scaling is None:
        return None
    key, found = f"{spec.key}.{LR_SCALING}", Problems()
    if not isinstance(spec.lr_scaling, Mapping):
        problems.add(key, spec.lr_scaling, f"expects a mapping; write {{base_batch_size: {spec.lr_scaling}}}")
        return None
    given = check_call(_lr_scaling, spec.lr_scaling, key, found)
    for name in ("base_batch_size", "batch_size"):
        if given.get(name) is not None and not is_count(given[name]):
            found.add(f"{key}.{name}", given[name], COUNT)
    rule = given.get("rule", "auto")
    if not found and rule == "auto":
        try:
            rule = "linear" if _grows_with_gradient(cls, arguments) else "sqrt"
        except Exception:
            rule = f"is not known for {spec.path}; write linear (SGD and its kind) or sqrt (Adam and its kind)"
            found.add(f"{key}.rule", "auto", rule)
    problems.extend(found)
    return None if found else LrScaling(given["base_batch_size"], rule, given.get("batch_size"))


def _lr_scaling(base_batch_size: int, rule: Rule = "auto", batch_size: int | None = None) -> None:
    """Hold the names and types of the keys."""


_lr_scaling.__name__ = LR_SCALING  # as messages call it


def _grows_with_gradient(cls: type[Optimizer], arguments: Mapping[str, Any]) -> bool:
    """Return whether an optimizer's steps are longer for larger gradients: SGD's are, those of an Adam are not.

    Raises:
        Exception: of the optimizer; ValueError where it does not move.
    """
    off = {name: False for name in ("capturable", "compile") if name in arguments}
    lr = {"lr": 0.1} if isinstance(arguments.get("lr"), float) else {}
    lengths = []
    for scale in (1.0, RATIO):
        parameter = torch.zeros(4, 4, requires_grad=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            optimizer = cls([parameter], **{**arguments, **off, **lr})
            if hasattr(optimizer, "train"):  # schedule-free
                optimizer.train()
            for _ in range(STEPS):
                before = parameter.detach().clone()
                parameter.grad = scale * torch.linspace(-1.0, 1.0, 16).view(4, 4)
                optimizer.step(lambda: 0.0)
        lengths.append(float((parameter.detach() - before).norm()))
    if not 0 < lengths[0] < math.inf:
        raise ValueError("it does not move")
    return lengths[1] / lengths[0] > math.sqrt(RATIO)


def nearest_argument(name: str, known: Sequence[str]) -> str:
    """Return the end of a message about an unknown argument of an optimizer, which may mean ``lr_scaling``."""
    meant = difflib.get_close_matches(name, [LR_SCALING], cutoff=0.7)
    return did_you_mean(name, meant or known, list_all=True)


def scale_lr(scaling: LrScaling, optimizer: Optimizer, batch: BatchSize | None, key: str = "optimizer") -> ScaledLr:
    """Multiply the lrs of an optimizer and of its groups, which are per base batch.

    Args:
        scaling: the rule.
        optimizer: new, without a scheduler.
        batch: of the run; None where it is not known.
        key: dotted name of the optimizer's spec.

    Raises:
        ConfigError: where the batch is not known, or the optimizer has no lr.
    """
    where, lr = f"{key}.{LR_SCALING}", optimizer.defaults.get("lr")
    batch = batch if scaling.batch_size is None else BatchSize(scaling.batch_size, given=True)
    if batch is None:
        rule = "missing; without a Trainer, give the samples of an optimizer step"
        raise ConfigError(f"{where}.batch_size: {rule}, {where}.batch_size={scaling.base_batch_size}")
    if not isinstance(lr, (int, float, torch.Tensor)):
        raise ConfigError(f"{where}: {type(optimizer).__name__} has no lr that could be scaled; remove it")
    scaled = ScaledLr(float(lr), scaling.rule, scaling.base_batch_size, batch)
    multiply_lrs(optimizer, scaled.factor)
    return scaled
