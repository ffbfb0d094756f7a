"""Gradient transforms again, in float64 numpy, element by element from the definitions."""

import hashlib

import numpy as np


def shift(x, by):
    """Arithmetic shift of 32-bit words."""
    return (x.astype(np.uint32).astype(np.int32) >> by).astype(np.int64) & 0xFFFFFFFF


def normals(n, seed, step, name, start=0):
    """The numbers ``start .. start + n - 1`` of a tensor: Box-Muller with the library's sine and cosine."""
    i = np.arange(start, start + n, dtype=np.int64)
    counter, second = i // 1024 * 512 + i % 512, i // 512 % 2
    out = np.empty(n)
    for segment in np.unique(counter >> 31):
        here = counter >> 31 == segment
        digest = hashlib.blake2b(f"{seed}/{step}/{segment}/{name}".encode(), digest_size=8).digest()
        k0, k1 = int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:], "little")
        x = ((counter[here] & (2**31 - 1)) + k0) & 0xFFFFFFFF
        x = ((x ^ shift(x, 16)) * 0x7FEB352D & 0xFFFFFFFF) ^ k1
        x = (x ^ shift(x, 15)) * 0x846CA68B & 0xFFFFFFFF
        x = x ^ shift(x, 16)
        y = (x * 0x9E3779B1 & 0xFFFFFFFF).astype(np.uint32).astype(np.int32)
        u = (x.astype(np.float32) + np.float32(0.5)).astype(np.float64) / 2**31
        angle = 2 * np.pi * y / 2**32
        out[here] = np.sqrt(-2 * np.log(u)) * np.where(second[here] == 1, np.sin(angle), -np.cos(angle))
    return out


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
