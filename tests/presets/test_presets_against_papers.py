"""Other packages' presets against their papers: a few lines of float64 each, with the numbers that the headers promise.

They find a package that changes a default, and a preset that leaves one that is not the paper's.
"""

import pytest
import torch

import lit_optim

STEPS = 6


def gradients():
    generator = torch.Generator().manual_seed(11)
    return [torch.randn(4, 3, generator=generator, dtype=torch.float64) for _ in range(STEPS)]


def begin():
    return torch.randn(4, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def lion(w, gs, lr=1e-4, b1=0.9, b2=0.99, wd=0.1):
    """Algorithm 2 of arXiv:2302.06675."""
    m = torch.zeros_like(w)
    for g in gs:
        w = w - lr * ((b1 * m + (1 - b1) * g).sign() + wd * w)
        m = b2 * m + (1 - b2) * g
    return w


def lamb(w, gs, lr=1e-3, b1=0.9, b2=0.999, eps=1e-6, wd=0.01):
    """Algorithm 2 of arXiv:1904.00962 without bias correction; phi clips the norm at 10, the package's constant."""
    m, v = torch.zeros_like(w), torch.zeros_like(w)
    for g in gs:
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        update = m / (v.sqrt() + eps) + wd * w
        w = w - lr * w.norm().clamp(max=10) / (update.norm() + eps) * update
    return w


def lars(w, gs, lr=1.0, momentum=0.9, wd=5e-4, trust=0.001):
    """Algorithm 1 of arXiv:1708.03888, for a constant lr the same inside of the momentum and outside."""
    v = torch.zeros_like(w)
    for g in gs:
        local = trust * w.norm() / (g.norm() + wd * w.norm())
        v = momentum * v + lr * local * (g + wd * w)
        w = w - v
    return w


def adan(w, gs, lr=1e-3, b1=0.98, b2=0.92, b3=0.99, eps=1e-8, wd=0.02):
    """Algorithm 1 of arXiv:2208.06677, with 1 - beta for its betas, and Adam's bias corrections as in the authors' code."""
    m, v, n, before = torch.zeros_like(w), torch.zeros_like(w), torch.zeros_like(w), gs[0]
    for t, g in enumerate(gs, 1):
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * (g - before)
        n = b3 * n + (1 - b3) * (g + b2 * (g - before)) ** 2
        step = lr / ((n / (1 - b3**t)).sqrt() + eps)
        w = (w - step * (m / (1 - b1**t) + b2 * v / (1 - b2**t))) / (1 + lr * wd)
        before = g
    return w


def adabelief(w, gs, lr=1e-3, b1=0.9, b2=0.999, eps=1e-16, wd=0.01):
    """Algorithm 2 of arXiv:2010.07468, with decoupled decay."""
    m, s = torch.zeros_like(w), torch.zeros_like(w)
    for t, g in enumerate(gs, 1):
        m = b1 * m + (1 - b1) * g
        s = b2 * s + (1 - b2) * (g - m) ** 2 + eps
        w = w * (1 - lr * wd) - lr * (m / (1 - b1**t)) / ((s / (1 - b2**t)).sqrt() + eps)
    return w


def adopt(w, gs, lr=1e-3, b1=0.9, b2=0.9999, eps=1e-6, wd=0.01):
    """Algorithm 2 of arXiv:2411.02853, clipped at t ** 0.25, with decoupled decay from the first step on."""
    m, v = torch.zeros_like(w), gs[0] ** 2
    w = w * (1 - lr * wd)
    for t, g in enumerate(gs[1:], 2):
        bound = t**0.25
        m = b1 * m + (1 - b1) * (g / v.sqrt().clamp(min=eps)).clamp(-bound, bound)
        w = w * (1 - lr * wd) - lr * m
        v = b2 * v + (1 - b2) * g**2
    return w


def schedule_free_sgd(w, gs, lr=1.0, beta=0.9):
    """Equations 3 to 5 of arXiv:2405.15682: the gradients are taken at y, which is what the weights are in training."""
    z, x = w, w
    for t, g in enumerate(gs, 1):
        z = z - lr * g
        x = (1 - 1 / t) * x + z / t
    return (1 - beta) * z + beta * x


def grokfast_adamw(w, gs, lr=1e-3, b1=0.9, b2=0.999, eps=1e-8, wd=0.01, alpha=0.98, lamb=2.0):
    """Algorithm 2 of arXiv:2405.20233 in front of AdamW."""
    m, v, slow = torch.zeros_like(w), torch.zeros_like(w), gs[0]
    for t, g in enumerate(gs, 1):
        slow = alpha * slow + (1 - alpha) * g
        loud = g + lamb * slow
        m, v = b1 * m + (1 - b1) * loud, b2 * v + (1 - b2) * loud**2
        w = w * (1 - lr * wd) - lr * (m / (1 - b1**t)) / (v / (1 - b2**t)).sqrt().clamp(min=eps)
    return w


PAPERS = [lion, lamb, lars, adan, adabelief, adopt, schedule_free_sgd, grokfast_adamw]


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.__name__)
def test_the_preset_is_the_papers_rule(paper):
    p = torch.nn.Parameter(begin())
    optimizer = lit_optim.build_optimizer(paper.__name__, [p])
    if hasattr(optimizer, "train"):
        optimizer.train()
    for g in gradients():
        p.grad = g.clone()  # some change it
        optimizer.step()
    expected = paper(begin(), gradients())
    torch.testing.assert_close(p.detach() - begin(), expected - begin(), rtol=1e-9, atol=1e-13)
