"""Update a large parameter in place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import increment_version

from lit_optim.engine.param_state import ParamState, is_local_real, local_real_gradient, local_real_tensor
from lit_optim.engine.run_rule import BoundRule, Scalars
from lit_optim.torch_backend.layout import flat_view, is_dense


class SingleTensor:
    """Updates one parameter; a gradient with another memory layout is copied.

    Args:
        member: the parameter and its state.
        names: the state tensors, in the order of the rule; missing ones are created.
    """

    def __init__(self, member: ParamState, names: Sequence[str]) -> None:
        self.member, self.group, self.names = member, member.group, names
        self.is_local_real = is_local_real(member.p)
        member.create_missing(names)
        self.tensors = [member.p, *(member.state[name] for name in names)]
        self.addresses: list[int] = []
        self.views: list[Tensor] = []  # 1-D ones of `tensors`; none where they have gaps or other orders of elements

    def step(self, rule: BoundRule, scalars: Scalars, *, mixed: bool = False) -> list[Any]:
        """Run the rule."""
        p = self.member.p
        g = p.grad
        assert g is not None
        if self.is_local_real and p.is_contiguous() and g.is_contiguous() and g.dtype is p.dtype and not g.is_neg():
            addresses = [t.data_ptr() for t in self.tensors]
            if addresses != self.addresses:
                fit = all(t.is_contiguous() and t.dtype is p.dtype for t in self.tensors)
                self.addresses, self.views = addresses, [t.view(-1) for t in self.tensors] if fit else []
            if self.views:
                outputs = rule([self.views[0], g.view(-1), *self.views[1:]], scalars)
                increment_version((p,))  # for autograd: a compiled kernel writes behind its back
                return outputs
        return self._step_in_any_layout(rule, scalars)

    def _step_in_any_layout(self, rule: BoundRule, scalars: Scalars) -> list[Any]:
        p, state = local_real_tensor(self.member.p), self.member.state
        tensors = [p, local_real_gradient(self.member.p), *(local_real_tensor(state[name]) for name in self.names)]
        laid = [laid_as(p, t) for t in tensors]
        outputs = rule([*map(flat_view, laid)], scalars)
        increment_version((p,))
        for i, (tensor, copy) in enumerate(zip(tensors, laid, strict=True)):
            if i == 1 or copy is tensor:
                continue
            if i and self.is_local_real:  # state in the layout of a checkpoint, or of before a .to(memory_format=...)
                state[self.names[i - 2]] = copy
            else:
                tensor.copy_(copy)
        return outputs


def laid_as(p: Tensor, tensor: Tensor) -> Tensor:
    """Return a tensor in the dtype and the memory layout of ``p``: itself, or a copy.

    A ``p`` with gaps between its elements, of which there is no 1-D view, is copied too.
    """
    if is_dense(p):
        fits = tensor.stride() == p.stride()
        layout = torch.preserve_format
    else:
        fits, layout = tensor.is_contiguous(), torch.contiguous_format
    return tensor if fits and tensor.dtype is p.dtype else torch.empty_like(p, memory_format=layout).copy_(tensor)
