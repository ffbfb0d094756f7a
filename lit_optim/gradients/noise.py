"""Add gradient noise with a decaying variance right before the update."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import torch

from lit_optim.distributed import cut_shard, local_tensor, sum_over_ranks
from lit_optim.errors import ConfigError, wrong
from lit_optim.gradients.transforms import Gradient, Link
from lit_optim.schedules.checks import is_number

GROUP_KEY = "gradient_noise"


def variance(step: int, eta: float, gamma: float) -> float:
    r"""Compute equation 1 of Neelakantan et al.: :math:`\sigma_t^2 = \eta / (1 + t)^\gamma`, with t from 0.

    Example:
        >>> variance(0, 0.01, 0.55), variance(99, 1.0, 0.5)
        (0.01, 0.1)
    """
    return float(eta / (1 + step) ** gamma)


def stream_seed(seed: int, step: int, name: str) -> int:
    """Hash its arguments to 64 bits, the same in every process; near arguments give unrelated numbers.

    Example:
        >>> stream_seed(0, 0, "weight"), stream_seed(0, 1, "weight")
        (16975060134623626974, 4561458777346883884)
    """
    return int.from_bytes(hashlib.blake2b(f"{seed}/{step}/{name}".encode(), digest_size=8).digest(), "little")


class Noise(Link):
    r"""Adds :math:`N(0, \eta / (1 + t)^\gamma)` to every gradient, after clipping; t counts real steps from 0.

    A `torch.Generator` on the gradient's device, seeded with (seed, t, parameter's name), draws the noise of the whole
    parameter in float32; a rank adds the part that belongs to its shard. So all ranks add the same, and a resumed run
    adds what the uninterrupted one does, on devices of one model: another model may draw other numbers. Real and
    imaginary part of a complex gradient get a number each. A group's ``gradient_noise`` replaces eta; 0 draws nothing.

    In n dimensions such noise has a norm of :math:`\sqrt{n}` deviations, which drowns a gradient that was clipped.
    ``relative`` noise has the variance eta times the mean square of the gradient, over all its parameters: its norm is
    :math:`\sqrt{\eta}` of the gradient's, whatever the size of the model and the clipping.

    Args:
        eta: variance of the first step.
        gamma: how fast the variance decays.
        seed: another seed gives other noise.
        every_n: adds noise in every n-th step only, beginning with the first.
        compile: has no effect, and warns if it is true; accepted for older configurations.
        exclude: parameters without noise: names, patterns (``head.*``), types (``norm``, ``bias``).
        relative: whether eta counts in mean squares of the gradient.

    Raises:
        ConfigError: if a value is no variance, no power or no seed.

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
        exclude: Any = (),
        relative: bool = False,
    ) -> None:
        if compile:
            warnings.warn("compile has no effect: gradient noise has no compiled form", stacklevel=2)
        super().__init__(exclude)
        if not is_number(eta) or eta <= 0:
            raise ConfigError(wrong("eta", eta, "is a variance and must be a finite number above 0; write e.g. 0.01"))
        if not is_number(gamma) or gamma < 0:
            raise ConfigError(wrong("gamma", gamma, "must be a finite number, at least 0; the paper has 0.55"))
        if type(seed) is not int:
            raise ConfigError(wrong("seed", seed, "must be a whole number; write e.g. 0"))
        if type(every_n) is not int or every_n < 1:
            raise ConfigError(wrong("every_n", every_n, "must be a whole number, at least 1"))
        if type(relative) is not bool:
            raise ConfigError(wrong("relative", relative, "must be true or false"))
        self.eta, self.gamma, self.seed, self.every_n, self.relative = eta, gamma, seed, every_n, relative
        self.measures = False  # whether the norms of the next step are compared
        self.ratio: torch.Tensor | None = None  # of the norm of the noise to that of the gradient, in that step

    def selects(self, group: dict[str, Any]) -> bool:
        """Return whether the group gets noise in this step."""
        return self.steps % self.every_n == 0 and self._eta(group) > 0

    def apply(self, gradients: Iterable[Gradient]) -> None:
        """Add the noise of this step."""
        found = [*gradients]
        squares = _mean_square(found) if found and (self.relative or self.measures) else None
        if squares is not None and self.measures:
            self.ratio = self._mean_variance(found) ** 0.5 / (1.0 if self.relative else squares.sqrt())
        for name, _, grad, group in found:
            part, shape = local_tensor(grad), tuple(grad.shape)
            if grad.is_complex():
                part, shape = torch.view_as_real(part), (*shape, 2)
            generator = torch.Generator(part.device).manual_seed(stream_seed(self.seed, self.steps, name))
            sigma = math.sqrt(variance(self.steps, self._eta(group), self.gamma))
            noise = torch.normal(0.0, sigma, shape, generator=generator, device=part.device, dtype=torch.float32)
            if self.relative and squares is not None:
                noise *= squares.sqrt().to(noise)
            part.add_(cut_shard(noise, grad))

    def _mean_variance(self, gradients: Sequence[Gradient]) -> torch.Tensor:
        """Return the mean of the variances over all numbers that get noise."""
        total = sum(each.grad.numel() * variance(self.steps, self._eta(each.group), self.gamma) for each in gradients)
        return torch.tensor(total / sum(each.grad.numel() for each in gradients), dtype=torch.float64)

    def _eta(self, group: dict[str, Any]) -> float:
        return eta_of_group(group[GROUP_KEY]) if GROUP_KEY in group else self.eta


def _mean_square(gradients: Sequence[Gradient]) -> torch.Tensor:
    """Return the mean of the squares of all numbers, over all shards."""
    parts = [(0, each.parameter, (_square(local_tensor(each.grad)),)) for each in gradients]
    total = sum_over_ranks(parts, 1, [each.parameter for each in gradients]).sum()
    return total / sum(each.grad.numel() * (1 + each.grad.is_complex()) for each in gradients)


def _square(part: torch.Tensor) -> torch.Tensor:
    numbers = torch.view_as_real(part) if part.is_complex() else part
    square: torch.Tensor = torch.linalg.vector_norm(numbers, dtype=torch.float64).square()
    return square


def eta_of_group(eta: Any, key: str = "param_groups") -> float:
    """Check and return the value of a group's ``gradient_noise``.

    Raises:
        ConfigError: if it is no variance.

    Example:
        >>> eta_of_group(-1)
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: param_groups.gradient_noise=-1: the eta of a group, a variance; must be a finite
        number, at least 0 (no noise)
    """
    if not is_number(eta) or eta < 0:
        rule = "the eta of a group, a variance; must be a finite number, at least 0 (no noise)"
        raise ConfigError(wrong(f"{key}.{GROUP_KEY}", eta, rule))
    return float(eta)
