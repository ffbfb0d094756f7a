"""A Lightning step with and without the finite guard: of the small MLP, and of a net whose step takes some time.

The guard adds one norm over the gradients, two hooks and the copies of BatchNorms' statistics: tens of microseconds.
"""

from __future__ import annotations

import logging
import warnings
from typing import Any

import torch
from torch import nn

from benchmarks.interleave import table
from benchmarks.lightning_step import Configured, in_turn
from lit_optim.callbacks import FiniteGuard


class Guarded(Configured):
    """The mixin's module with a guard of any policy."""

    def __init__(self, policy: Any = None, *, convolutions: bool = False) -> None:
        super().__init__()
        self.policy = policy
        if convolutions:  # 26 tensors, 0.26 M parameters
            self.net = convolutional()

    def configure_callbacks(self) -> list[Any]:
        guard = [] if self.policy is None else [FiniteGuard(self.policy)]
        return [*super().configure_callbacks(), *guard]


def convolutional(width: int = 64, depth: int = 8) -> nn.Sequential:
    layers = (
        [nn.Conv2d(width if i else 1, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        for i in range(depth)
    )
    blocks = [module for layer in layers for module in layer]
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 64)
    )


def main(steps: int = 4000) -> None:
    policies = {"without": None, "policy: skip": "skip", "policy: rollback": "rollback", "without, once more": None}
    modules = {name: Guarded(policy) for name, policy in policies.items()}
    print(table("A step of the MLP of lightning_step, with the finite guard", in_turn(modules, steps)))
    modules = {name: Guarded(policy, convolutions=True) for name, policy in policies.items()}
    title = "A step of 8 convolutions with BatchNorm, 0.26 M parameters, batch 32"
    print(table(title, in_turn(modules, steps // 20), "Goal: at most 1.02."))


if __name__ == "__main__":
    torch.set_num_threads(1)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    main()
