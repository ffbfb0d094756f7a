"""What the memory gives: kernels that read and write what an optimizer must, and compute next to nothing.

A step of Adam reads p, g, m, v and writes p, m, v; one of SGD with momentum reads p, g, b and writes p, b. Nothing that
keeps this state can be faster by more than the calls, so optimizers are given as multiples of it too.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lit_optim.engine.compile_rule import compile_rule


def touch_4(p: Tensor, g: Tensor, m: Tensor, v: Tensor, scratch: Tensor, factor: Tensor) -> None:
    """The memory traffic of Adam: 7 streams."""
    p.add_(g)
    m.mul_(factor)
    v.mul_(factor)


def touch_3(p: Tensor, g: Tensor, b: Tensor, scratch: Tensor, factor: Tensor) -> None:
    """The memory traffic of SGD with momentum: 5 streams."""
    p.add_(g)
    b.mul_(factor)


def touch_5(p: Tensor, g: Tensor, m: Tensor, v: Tensor, w: Tensor, scratch: Tensor, factor: Tensor) -> None:
    """The memory traffic of AMSGrad: 9 streams."""
    p.add_(g)
    m.mul_(factor)
    v.mul_(factor)
    w.mul_(factor)


class Floor:
    """One call a tensor, all prepared; looks like an optimizer.

    Args:
        params: parameters with gradients.
        state: tensors of state per parameter.
    """

    def __init__(self, params: list[Tensor], state: int) -> None:
        text = {1: touch_3, 2: touch_4, 3: touch_5}[state]
        self.factor = torch.tensor([0.999])
        self.lists = []
        for p in params:
            tensors = [p.detach(), p.grad, *(torch.zeros_like(p) for _ in range(state))]
            self.lists.append([*(t.view(-1) for t in tensors), self.factor])
        self.call = compile_rule(text, self.lists[0][:-1], self.factor)

    def step(self) -> None:
        for tensors in self.lists:
            self.call(list(tensors))
