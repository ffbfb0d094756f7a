from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from lit_optim.distributed import cut_shard, first_row, gathered, local_tensor
from lit_optim.engine.arguments import check_at_least_0, check_bools, check_gradients
from lit_optim.errors import ConfigError, did_you_mean
from lit_optim.optimizers.matrix_shape import flat_shape
from lit_optim.step_hooks import loss_of

Scale = Literal["original", "match_rms_adamw", "spectral_unclamped"]
Split = Sequence[int] | Mapping[str, int]


def orthogonalize(matrix: Tensor, coefficients: Sequence[float], steps: int, eps: float) -> Tensor:
    r"""Return the nearest semi-orthogonal matrix, roughly, in bfloat16.

    .. math:: X_0 = M / \lVert M \rVert_F, \qquad X_{k+1} = a X_k + (b A + c A^2) X_k, \quad A = X_k X_k^\top
    """
    a, b, c = coefficients
    x, tall = matrix.bfloat16(), matrix.size(0) > matrix.size(1)
    if tall:
        x = x.T
    x = x.div(x.norm().clamp(min=eps))
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


def update_scale(adjust_lr_fn: Scale | None, rows: int, columns: int) -> float:
    """Return the factor of the lr for a matrix.

    Example:
        >>> update_scale("original", 4, 1), update_scale("match_rms_adamw", 25, 100), update_scale(None, 1, 4)
        (2.0, 2.0, 1.0)
    """
    if adjust_lr_fn == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    ratio = rows / columns
    return math.sqrt(ratio if adjust_lr_fn == "spectral_unclamped" else max(1, ratio))


def block_rows(split: Split | None, rows: int, columns: int) -> list[int]:
    """Return the rows of the blocks that are orthogonalized apart.

    Args:
        split: the rows of each block; or ``heads``: each head of ``columns // heads`` rows is a block.
        rows: of the matrix.
        columns: likewise.

    Raises:
        ConfigError: where the blocks do not add up to the matrix.

    Example:
        >>> block_rows(None, 6, 2), block_rows([3, 2, 1], 6, 2), block_rows({"heads": 2}, 6, 4)
        ([6], [3, 2, 1], [2, 2, 2])
    """
    if split is None:
        return [rows]
    if isinstance(split, Mapping):
        heads = split.get("heads", 0) if len(split) == 1 else 0
        if not _is_count(heads):
            raise ConfigError(f"split={dict(split)!r}: must be the rows of each block, or e.g. {{heads: 12}}")
        size, rest = divmod(columns, heads)
        if rest or not size or rows % size:
            raise ConfigError(f"split={dict(split)!r}: a matrix of {rows} x {columns} has no heads of equal size")
        return [size] * (rows // size)
    if isinstance(split, str) or not isinstance(split, Sequence) or not all(map(_is_count, split)):
        raise ConfigError(f"split={split!r}: must be the rows of each block, or e.g. {{heads: 12}}")
    if sum(split) != rows:
        raise ConfigError(f"split={list(split)!r}: the blocks have {sum(split)} rows, and a matrix has {rows}")
    return [*split]


class Muon(Optimizer):
    r"""Momentum, orthogonalized (Jordan et al., 2024); as torch.optim.Muon, and for convolutions, QKV and shards too.

    .. math::
        B_t &= \text{momentum}\, B_{t-1} + (1 - \text{momentum})\, g_t, \qquad
            M_t = \begin{cases} \text{momentum}\, B_t + (1 - \text{momentum})\, g_t & \text{nesterov} \\
            B_t & \text{else} \end{cases} \\
        \theta_t &= (1 - \text{lr} \cdot \text{weight\_decay})\, \theta_{t-1} - \text{lr} \cdot s\, \text{NS}(M_t) \\
        \text{NS}(M_t) &= X_{\text{ns\_steps}}, \qquad X_0 = M_t / \lVert M_t \rVert_F, \qquad
            X_{k+1} = a X_k + (b A_k + c A_k^2) X_k, \qquad A_k = X_k X_k^\top

    NS is `orthogonalize`. The scale s is that of ``adjust_lr_fn`` for a matrix of R rows and C columns: ``original``
    :math:`\sqrt{\max(1, R / C)}`, ``match_rms_adamw`` :math:`0.2 \sqrt{\max(R, C)}`, ``spectral_unclamped``
    :math:`\sqrt{R / C}`. A parameter of more than two dimensions is the matrix (out, rest), with the scale of that.
    Of a sharded parameter the whole matrix is orthogonalized.

    Args:
        params: parameters of at least two dimensions, named ones or groups of them; each matrix has at least 4 rows and
            columns for a sensible result (`is_odd_shape`).
        lr: absolute learning rate; with ``match_rms_adamw`` on AdamW's scale, with ``original`` about 20 times that.
        weight_decay: share of the weights, in units of lr, that they lose at each step; at least 0.
        momentum: decay rate of the running average of the gradient, in [0, 1].
        nesterov: look one momentum step ahead.
        ns_coefficients: a, b and c of the iteration.
        eps: smallest norm that a matrix is divided by.
        ns_steps: iterations, below 100.
        adjust_lr_fn: the scale s; None is ``original``.
        split: rows of the blocks of each matrix that are orthogonalized apart, each with the scale of its own shape:
            ``[768, 768, 768]`` for a fused QKV; or ``{"heads": 12}``: each head by itself.

    Raises:
        ConfigError: a ValueError, for arguments out of range and for parameters below two dimensions.

    Example:
        >>> p = torch.nn.Parameter(torch.zeros(4, 4))
        >>> optimizer = Muon([p], lr=1.0, momentum=0.0, weight_decay=0.0)
        >>> p.grad = torch.eye(4)
        >>> optimizer.step()
        >>> bool((p.diagonal() < -0.6).all() and (p.diagonal() > -1.3).all())  # 5 iterations end near the identity
        True

    Jordan et al. 2024, Muon: An optimizer for hidden layers in neural networks, kellerjordan.github.io/posts/muon;
    ``match_rms_adamw``: Liu et al. 2025, Muon is Scalable for LLM Training, arXiv:2502.16982, equation 4.
    """

    matrices_only = True

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: Scale | None = None,
        split: Any = None,
    ) -> None:
        values = dict(lr=lr, weight_decay=weight_decay, momentum=momentum, nesterov=nesterov, split=split)
        newton_schulz = dict(ns_coefficients=ns_coefficients, eps=eps, ns_steps=ns_steps, adjust_lr_fn=adjust_lr_fn)
        super().__init__(params, {**values, **newton_schulz})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters, checked as the first ones are."""
        super().add_param_group(param_group)
        try:
            _check(self.param_groups[-1])
        except ConfigError:
            self.param_groups.pop()
            raise

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step; with a closure, which is called once with gradients enabled, return its loss."""
        loss = loss_of(closure)
        for group in self.param_groups:
            active = [p for p in group["params"] if p.grad is not None]
            check_gradients(type(self).__name__, active)
            for p in active:
                self._update(p, p.grad, group)
        return loss

    def _update(self, p: Tensor, grad: Tensor, group: Mapping[str, Any]) -> None:
        state, lr, momentum = self.state[p], float(group["lr"]), group["momentum"]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(grad, memory_format=torch.preserve_format)
        here, g, buffer = map(local_tensor, (p, grad, state["momentum_buffer"]))
        buffer.lerp_(g, 1 - momentum)
        update = gathered(g.lerp(buffer, momentum) if group["nesterov"] else buffer, grad)
        rows, columns = flat_shape(p.shape)
        split = block_rows(group.get("split"), rows, columns)
        settings = group["ns_coefficients"], group["ns_steps"], group["eps"]
        blocks = [orthogonalize(block, *settings) for block in torch.split(update.reshape(rows, columns), split)]
        here.mul_(1 - lr * group["weight_decay"])
        if len(split) == 1 and here is p:
            here.add_(blocks[0].view(p.shape), alpha=-lr * update_scale(group["adjust_lr_fn"], rows, columns))
            return
        mine = cut_shard(torch.cat(blocks).view(p.shape), p)
        begin = -first_row(p)
        for size in split:  # of the whole matrix; some rows of each are here
            inside = slice(max(begin, 0), max(begin + size, 0))
            begin += size
            here[inside].add_(mine[inside], alpha=-lr * update_scale(group["adjust_lr_fn"], size, columns))


def _check(group: Mapping[str, Any]) -> None:
    """Reject a group with a value that is out of range, and parameters that are no matrices."""
    check_at_least_0(group, "lr", "weight_decay", "momentum")
    check_bools(group, "nesterov")
    if (found := group["adjust_lr_fn"]) not in (None, *get_args(Scale)):
        hint = did_you_mean(str(found), get_args(Scale), list_all=True)
        raise ConfigError(f"adjust_lr_fn={found!r}: no such scale{hint}")
    if not _is_count(group["ns_steps"]) or group["ns_steps"] >= 100:
        raise ConfigError(f"ns_steps={group['ns_steps']!r}: must be a whole number from 1 to 99")
    if any(p.is_complex() for p in group["params"]):
        raise ConfigError("params: one is complex; Muon takes real ones only")
    names = group.get("param_names") or [f"parameter {i} of its group" for i in range(len(group["params"]))]
    vectors = [f"{name} {tuple(p.shape)}" for name, p in zip(names, group["params"], strict=True) if _is_vector(p)]
    if vectors:
        more = f" and {len(vectors) - 3} more" if len(vectors) > 3 else ""
        rule = f"Muon takes matrices and convolutions; {', '.join(vectors[:3])}{more} have fewer than two dimensions"
        raise ConfigError(f"params: {rule}; choose optimizer=muon_adamw, which gives the rest to AdamW")
    if group["split"] is not None:
        for p in group["params"]:
            if not is_lazy(p):
                block_rows(group["split"], *flat_shape(p.shape))


def _is_vector(p: Tensor) -> bool:
    return not is_lazy(p) and p.ndim < 2


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
