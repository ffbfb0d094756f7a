"""A small net with every kind of parameter, with its gradients, and what a step made of them."""

import torch
from torch import nn


class Mixed(nn.Module):
    def __init__(self, dtype=torch.float64):
        super().__init__()
        torch.manual_seed(2)
        self.conv1 = nn.Conv1d(3, 4, 5, dtype=dtype)
        self.conv2 = nn.Conv2d(2, 3, 3, dtype=dtype)
        self.norm = nn.LayerNorm(4, dtype=dtype)
        self.emb = nn.Embedding(6, 3, dtype=dtype)
        self.head = nn.Linear(7, 1, dtype=dtype)
        self.gain = nn.Parameter(torch.tensor(0.5, dtype=dtype))
        self.empty = nn.Parameter(torch.zeros(0, 3, dtype=dtype))

    def backward(self, scale=1.0):
        """Sets gradients that no two elements share."""
        for i, p in enumerate(self.parameters()):
            p.grad = scale * (i + 1) * torch.randn(p.shape, generator=torch.Generator().manual_seed(i), dtype=p.dtype)

    def grads(self):
        return {name: p.grad.detach().clone() for name, p in self.named_parameters()}


def after(net, *links, **options):
    """The gradients that a step consumes, before and after the transforms; the weights stay."""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for link in links:
        link.attach(optimizer, net)
    net.backward(**options)
    before = net.grads()
    weights = {name: p.detach().clone() for name, p in net.named_parameters()}
    optimizer.step()
    return before, net.grads(), weights
