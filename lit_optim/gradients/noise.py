"""Gradient noise: normal numbers with a decaying variance, added to what the optimizer is going to consume."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from lit_optim.distributed import local_tensor, shard_runs
from lit_optim.errors import ConfigError, wrong
from lit_optim.gradients.elements import Elements
from lit_optim.gradients.link import Given, Link
from lit_optim.gradients.normal import SPAN, keys
from lit_optim.gradients.rows import BLOCK, Keys, Rows

GROUP_KEY = "gradient_noise"
CHUNK = BLOCK * SPAN  # elements
Adder = Rows | Elements


def variance(step: int, eta: float, gamma: float) -> float:
    r"""Equation 1 of Neelakantan et al.: :math:`\sigma_t^2 = \eta / (1 + t)^\gamma`, with t from 0.

    Example:
        >>> variance(0, 0.01, 0.55), variance(99, 1.0, 0.5)
        (0.01, 0.1)
    """
    return float(eta / (1 + step) ** gamma)


class Noise(Link):
    r"""Adds :math:`N(0, \eta / (1 + t)^\gamma)` to every gradient, after clipping; t counts real steps from 0.

    Each number is a function of (seed, t, tensor, element), so that all ranks add the same, a shard adds its part of
    the whole tensor's noise, and a resumed run goes on as if nothing had happened. The two parts of a complex
    gradient get a number each. A group's ``gradient_noise`` stands in for eta; where it is 0 nothing is computed.

    Args:
        eta: variance of the first step.
        gamma: how fast the variance decays.
        seed: another seed, other noise.
        every_n: adds noise in every n-th step only, beginning with the first.
        compile: one kernel for everything, compiled in the first step in some seconds; the numbers differ in the last
            digits.
        exclude: parameters without noise: names, patterns (``head.*``), types (``norm``, ``bias``).

    Raises:
        ConfigError: for values that are no variance, no power or no seed.

    Paper: Neelakantan et al. 2015, Adding Gradient Noise Improves Learning for Very Deep Networks, arXiv:1511.06807

    Example:
        >>> layer = torch.nn.Linear(2, 2)
        >>> optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
        >>> noise = Noise(eta=0.01, seed=1).attach(optimizer, layer)
        >>> layer(torch.ones(2)).sum().backward(); optimizer.step(); noise.state_dict()
        {'steps': 1}
    """

    kind = "gradient_noise"
    after_clipping = True

    def __init__(
        self,
        eta: float = 0.01,
        gamma: float = 0.55,
        seed: int = 0,
        every_n: int = 1,
        compile: bool = False,
        exclude: Sequence[str] = (),
    ) -> None:
        super().__init__(exclude)
        if not _finite(eta) or eta <= 0:
            raise ConfigError(wrong("eta", eta, "is a variance and must be a finite number above 0; write e.g. 0.01"))
        if not _finite(gamma) or gamma < 0:
            raise ConfigError(wrong("gamma", gamma, "must be a finite number, at least 0; the paper has 0.55"))
        for name, value, least in (("seed", seed, None), ("every_n", every_n, 1)):
            if type(value) is not int or (least is not None and value < least):
                rule = "must be a whole number" + (f", at least {least}" if least is not None else "; write e.g. 0")
                raise ConfigError(wrong(name, value, rule))
        self.eta, self.gamma, self.seed, self.every_n = eta, gamma, seed, every_n
        self._adders: dict[torch.device, Adder] = {}
        self._adder: type[Adder] = Elements if compile else Rows

    def selects(self, group: dict[str, Any]) -> bool:
        """Whether the group gets noise in this step."""
        return self.steps % self.every_n == 0 and self._eta(group) > 0

    def apply(self, given: Iterable[Given]) -> None:
        """Adds the noise of this step."""
        for name, _, grad, group in given:
            sigma2 = variance(self.steps, self._eta(group), self.gamma)
            words = functools.partial(keys, self.seed, self.steps, name)
            part = local_tensor(grad)
            if part.device not in self._adders:
                self._adders[part.device] = self._adder(part.device)
            add_noise(self._adders[part.device], part, shard_runs(grad), sigma2, words)
        for adder in self._adders.values():
            adder.flush()

    def _eta(self, group: dict[str, Any]) -> float:
        return eta_of_group(group[GROUP_KEY]) if GROUP_KEY in group else self.eta


def add_noise(adder: Adder, grad: Tensor, parts: Iterable[tuple[int, int, int]], sigma2: float, words: Keys) -> None:
    """Adds noise to what this rank has of a gradient.

    Args:
        adder: does it, at its next ``flush`` at the latest.
        grad: an ordinary tensor.
        parts: its runs, see `lit_optim.distributed.shard_runs`.
        sigma2: variance.
        words: keys of the whole tensor in this step.
    """
    if grad.is_complex():
        grad = torch.view_as_real(grad)
        parts = [(2 * place, 2 * start, 2 * length) for place, start, length in parts]
    parts = list(parts)
    if grad.is_contiguous():
        flat = grad.view(-1)
        for place, start, length in parts:
            adder.add(flat[place : place + length], start, sigma2, words)
        return
    # other strides: elements are counted as in a contiguous tensor, and the numbers come by way of a few rows of one
    height = grad.shape[0]
    width = grad.numel() // height
    at_once = max(CHUNK // width, 1) if len(parts) == 1 else height
    for first in range(0, height, at_once):
        some = grad[first : first + at_once]
        noise = torch.zeros(some.shape, device=grad.device)
        inner = [(0, parts[0][1] + first * width, noise.numel())] if at_once < height else parts
        add_noise(adder, noise, inner, sigma2, words)
        adder.flush()
        some.add_(noise)


def eta_of_group(eta: Any, key: str = "param_groups") -> float:
    """The value of a group's ``gradient_noise``.

    Raises:
        ConfigError: where it is no variance.

    Example:
        >>> eta_of_group(-1)
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: param_groups.gradient_noise=-1: the eta of a group, a variance; must be a finite
        number, at least 0 (no noise)
    """
    if not _finite(eta) or eta < 0:
        rule = "the eta of a group, a variance; must be a finite number, at least 0 (no noise)"
        raise ConfigError(wrong(f"{key}.{GROUP_KEY}", eta, rule))
    return float(eta)


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
