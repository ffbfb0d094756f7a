"""A small regression whose parameters, gradients and steps are what an optimizer's capability entry asks for."""

from __future__ import annotations

import warnings

import torch

from lit_optim.config.capabilities import capabilities


class Problem(torch.nn.Module):
    """Sparse rows, matrices only, or a net with biases and a norm.

    Its gradients have full rank - square matrices, no mean subtracted - and differ from step to step. In the eigenbasis of
    one that has not, or that comes again, are zeros, which some optimizers divide by zeros: rounding errors decide.
    """

    def __init__(self, name: str):
        super().__init__()
        self.needs = capabilities(name)
        self.width = 4 if self.needs.hidden_matrices else 3
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        if self.needs.sparse:
            self.layer = torch.nn.Embedding(6, 3, sparse=True)
        elif self.needs.two_d:
            self.layer = torch.nn.Sequential(torch.nn.Linear(3, 3, bias=False), torch.nn.Linear(3, 3, bias=False))
        else:
            layers = [torch.nn.Linear(self.width, self.width) for _ in range(3 if self.needs.hidden_matrices else 2)]
            self.layer = torch.nn.Sequential(layers[0], torch.nn.RMSNorm(self.width), *layers[1:])

    def loss(self, rows: slice = slice(None), noise: int = 0) -> torch.Tensor:
        """The mean over some of the six examples, whose targets are off by a noise of that number."""
        generator = torch.Generator().manual_seed(3)
        like = next(self.parameters())
        x = torch.randn(6, self.width, generator=generator).to(like)
        y = torch.randn(6, self.width, generator=generator).to(like)
        y = y + (noise > 0) * 0.1 * torch.randn(6, self.width, generator=generator.manual_seed(noise)).to(like)
        indices = torch.arange(6, device=like.device)
        return (self.layer(indices[rows] if self.needs.sparse else x[rows]) - y[rows]).square().mean()

    def step(
        self, optimizer: torch.optim.Optimizer, rows: slice = slice(None), through: torch.nn.Module | None = None
    ) -> float:
        """One optimizer step, with all that the optimizer needs; returns the loss before it.

        Args:
            optimizer: of our parameters.
            rows: the examples.
            through: what wraps us, where something does.
        """

        def closure():
            optimizer.zero_grad()
            loss = (through or self)(rows, int(self.steps))
            loss.backward(create_graph=self.needs.second_order)
            return loss

        self.steps += 1
        if self.needs.modes:
            optimizer.train()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Using backward\\(\\) with create_graph=True")
            return optimizer.step(closure).item()

    forward = loss  # what DistributedDataParallel and fully_shard call


def weights(problem: torch.nn.Module) -> torch.Tensor:
    """All weights as one vector; those of sharded tensors too."""
    full = (p.full_tensor() if hasattr(p, "full_tensor") else p for p in problem.parameters())
    return torch.cat([p.detach().flatten() for p in full])
