"""The law of the noise, and what a number depends on: seed, step, name and place, nothing else."""

import numpy as np
import pytest
import torch

from _support.gradient_problem import Mixed
from _support.references.gradient_reference import normals
from lit_optim.gradients import Noise

N = 2**20


def added(given, seed=0, step=0, name="w", sigma2=1.0, **options):
    """What a step makes of a gradient."""
    p = torch.nn.Parameter(torch.zeros_like(given))
    p.grad = given
    optimizer = torch.optim.SGD([(name, p)], lr=0.1)
    Noise(eta=sigma2, gamma=0.0, seed=seed, **options).attach(optimizer).load_state_dict({"steps": step})
    optimizer.step()
    return p.grad


def numbers(n=N, **options):
    return added(torch.zeros(n), **options)


@pytest.mark.parametrize("seed", range(4))
def test_moments_tails_and_distribution(seed):
    x = numbers(seed=seed, sigma2=0.25).double() / 0.5
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


def correlation(a, b):
    return (a.double() * b.double()).mean().abs().item()


def test_other_seeds_steps_and_names_give_unrelated_noise():
    x, limit = numbers(), 5 / N**0.5
    others = [numbers(seed=s) for s in (1, 2, -1, 2**32)]
    others += [numbers(step=t) for t in (1, 2, 10)] + [numbers(name=name) for name in ("v", "w.0", "ww")]
    others += [numbers(name="1/w"), numbers(seed=1, step=0), numbers(seed=0, step=1)]
    for i, other in enumerate(others):
        assert correlation(x, other) < limit, i
        assert correlation(x.square() - 1, other.square() - 1) < 2 * limit, i
    for lag in (1, 2, 4, 8, 16, 512, 2**16):
        assert correlation(x[lag:], x[:-lag]) < 5 / (N - lag) ** 0.5, lag


def test_every_element_of_a_small_tensor_is_normal_over_the_steps():
    x = torch.stack([numbers(8, step=t) for t in range(4000)]).double()
    assert (x.mean(0).abs() < 4.5 / 4000**0.5).all()
    assert ((x.var(0) - 1).abs() < 4.5 * (2 / 4000) ** 0.5).all()
    assert (x.T.corrcoef() - torch.eye(8)).abs().max() < 5 / 4000**0.5
    assert (x[1:] * x[:-1]).mean(0).abs().max() < 5 / 4000**0.5


@pytest.mark.parametrize("n", [5, 300_000])
def test_bits_do_not_depend_on_threads_or_on_the_global_generator(n):
    one = numbers(n)
    torch.set_num_threads(2)
    torch.manual_seed(7)
    before = torch.get_rng_state()
    assert torch.equal(numbers(n), one)
    assert torch.equal(torch.get_rng_state(), before), "and leave it alone"


def test_bits_do_not_depend_on_the_order_and_the_groups_of_parameters():
    results = []
    for arrange in (
        lambda named: named,
        lambda named: named[::-1],
        lambda named: named[2:5],
        lambda named: [{"params": named[::2]}, {"params": named[1::2]}],
    ):
        net = Mixed(torch.float32)
        optimizer = torch.optim.SGD(arrange(list(net.named_parameters())), lr=0.1)
        Noise(eta=1.0).attach(optimizer, net)
        net.backward()
        optimizer.step()
        results.append(net.grads())
    names = list(results[0])
    for result in (results[1], results[3]):
        assert all(torch.equal(result[name], results[0][name]) for name in names)
    assert all(torch.equal(results[2][name], results[0][name]) for name in names[2:5])


def test_numbers_are_those_of_torchs_generator():
    np.testing.assert_allclose(numbers(3000, seed=3, step=7).numpy(), normals(3000, 3, 7, "w"), atol=4e-6)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_every_dtype_gets_the_same_numbers_rounded_once(dtype):
    given = torch.linspace(-1, 1, 3000).to(dtype)
    assert torch.equal(added(given.clone()), (given + numbers(3000)).to(dtype))


def test_complex_numbers_have_two_parts():
    grad = added(torch.zeros(700, dtype=torch.complex64))
    np.testing.assert_allclose(torch.view_as_real(grad).reshape(-1).numpy(), normals(1400, 0, 0, "w"), atol=4e-6)


@pytest.mark.parametrize(
    "layout",
    [
        lambda: torch.zeros(5, 7, 3, 3).to(memory_format=torch.channels_last),
        lambda: torch.zeros(33, 40).t(),
        lambda: torch.zeros(6, 1000, 100).permute(1, 2, 0),
        lambda: torch.zeros(10, 10)[:, ::3],
        lambda: torch.zeros(2, 7, 3).permute(2, 0, 1),
        lambda: torch.zeros(7, 5, dtype=torch.complex64).t(),
    ],
)
def test_elements_are_counted_as_in_a_contiguous_tensor(layout):
    assert torch.equal(added(layout()), added(layout().contiguous()))


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0)])
def test_shapes_with_little_in_them(shape):
    assert torch.equal(added(torch.zeros(shape)).reshape(-1), numbers(torch.Size(shape).numel()))


def test_compile_has_no_effect():
    with pytest.warns(UserWarning, match="compile has no effect"):
        assert torch.equal(numbers(700, compile=True), numbers(700))
