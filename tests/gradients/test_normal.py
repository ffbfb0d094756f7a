"""The law of the noise, and that a number depends on its place alone."""

import numpy as np
import pytest
import torch

from _support.gradient_reference import normals
from lit_optim.gradients.noise import Noise, add_noise
from lit_optim.gradients.normal import SPAN, keys
from lit_optim.gradients.rows import BLOCK, Rows

N = 2**20


def numbers(n=N, seed=0, step=0, name="w", start=0, sigma2=1.0):
    out, rows = torch.zeros(n), Rows(torch.device("cpu"))
    rows.add(out, start, sigma2, lambda segment: keys(seed, step, name, segment))
    rows.flush()
    return out


@pytest.mark.parametrize("start", [0, 5, 1023, 2**31 - 700, 2**32 - 700, 2**41 + 3])
def test_against_box_muller_in_float64(start):
    ours = numbers(5000, seed=3, step=7, name="layer.weight", start=start, sigma2=0.25)
    np.testing.assert_allclose(
        ours.double().numpy(), 0.5 * normals(5000, 3, 7, "layer.weight", start), rtol=0, atol=2e-6
    )


@pytest.mark.parametrize("seed", range(4))
def test_moments_tails_and_distribution(seed):
    x = numbers(seed=seed).double()
    assert abs(x.mean()) < 4 / N**0.5
    assert abs(x.var() - 1) < 4 * (2 / N) ** 0.5
    assert abs((x**3).mean()) < 4 * (15 / N) ** 0.5
    assert abs((x**4).mean() - 3) < 4 * (96 / N) ** 0.5
    assert 4.2 < x.abs().max() < 6.8
    for z, tail in ((2.0, 0.0455003), (3.0, 0.0026998), (4.0, 6.3342e-5)):
        beyond = (x.abs() > z).sum().item()
        assert abs(beyond - N * tail) < 4 * (N * tail) ** 0.5
    normal = torch.special.ndtr(x.sort().values)
    distance = (normal - (torch.arange(N) + 0.5) / N).abs().max()
    assert distance < 1.95 / N**0.5, "Kolmogorov-Smirnov at 0.1 %"


LIMIT = 5 / N**0.5  # of a correlation


def correlation(a, b):
    return (a.double() * b.double()).mean().abs().item()


def test_no_correlation_between_places_seeds_steps_and_tensors():
    x = numbers()
    lags = [1, 2, 3, 4, 7, 8, 16, 31, 32, 64, 128, 256, 511, 512, 513, 1024, 2048, 4096, 2**16, 2**19]
    for lag in lags:
        assert correlation(x[lag:], x[:-lag]) < 5 / (N - lag) ** 0.5, lag
        assert correlation(x[lag:].square() - 1, x[:-lag].square() - 1) < 10 / (N - lag) ** 0.5, lag
    others = [numbers(seed=s) for s in (1, 2, -1, 2**32)]
    others += [numbers(step=t) for t in (1, 2, 10)] + [numbers(name=name) for name in ("v", "w.0", "ww")]
    for i, other in enumerate(others):
        assert correlation(x, other) < LIMIT, i
        assert correlation(x.square() - 1, other.square() - 1) < 2 * LIMIT, i
        assert correlation(x.abs().log(), other) < 2 * LIMIT, i


def test_the_two_numbers_of_a_counter_are_independent():
    x = numbers().view(-1, 2, 512)
    a, b = x[:, 0].double(), x[:, 1].double()
    for f in (lambda v: v, lambda v: v**2 - 1, lambda v: v.abs() - (2 / torch.pi) ** 0.5):
        for g in (lambda v: v, lambda v: v**2 - 1, lambda v: v.abs() - (2 / torch.pi) ** 0.5):
            assert (f(a) * g(b)).mean().abs() < 10 / (N / 2) ** 0.5


def test_every_element_of_a_small_tensor_is_normal_over_the_steps():
    x = torch.stack([numbers(8, step=t) for t in range(4000)]).double()
    assert (x.mean(0).abs() < 4.5 / 4000**0.5).all()
    assert ((x.var(0) - 1).abs() < 4.5 * (2 / 4000) ** 0.5).all()
    assert (x.T.corrcoef() - torch.eye(8)).abs().max() < 5 / 4000**0.5
    assert (x[1:] * x[:-1]).mean(0).abs().max() < 5 / 4000**0.5


@pytest.mark.parametrize("cuts", [[1], [511, 513], [1000], [1024, 5000], [3, 1027, 40000, 40001], [BLOCK * SPAN + 1]])
def test_bits_do_not_depend_on_cuts(cuts):
    n = BLOCK * SPAN + 3000
    whole, parts = numbers(n), torch.zeros(n)
    rows = Rows(torch.device("cpu"))
    for first, last in zip([0, *cuts], [*cuts, n], strict=True):
        rows.add(parts[first:last], first, 1.0, lambda segment: keys(0, 0, "w", segment))
    rows.flush()
    assert torch.equal(whole, parts)


def test_bits_do_not_depend_on_the_number_of_threads_or_on_other_tensors():
    alone = numbers(300_000)
    torch.set_num_threads(2)
    assert torch.equal(numbers(300_000), alone)
    rows, others = Rows(torch.device("cpu")), [torch.zeros(n) for n in (700, 300_000, 5)]
    for name, other in zip("awb", others, strict=True):
        rows.add(other, 0, 1.0, lambda segment, name=name: keys(0, 0, name, segment))
    rows.flush()
    assert torch.equal(others[1], alone)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_other_dtypes_get_the_same_numbers(dtype):
    given = torch.linspace(-1, 1, 3000).to(dtype)
    out = given.clone()
    add_noise(rows := Rows(torch.device("cpu")), out, [(0, 0, 3000)], 1.0, lambda segment: keys(0, 0, "w"))
    rows.flush()
    expected = (given.double().numpy() + normals(3000, 0, 0, "w")).astype(np.float64)
    eps = {torch.float64: 2e-6, torch.bfloat16: 2**-6, torch.float16: 2**-9}[dtype]
    np.testing.assert_allclose(out.double().numpy(), expected, rtol=0, atol=eps)


def test_complex_numbers_have_two_parts():
    p = torch.nn.Parameter(torch.zeros(700, dtype=torch.complex64))
    optimizer = torch.optim.SGD([p], lr=1.0)
    Noise(eta=1.0).attach(optimizer)
    p.grad = torch.zeros_like(p)
    optimizer.step()
    np.testing.assert_allclose(torch.view_as_real(p.grad).reshape(-1).numpy(), normals(1400, 0, 0, "0"), atol=4e-6)


@pytest.mark.parametrize(
    "layout",
    [
        lambda: torch.zeros(5, 7, 3, 3).to(memory_format=torch.channels_last),
        lambda: torch.zeros(33, 40).t(),
        lambda: torch.zeros(6, 1000, 100).permute(1, 2, 0),
        lambda: torch.zeros(1, 700, 700).transpose(1, 2),
        lambda: torch.zeros(10, 10)[:, ::3],
        lambda: torch.zeros(2, 7, 3).permute(2, 0, 1),
        lambda: torch.zeros(3, 700, 700).transpose(1, 2),
    ],
)
def test_elements_are_counted_as_in_a_contiguous_tensor(layout):
    grad, rows = layout(), Rows(torch.device("cpu"))
    add_noise(rows, grad, [(0, 0, grad.numel())], 1.0, lambda segment: keys(0, 0, "w", segment))
    rows.flush()
    assert torch.equal(grad.reshape(-1), numbers(grad.numel()))


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0)])
def test_shapes_with_little_in_them(shape):
    grad, rows = torch.zeros(shape), Rows(torch.device("cpu"))
    add_noise(rows, grad, [(0, 0, grad.numel())], 1.0, lambda segment: keys(0, 0, "w", segment))
    rows.flush()
    assert torch.equal(grad.reshape(-1), numbers(grad.numel()))
