"""Standard normal numbers that are functions of their place: no generator, no state, the same on every rank."""

from __future__ import annotations

import hashlib
import struct

import torch
from torch import Tensor

ROW = 512  # counters in a row; each gives two numbers, which lie ROW places apart
SPAN = 2 * ROW
SEGMENT = 2**31 // ROW  # rows that 31 bits can count; those behind get keys of their own

# sin(pi t) / t and cos(pi t) as polynomials of t^2, |t| <= 1/2: errors below 5e-8
SIN = (3.14159264, -5.16771009, 2.55007766, -0.59829216, 0.0776594083)
COS = (1.0, -4.93479286, 4.05841191, -1.33188016, 0.219696799)


def keys(seed: int, step: int, tensor: str, segment: int = 0) -> tuple[int, int]:
    """Two words of 32 bits that decide all numbers of one tensor in one step; near arguments give unrelated ones.

    Example:
        >>> keys(0, 0, "weight") == keys(0, 0, "weight"), keys(0, 0, "weight")[0] == keys(1, 0, "weight")[0]
        (True, False)
    """
    digest = hashlib.blake2b(f"{seed}/{step}/{segment}/{tensor}".encode(), digest_size=8).digest()
    first, second = struct.unpack("<ii", digest)
    return first, second


def two_normals(
    x: Tensor, k: Tensor | int, scale: Tensor | float, y: Tensor, r: Tensor, s: Tensor, q: Tensor, c: Tensor, p: Tensor
) -> None:
    r"""Box-Muller over a hash: overwrites ``s`` and ``c`` with two independent normal numbers a counter.

    .. math::
        s = -\sigma \sqrt{-2 \ln u} \cos 2 \pi t, \quad c = \sigma \sqrt{-2 \ln u} \sin 2 \pi t, \quad
        u, t = \mathrm{hash}(x, k)

    Args:
        x: int32 counters, the first key already added. All tensors have one shape; ``k`` and ``scale`` broadcast.
        k: the second key.
        scale: :math:`-8 \sigma^2`.
        y: scratch, int32.
        r: scratch, float32; so are ``s`` and ``q``.
        s: the first number.
        q: scratch.
        c: the second number; may share the memory of ``x``.
        p: scratch; may share the memory of ``y``.
    """
    # two rounds of multiply and xor-shift (Wellons' lowbias32), the second key between them. Shifts of signed numbers
    # copy the sign: each round loses one bit, and what is left are 31 bits, never negative
    torch.bitwise_right_shift(x, 16, out=y)
    x.bitwise_xor_(y).mul_(0x7FEB352D).bitwise_xor_(k)
    torch.bitwise_right_shift(x, 15, out=y)
    x.bitwise_xor_(y).mul_(0x846CA68B - 2**32)
    torch.bitwise_right_shift(x, 16, out=y)
    x.bitwise_xor_(y)
    # the radius: u in (0, 1]; the angle in half turns: t in [-1/2, 1/2), a Fibonacci lattice over u
    torch.mul(x, 0x9E3779B1 - 2**32, out=y)
    r.copy_(x).add_(0.5).mul_(2.0**-31).log_().mul_(scale).sqrt_()
    s.copy_(y).mul_(2.0**-32)
    torch.mul(s, s, out=q)
    torch.mul(q, SIN[4], out=p).add_(SIN[3]).mul_(q).add_(SIN[2]).mul_(q).add_(SIN[1]).mul_(q).add_(SIN[0])
    torch.mul(q, COS[4], out=c).add_(COS[3]).mul_(q).add_(COS[2]).mul_(q).add_(COS[1]).mul_(q).add_(COS[0])
    s.mul_(p)  # sin(pi t); with cos(pi t) in c, the doubled angle: sin = 2 s c, -cos = 2 (s^2 - 1/2)
    c.mul_(s).mul_(r)
    s.mul_(s).sub_(0.5).mul_(r)
