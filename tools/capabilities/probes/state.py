"""Bytes of state a parameter: all tensors that the optimizer keeps for a large float32 matrix."""

from __future__ import annotations

import dataclasses

from capabilities.quadratic import descend, start
from capabilities.subject import Subject
from capabilities.tensors import tensors

SIDE = 256
STEPS = 5


def state_bytes(subject: Subject) -> float:
    p = start(SIDE, SIDE)
    optimizer = subject.build([p])
    # The minimum moves between the steps of a line search too, so that it fills its history: the number of iterations
    # that it takes to a minimum depends on how a processor rounds. Of `history_size` pairs, 5 steps make 5 times as many.
    needs = dataclasses.replace(subject.needs, closure=False)
    descend(optimizer, [p], needs, STEPS, sparse=needs.sparse)
    own = {p.untyped_storage().data_ptr()}  # of the parameter, in its group
    kept = {}
    for tensor in tensors([*optimizer.state.values(), *optimizer.param_groups]):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
    return round(sum(kept.values()) / SIDE**2, 1)
