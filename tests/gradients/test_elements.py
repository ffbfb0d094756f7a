"""The compiled form of the noise: the same numbers up to rounding, and its own bits wherever it is cut."""

import numpy as np
import pytest
import torch

from _support.gradient_reference import normals
from lit_optim.gradients import Noise, elements
from lit_optim.gradients.elements import Elements
from lit_optim.gradients.normal import keys


def words(segment):
    return keys(3, 7, "w", segment)


@pytest.fixture(autouse=True)
def one_compiler_process():
    from torch._inductor import config

    config.compile_threads = 1


def numbers(n, start, dtype=torch.float32):
    out = torch.zeros(n, dtype=dtype)
    Elements(out.device).add(out, start, 0.25, words)
    return out


class TestCompiled:
    pytestmark = pytest.mark.slow

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    @pytest.mark.parametrize("start", [0, 5, 1023, 2**31 - 700, 2**32 - 700, 2**41 + 3])
    def test_against_box_muller_in_float64(self, start, dtype):
        tolerance = 2e-6 if dtype is not torch.bfloat16 else 1e-2
        ours = numbers(5000, start, dtype).double().numpy()
        np.testing.assert_allclose(ours, 0.5 * normals(5000, 3, 7, "w", start), rtol=0, atol=tolerance)

    @pytest.mark.parametrize("n", [0, 1, 7, 33, 300_001])
    def test_bits_do_not_depend_on_cuts_or_threads(self, n):
        whole, parts = numbers(n, 0), torch.zeros(n)
        torch.set_num_threads(2)
        assert torch.equal(numbers(n, 0), whole)
        for first in range(0, n, 70_001):
            Elements(parts.device).add(parts[first : first + 70_001], first, 0.25, words)
        assert torch.equal(parts, whole)

    def test_a_step_is_the_uncompiled_one_up_to_rounding(self):
        grads = []
        for compiled in (False, True):
            p = torch.nn.Parameter(torch.zeros(3, 5, 40))
            q = torch.nn.Parameter(torch.zeros(7, 6).t())
            optimizer = torch.optim.SGD([p, q], lr=0.1)
            Noise(eta=1.0, compile=compiled).attach(optimizer)
            for _ in range(3):
                p.grad, q.grad = torch.ones(3, 5, 40), torch.ones(7, 6).t()
                optimizer.step()
            grads.append(torch.cat([p.grad.flatten(), q.grad.flatten()]))
        torch.testing.assert_close(*grads, rtol=0, atol=2e-6)


def test_without_a_compiler_the_blocks_do_it(monkeypatch):
    monkeypatch.setattr(elements, "kernel", lambda *_: None)
    out = torch.zeros(3000)
    adder = Elements(out.device)
    adder.add(out, 5, 0.25, words)
    adder.flush()
    np.testing.assert_allclose(out.numpy(), 0.5 * normals(3000, 3, 7, "w", 5), atol=2e-6)
