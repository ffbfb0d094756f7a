import numpy as np
import pytest
import torch

from _support.gradient_problem import Mixed, after
from _support.references.gradient_reference import clipped_by_unit
from lit_optim import ConfigError
from lit_optim.gradients import Agc


@pytest.mark.parametrize("scale", [1.0, 1e-2, 1e-4])
@pytest.mark.parametrize("lam", [0.01, 0.16])
def test_against_units_clipped_one_by_one(lam, scale):
    before, result, weights = after(Mixed(), Agc(lam=lam), scale=scale)
    for name, grad in result.items():
        expected = clipped_by_unit(weights[name].numpy(), before[name].numpy(), lam, 1e-3)
        np.testing.assert_allclose(grad.numpy(), expected, rtol=1e-12, err_msg=name)
    assert scale == 1.0 or any(torch.equal(before[name], result[name]) for name in result), "some are small enough"


def test_a_unit_of_a_1d_convolution_is_an_output_channel():
    p = torch.nn.Parameter(torch.ones(2, 2, 2))
    optimizer = torch.optim.SGD([p], lr=1.0)
    Agc(lam=0.1).attach(optimizer)
    p.grad = torch.tensor([[[1.0, 1.0], [1.0, 1.0]], [[0.01, 0.0], [0.0, 0.0]]])
    optimizer.step()
    # |W_0| = 2, |G_0| = 2: factor 0.1 * 2 / 2; |G_1| = 0.01 is below 0.1 * 2
    expected = torch.tensor([[[0.1, 0.1], [0.1, 0.1]], [[0.01, 0.0], [0.0, 0.0]]])
    torch.testing.assert_close(p.grad, expected)


def test_a_column_has_as_many_units_as_rows():
    p = torch.nn.Parameter(torch.ones(7, 1))
    optimizer = torch.optim.SGD([p], lr=1.0)
    Agc(lam=0.5).attach(optimizer)
    p.grad = torch.arange(7.0)[:, None]
    optimizer.step()
    torch.testing.assert_close(p.grad, torch.tensor([0.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5])[:, None])


def test_zero_weights_can_grow_and_zero_gradients_stay():
    p = torch.nn.Parameter(torch.zeros(2, 2))
    optimizer = torch.optim.SGD([p], lr=1.0)
    Agc(lam=0.01, eps=1e-3).attach(optimizer)
    p.grad = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    optimizer.step()
    torch.testing.assert_close(p.grad, torch.tensor([[3.0, 4.0], [0.0, 0.0]]) * 0.01 * 1e-3 / 5)


def test_complex_units():
    torch.manual_seed(4)
    p = torch.nn.Parameter(torch.randn(3, 4, dtype=torch.complex128))
    optimizer = torch.optim.SGD([p], lr=0.0)
    Agc(lam=0.3).attach(optimizer)
    p.grad = torch.randn(3, 4, dtype=torch.complex128)
    expected = clipped_by_unit(p.detach().numpy(), p.grad.numpy(), 0.3, 1e-3)
    optimizer.step()
    np.testing.assert_allclose(p.grad.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.bfloat16, 2**-7), (torch.float16, 2**-10), (torch.float32, 1e-5)])
def test_norms_are_computed_in_32_bits(dtype, rtol):
    torch.manual_seed(4)
    p = torch.nn.Parameter(torch.randn(3, 40_000).to(dtype))  # in 16 bits a sum of squares would stop growing
    optimizer = torch.optim.SGD([p], lr=0.0)
    Agc(lam=0.01).attach(optimizer)
    p.grad = torch.randn(3, 40_000).to(dtype)
    expected = clipped_by_unit(p.detach().double().numpy(), p.grad.double().numpy(), 0.01, 1e-3)
    optimizer.step()
    np.testing.assert_allclose(p.grad.double().numpy(), expected, rtol=rtol, atol=1e-7)


def test_exclude_by_name_pattern_and_type():
    before, result, _ = after(Mixed(), Agc(exclude=["head.*", "norm", "bias", "gain"]))
    same = {name for name in result if torch.equal(before[name], result[name])}
    assert same == {"conv1.bias", "conv2.bias", "norm.weight", "norm.bias", "head.weight", "head.bias", "gain", "empty"}


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "1", True, None])
@pytest.mark.parametrize("name", ["lam", "eps"])
def test_values_that_are_no_ratio(name, value):
    with pytest.raises(ConfigError, match=rf"^{name}={value!r}: .*must be a finite number above 0; write e.g. 0.0"):
        Agc(**{name: value})
