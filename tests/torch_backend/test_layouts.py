"""Whatever a parameter looks like in memory: the same as torch computes, or as plain contiguous float64 does."""

import pytest
import torch

from _support.by_version import needs_grad_dtype
from _support.references.rule_cases import CASES
from lit_optim.engine.flat_bucket import SMALL
from lit_optim.engine.run_rule import BLOCK
from lit_optim.optimizers import SGDW, AdaBound
from lit_optim.optimizers.adam import Adam

SIZES = [
    0,
    1,
    2,
    7,
    31,
    32,
    33,
    SMALL - 1,
    SMALL,
    SMALL + 1,
    100_003,
    2 * SMALL - 1,
    2 * SMALL,
    2 * SMALL + 1,
    BLOCK - 1,
    BLOCK,
    BLOCK + 1,
    2 * BLOCK + 5,
]
WIDE = (1, 5, 110, 130)  # more than SMALL elements
LAYOUTS = {
    "contiguous": torch.empty,
    "channels_last": lambda shape: torch.empty(shape).to(memory_format=torch.channels_last),
    "transposed": lambda shape: torch.empty(shape[::-1]).permute(3, 2, 1, 0),
    "sliced": lambda shape: torch.empty(shape[0] + 1, *shape[1:3], shape[3] + 3)[1:, ..., 2:-1],
    "every second": lambda shape: torch.empty(*shape[:3], 2 * shape[3])[..., ::2],
    "part of a flat one": lambda shape: torch.empty(3 + torch.Size(shape).numel())[3:].view(shape),
}


def weights(shape, dtype=torch.float32, seed=0):
    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    if dtype.is_complex:
        values = torch.complex(values, values.flip(-1) if values.ndim else -values)
    return values.to(dtype)


def gradients(shape, dtype=torch.float32, steps=3):
    return [weights(shape, dtype, seed=100 + step) for step in range(steps)]


def train(optimizer, p, grads):
    for g in grads:
        p.grad = g
        optimizer.step()
    return p.detach().clone()


def own_adam(params, **more):
    return Adam(params, lr=0.01, weight_decay=0.1, **more)


def torch_adam(params, **more):
    return torch.optim.Adam(params, lr=0.01, weight_decay=0.1, foreach=False, **more)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_sizes(size, dtype):
    ends = []
    for make in (own_adam, torch_adam):
        p = torch.nn.Parameter(weights(size, dtype))
        ends.append(train(make([p]), p, gradients(size, dtype)))
    tolerance = {torch.float32: 1e-6, torch.float64: 1e-13, torch.bfloat16: 2e-2}[dtype]
    torch.testing.assert_close(*ends, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("shape", [(2, 3, 5, 7), WIDE, (1, 3, 1, 1)])
@pytest.mark.parametrize("of_grad", [*LAYOUTS, "expanded"])
@pytest.mark.parametrize("of_p", LAYOUTS)
def test_strides_of_parameter_and_gradient(of_p, of_grad, shape):
    ends = []
    for layout in (LAYOUTS[of_p], LAYOUTS["contiguous"]):
        p = torch.nn.Parameter(layout(shape).copy_(weights(shape)))
        grads = gradients(shape)
        if of_grad == "expanded":
            grads = [g[:, :, :1, :1].expand(shape) for g in grads]
        elif layout is LAYOUTS[of_p]:
            grads = [LAYOUTS[of_grad](shape).copy_(g) for g in grads]
        before = [g.clone() for g in grads]
        ends.append(train(own_adam([p], maximize=True), p, grads))
        assert all(torch.equal(g, kept) for g, kept in zip(grads, before, strict=True))
    assert torch.equal(*ends), "elementwise bits do not depend on the layout"


@pytest.mark.parametrize("shape", [(3, 4), (300, 400), ()])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64, torch.complex64, torch.complex128])  # fmt: skip
def test_dtypes(dtype, shape):
    ends = []
    for make in (own_adam, torch_adam):
        p = torch.nn.Parameter(weights(shape, dtype))
        more = {"eps": 0.1} if dtype is torch.float16 else {}  # small second moments underflow
        ends.append(train(make([p], **more), p, gradients(shape, dtype)))
        assert p.dtype is dtype
    tolerance = {torch.bfloat16: 2e-2, torch.float16: 4e-3, torch.float32: 1e-6, torch.complex64: 1e-6}.get(dtype, 1e-13)  # fmt: skip
    torch.testing.assert_close(*ends, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("shape", [(3, 4), (300, 400)])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_sixteen_bits_are_computed_in_thirty_two(dtype, shape):
    """One step is that of 32 bits, rounded once; torch, which rounds after each operation, is further off."""
    ends = []
    for of in (dtype, torch.float32):
        p = torch.nn.Parameter(weights(shape, dtype).to(of))
        ends.append(train(own_adam([p]), p, [g.to(of) for g in gradients(shape, dtype, steps=1)]))
    assert torch.equal(ends[0], ends[1].to(dtype))


def test_complex_numbers_that_lie_otherwise():
    for shape in ((4, 6), (200, 400)):
        ends = []
        for is_transposed in (False, True):
            value, grads = weights(shape, torch.complex64), gradients(shape, torch.complex64)
            if is_transposed:
                value, grads = value.t().contiguous().t(), [g.conj().resolve_conj() for g in grads]
                grads = [g.conj() for g in grads]  # lazily
            p = torch.nn.Parameter(value)
            ends.append(train(own_adam([p]), p, grads))
        assert torch.equal(*ends)


@pytest.mark.parametrize("compile", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("size", [5, SMALL + 9])
def test_a_gradient_whose_sign_is_changed_when_it_is_read(size, compile):
    """The imaginary part of something conjugated: its memory holds the opposite."""
    p = torch.nn.Parameter(torch.zeros(size))
    p.grad = torch._neg_view(torch.ones(size))
    SGDW([p], lr=1.0, compile=compile).step()
    assert p.tolist() == [1.0] * size


@pytest.mark.parametrize("name", CASES)
def test_one_group_of_many_kinds(name):
    """Dtypes, sizes and layouts in one group: each as if it were alone."""
    kinds = [
        weights((3, 4)), weights((), torch.float32), weights(SMALL + 3), weights((3, 4), torch.float64), weights(5, torch.bfloat16),
        weights(0), weights((2, 3), torch.complex64), weights((5, 4)).t(), weights((3, 5, 9, 9)).to(memory_format=torch.channels_last),
        weights((2, 2 * SMALL))[:, ::2],
    ]  # fmt: skip
    together = [torch.nn.Parameter(w.clone(memory_format=torch.preserve_format)) for w in kinds]
    alone = [torch.nn.Parameter(w.clone(memory_format=torch.preserve_format)) for w in kinds]
    optimizers = [
        CASES[name].build(together, weight_decay=0.1),
        *(CASES[name].build([p], weight_decay=0.1) for p in alone),
    ]
    for step in range(3):
        for p, q in zip(together, alone, strict=True):
            p.grad = weights(p.shape, p.dtype, seed=step)
            q.grad = p.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    for p, q in zip(together, alone, strict=True):
        rounded = 1e-2 if p.dtype is torch.bfloat16 else 1e-6  # where a tensor lies in its vectors may cost a rounding
        torch.testing.assert_close(p, q, rtol=rounded, atol=rounded)


@pytest.mark.parametrize("shape", [(4, 3, 5, 5), (4, 30, 30, 30)])
@pytest.mark.parametrize("how", ["to memory format", "loaded into another format", "data swapped"])
def test_the_layout_changes_mid_run(how, shape):
    grads = gradients(shape, steps=6)
    q = torch.nn.Parameter(weights(shape))
    expected = train(own_adam([q]), q, grads)
    p = torch.nn.Parameter(weights(shape))
    optimizer = own_adam([p])
    train(optimizer, p, grads[:3])
    if how == "to memory format":
        p.data = p.data.to(memory_format=torch.channels_last)
    elif how == "data swapped":
        p.data = p.data.clone()
    else:
        p = torch.nn.Parameter(p.detach().to(memory_format=torch.channels_last))
        other = own_adam([p])
        other.load_state_dict(optimizer.state_dict())
        optimizer = other
    assert torch.equal(train(optimizer, p, grads[3:]), expected)


@pytest.mark.parametrize("shape", [(3, 4), (300, 400)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_dtype_changes_mid_run(shape, dtype):
    """As module.double() does it; from there on all is computed in the new dtype."""
    net = torch.nn.Linear(*shape, bias=False)
    p = net.weight
    optimizer = own_adam([p])
    train(optimizer, p, gradients(p.shape, steps=2))
    p.grad = None
    net.to(dtype)
    state = {name: value.detach().to(dtype) for name, value in optimizer.state[p].items() if value.ndim}
    q = torch.nn.Parameter(p.detach().clone())
    reference = torch_adam([q])
    reference.state[q] = {**{name: value.clone() for name, value in state.items()}, "step": torch.tensor(2.0)}
    ends = [train(o, x, gradients(x.shape, dtype, steps=2)) for o, x in ((optimizer, p), (reference, q))]
    tolerance = 1e-13 if dtype is torch.float64 else 2e-2
    torch.testing.assert_close(*ends, rtol=tolerance, atol=tolerance)


def test_an_expanded_parameter_is_refused_by_torch_and_not_silently_wrong():
    for n in (3, BLOCK + 3):
        p = torch.nn.Parameter(torch.zeros(1).expand(n))
        p.grad = torch.ones(n)
        with pytest.raises(RuntimeError, match="single memory location"):
            SGDW([p]).step()


@needs_grad_dtype
def test_gradients_of_another_dtype():
    for n in (5, BLOCK + 3):
        ends = []
        for dtype in (torch.float32, torch.float64):
            p = torch.nn.Parameter(weights(n))
            p.grad_dtype = dtype
            ends.append(train(own_adam([p]), p, [g.to(dtype) for g in gradients(n)]))
        assert torch.equal(*ends)


def test_the_same_parameter_twice_takes_one_step():
    for n in (5, BLOCK + 3):
        p, q = torch.nn.Parameter(weights(n)), torch.nn.Parameter(weights(n))
        with pytest.warns(UserWarning, match="duplicate parameters"):
            twice = own_adam([p, p])
        assert torch.equal(train(twice, p, gradients(n)), train(own_adam([q]), q, gradients(n)))


def test_tied_weights_take_one_step():
    net = torch.nn.ModuleDict({"a": torch.nn.Linear(4, 4, bias=False), "b": torch.nn.Linear(4, 4, bias=False)})
    net["b"].weight = net["a"].weight
    before = net["a"].weight.detach().clone()
    optimizer = SGDW(net.parameters(), lr=1.0, momentum=0.0)
    net["b"](net["a"](torch.ones(1, 4))).sum().backward()
    grad = net["a"].weight.grad.clone()
    optimizer.step()
    assert torch.equal(net["b"].weight, before - grad)


@pytest.mark.parametrize("compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_autograd_notices_that_parameters_were_written_to(compile):
    for n in (5, BLOCK + 3):
        p = torch.nn.Parameter(weights(n))
        loss = (p * p).sum()
        p.grad = torch.ones(n)
        AdaBound([p], compile=compile).step()
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            loss.backward()
