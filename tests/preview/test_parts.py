"""Curves of a composite: groups by part and by rule, keys that only some parts have, without a module."""

import pytest

from lit_optim.config.read.spec import read_spec
from lit_optim.preview.optimizer_stub import optimizer_stub


def test_groups_are_named_by_part_and_rule_and_hold_the_values_of_their_part():
    spec = read_spec({"_target_": "muon_adamw", "lr": 0.02, "parts": {"adamw": {"lr": "x0.1"}}}, "optimizer")
    stub = optimizer_stub("muon_adamw", spec, "head_x10")
    assert type(stub).__name__ == "AdamW + Muon"
    assert stub.defaults == {"lr": 0.02, "weight_decay": 0.1}
    found = [(group["name"], group["lr"], "betas" in group) for group in stub.param_groups]
    assert found == [
        ("adamw", pytest.approx(0.002), True), ("adamw/head", pytest.approx(0.02), True),
        ("muon", 0.02, False), ("muon/head", pytest.approx(0.2), False),
    ]  # fmt: skip
