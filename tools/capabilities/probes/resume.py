"""Whether a run goes on to the bit, weights and state, from a checkpoint that loads with ``weights_only=True``."""

from __future__ import annotations

import io

import torch

from _support.problem import Problem, weights
from capabilities.subject import Subject
from capabilities.tensors import tensors

BEFORE, AFTER = 3, 12  # past the tenth step, at which some renew what they precondition with


def resumes(subject: Subject) -> bool:
    ours, again = Problem(subject.name), Problem(subject.name)
    first, second = subject.build(ours), subject.build(again)
    for _ in range(BEFORE):
        ours.step(first)
    file = io.BytesIO()
    torch.save((ours.state_dict(), first.state_dict()), file)
    file.seek(0)
    module_state, optimizer_state = torch.load(file, weights_only=True)
    again.load_state_dict(module_state)
    second.load_state_dict(optimizer_state)
    for _ in range(AFTER):
        ours.step(first)
    for _ in range(AFTER):
        again.step(second)
    states = zip(tensors(first.state_dict()), tensors(second.state_dict()), strict=True)
    return torch.equal(weights(ours), weights(again)) and all(torch.equal(one, other) for one, other in states)
