"""Gradient transforms in float64 NumPy, unit by unit from their definitions; noise from torch's own generator."""

import hashlib

import numpy as np
import torch


def normals(n, seed, step, name):
    """The numbers of a tensor with ``n`` elements in one step."""
    digest = hashlib.blake2b(f"{seed}/{step}/{name}".encode(), digest_size=8).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest, "little"))
    return torch.randn(n, generator=generator).double().numpy()


def clipped_by_unit(weights, grads, lam, eps):
    """AGC, unit by unit."""
    result = grads.copy()
    for i in range(len(grads)) if grads.ndim > 1 else [...]:
        limit = lam * max(np.sqrt((np.abs(weights[i]) ** 2).sum()), eps)
        norm = np.sqrt((np.abs(grads[i]) ** 2).sum())
        if norm > limit:
            result[i] = grads[i] * (limit / norm)
    return result


def centralized(grads):
    """Row by row."""
    return grads if grads.ndim < 2 else np.stack([row - row.mean() for row in grads])
