"""What a step allocates: scratch blocks, and nothing of the size of a tensor; compiled, not even those."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from _support.references.rule_cases import CASES
from lit_optim.engine.run_rule import BLOCK

LARGE = 20 * BLOCK


class Allocations(TorchDispatchMode):
    """Notes the bytes of every tensor whose memory was not there before."""

    def __init__(self, known):
        super().__init__()
        self.kept = list(known)
        self.known = {t.untyped_storage().data_ptr() for t in known}
        self.bytes = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for t in tree_leaves(result):
            if isinstance(t, torch.Tensor) and t.numel() and t.untyped_storage().data_ptr() not in self.known:
                self.known.add(t.untyped_storage().data_ptr())
                self.kept.append(t)  # so that no address is given twice
                self.bytes.append(t.untyped_storage().nbytes())
        return result


def allocated(optimizer, params):
    for p in params:
        p.grad = torch.ones_like(p)
    optimizer.step()
    optimizer.step()
    states = [value for state in optimizer.state.values() for value in state.values()]
    with Allocations([*params, *[p.grad for p in params], *states]) as noted:
        optimizer.step()
    return noted.bytes


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", CASES)
def test_eager_steps_allocate_no_more_than_blocks(name, dtype):
    params = [
        torch.nn.Parameter(torch.ones(LARGE, dtype=dtype)),
        *(torch.nn.Parameter(torch.ones(50, dtype=dtype)) for _ in range(9)),
    ]
    bytes_ = allocated(CASES[name].build(params, weight_decay=0.1), params)
    assert max(bytes_, default=0) <= BLOCK * 4


@pytest.mark.parametrize("name", ["Adam", "AdaBound", "AMSBound", "SGDW", "RAdam", "Adamax"])
def test_eager_steps_reuse_their_scratch_memory(name):
    """All that is seen is one block, whatever the size and the number of tensors."""
    params = [torch.nn.Parameter(torch.ones(LARGE)) for _ in range(3)]
    bytes_ = allocated(CASES[name].build(params), params)
    assert sum(bytes_) <= BLOCK * 4 + 1_000


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Adam", "AMSBound", "SGDW", "NAdam", "Adadelta", "RMSprop, both"])
def test_compiled_steps_allocate_nothing(name):
    params = [torch.nn.Parameter(torch.ones(LARGE)), *(torch.nn.Parameter(torch.ones(50)) for _ in range(9))]
    optimizer = CASES[name].build(params, weight_decay=0.1, compile=True)
    assert sum(allocated(optimizer, params)) < 1_000


def test_groups_that_share_a_call_need_no_memory_of_the_size_of_their_parameters():
    """Only where small parameters of several groups share a flat bucket, scalars are spread over its elements."""
    params = [[torch.nn.Parameter(torch.ones(BLOCK // 8)) for _ in range(24)] for _ in range(2)]
    optimizer = CASES["Adam"].build([{"params": p, "lr": 0.1 * (i + 1)} for i, p in enumerate(params)])
    everything = [p for group in params for p in group]
    allocated(optimizer, everything)
    optimizer.param_groups[0]["lr"] = 0.05
    bytes_ = allocated(optimizer, everything)
    assert len(optimizer._buckets()) == 1
    assert sum(bytes_) <= 3 * BLOCK * 4 + 10_000, "scratch: parameters, gradients, and the rule's own"
