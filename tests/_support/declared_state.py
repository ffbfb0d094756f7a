"""A net whose layers are declared in any order, and that computes the same in each."""

from __future__ import annotations

import warnings

import torch

from lit_optim.config.capabilities import capabilities

ORDERS = ("abc", "cab")  # a and b have equal shapes


class Declared(torch.nn.Module):
    """Three layers, summed; sparse tables or matrices alone where an optimizer asks for them.

    Args:
        name: of an optimizer preset.
        order: of the declarations; weights depend on a layer's name alone.
    """

    def __init__(self, name: str = "adamw", order: str = "abc"):
        super().__init__()
        self.needs = capabilities(name)
        self.steps = 0
        for letter in order:
            rows = 4 if letter == "c" else 3
            if self.needs.sparse:
                layer = torch.nn.Embedding(rows + 3, 2, sparse=True)
            else:
                layer = torch.nn.Linear(4, rows, bias=not self.needs.two_d)
            self.add_module(letter, layer)
            generator = torch.Generator().manual_seed(ord(letter))
            with torch.no_grad():
                for p in layer.parameters():
                    p.copy_(torch.randn(p.shape, generator=generator))

    def loss(self, step: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(step)
        x = torch.arange(5) if self.needs.sparse else torch.randn(8, 4, generator=generator)
        targets = {letter: torch.randn(1, generator=generator) for letter in "abc"}
        return sum((getattr(self, letter)(x) - targets[letter]).square().mean() for letter in "abc")

    def train_with(self, optimizer: torch.optim.Optimizer, steps: int) -> None:
        """Takes steps, with all that the optimizer needs."""

        def closure():
            optimizer.zero_grad()
            loss = self.loss(self.steps)
            loss.backward(create_graph=self.needs.second_order)
            return loss

        for _ in range(steps):
            self.steps += 1
            torch.manual_seed(self.steps)
            if self.needs.modes:
                optimizer.train()
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Using backward\\(\\) with create_graph=True")
                optimizer.step(closure)

    def by_name(self) -> dict[str, torch.Tensor]:
        return {name: p.detach().clone() for name, p in self.named_parameters()}


def state_by_name(optimizer: torch.optim.Optimizer, net: torch.nn.Module) -> dict[str, dict]:
    """The live state of every parameter that has any."""
    return {name: dict(optimizer.state[p]) for name, p in net.named_parameters() if optimizer.state.get(p)}


def same(one, other) -> bool:
    """Whether two states are equal to the bit."""
    if isinstance(one, torch.Tensor) or isinstance(other, torch.Tensor):
        return torch.equal(torch.as_tensor(one), torch.as_tensor(other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other
