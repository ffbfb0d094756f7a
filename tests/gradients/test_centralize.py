import numpy as np
import pytest
import torch

from _support.gradient_problem import Mixed, after
from _support.references.gradient_reference import centralized
from lit_optim.gradients import Centralize


def test_against_rows_centralized_one_by_one():
    before, result, _ = after(Mixed(), Centralize())
    for name, grad in result.items():
        np.testing.assert_allclose(
            grad.numpy(),
            centralized(before[name].numpy()) if grad.numel() else grad,
            rtol=1e-12,
            atol=1e-14,
            err_msg=name,
        )
    assert torch.equal(before["conv1.bias"], result["conv1.bias"])
    assert torch.equal(before["gain"], result["gain"])


def test_by_hand():
    p = torch.nn.Parameter(torch.zeros(2, 2, 2))
    optimizer = torch.optim.SGD([p], lr=1.0)
    Centralize().attach(optimizer)
    p.grad = torch.tensor([[[1.0, 2.0], [3.0, 6.0]], [[5.0, 5.0], [5.0, 5.0]]])
    optimizer.step()
    assert torch.equal(p.grad, torch.tensor([[[-2.0, -1.0], [0.0, 3.0]], [[0.0] * 2] * 2]))


@pytest.mark.parametrize(("dtype", "atol"), [(torch.bfloat16, 2**-7), (torch.complex64, 1e-6)])
def test_other_dtypes(dtype, atol):
    torch.manual_seed(1)
    p = torch.nn.Parameter(torch.zeros(3, 5000, dtype=dtype))
    optimizer = torch.optim.SGD([p], lr=0.0)
    Centralize().attach(optimizer)
    p.grad = (torch.randn(3, 5000) + 1).to(dtype)
    wide = torch.complex128 if dtype.is_complex else torch.float64
    expected = centralized(p.grad.to(wide).numpy())
    optimizer.step()
    np.testing.assert_allclose(p.grad.to(wide).numpy(), expected, rtol=atol, atol=atol)


def test_exclude():
    before, result, _ = after(Mixed(), Centralize(exclude="emb.weight"))
    assert torch.equal(before["emb.weight"], result["emb.weight"])
    assert not torch.equal(before["head.weight"], result["head.weight"])
