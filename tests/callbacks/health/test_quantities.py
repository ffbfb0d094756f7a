"""The pure functions, with numbers by hand."""

import math

import pytest
import torch

from lit_optim.callbacks.health.callback import group_names
from lit_optim.callbacks.health.quantities import Sums, quantities, saturated, step_sums

SUMS = Sums(raw=16.0, consumed=4.0, left=4.0, weight=100.0, update=1.0, product=-1.0, moments=8, at_eps=2, size=25)


@pytest.mark.parametrize(("maximize", "sign"), [(False, 1), (True, -1)])
def test_every_quantity(maximize, sign):
    assert quantities(SUMS, maximize=maximize) == {
        "gradient_norm": 4.0, "gradient_norm_clipped": 2.0, "update_ratio": 0.1, "effective_lr": 0.5,
        "cosine": sign * 0.5, "saturation": 0.25,
    }  # fmt: skip


def test_what_has_no_meaning_is_left_out():
    none = quantities(Sums(*[0.0] * 9))
    assert none == {"gradient_norm": 0.0, "gradient_norm_clipped": 0.0}
    assert "cosine" not in quantities(SUMS._replace(left=5.0)), "the product is one with another gradient"
    assert math.isnan(quantities(SUMS._replace(raw=math.nan))["gradient_norm"])


GROUP = {"eps": 1e-4, "betas": (0.9, 0.75)}
V = torch.tensor([1e-9, 1.0])


@pytest.mark.parametrize(
    ("state", "group", "threshold"),
    [
        ({"exp_avg_sq": V, "step": torch.tensor(2.0)}, GROUP, 1e-8 * (1 - 0.75**2)),
        ({"exp_avg_sq": V, "max_exp_avg_sq": V + 1, "step": 1}, GROUP, 1e-8 * 0.25),
        ({"square_avg": V}, {"eps": 1e-4}, 1e-8),
        ({"sum": V}, {"eps": 1e-4}, 1e-8),
        ({"exp_avg_sq": V}, GROUP, None),  # without a count of steps
        ({"exp_avg_sq": V, "step": 1}, {**GROUP, "betas": (0.9, 0.9, 0.9)}, None),
        ({"exp_avg_sq": V, "step": 1}, {**GROUP, "eps": (1e-30, 1e-3)}, None),
        ({"exp_avg_sq": V, "step": 1}, {**GROUP, "phase": "sgd"}, None),
        ({"momentum_buffer": V}, {}, None),
    ],
)
def test_the_second_moments_and_eps(state, group, threshold):
    found = saturated(state, group)
    assert (found is None) == (threshold is None)
    if found is not None:
        assert float(found[1]) == pytest.approx(threshold)
        assert torch.equal(found[0], state.get("max_exp_avg_sq", V))


def test_low_precision_is_summed_in_a_wide_one():
    before, after = torch.ones(1000, dtype=torch.bfloat16), torch.full((1000,), 1.0078125, dtype=torch.bfloat16)
    gradient = torch.full((1000,), 3.0, dtype=torch.bfloat16)
    update, product = step_sums(before, after, gradient)
    assert update.item() == pytest.approx(1000 * 0.0078125**2)
    assert product.item() == pytest.approx(1000 * 0.0078125 * 3)


def sgd(*names):
    return torch.optim.SGD([{"params": [torch.zeros(1)], **({"name": name} if name else {})} for name in names])


def test_names_of_groups():
    assert group_names([sgd("head")]) == [[""]]
    assert group_names([sgd("body", None)]) == [["body", "pg2"]]
    assert group_names([sgd("body", "head"), sgd("body")]) == [["0/body", "head"], ["1/body"]]
