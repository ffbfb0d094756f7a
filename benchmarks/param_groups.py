"""Param groups of a model with 10,000 tensors: names, three rules, groups; and the same groups by a loop by hand."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from benchmarks.interleave import cpu_seconds, interleaved, table
from lit_optim.config.build.param_groups import read_grouping
from lit_optim.param_groups import NamedModel, assign, merge_into_groups

RULES = {
    "no_decay": {"match": {"any": [{"type": ["norm", "bias"]}, {"declared": "no_weight_decay"}]}, "weight_decay": 0.0},
    "head": {"match": {"role": "output"}, "lr": "x10"},
    "gates": {"match": {"name": "*.gate.*"}, "lr": "x0.5"},
}
DEFAULTS = {"lr": 1e-3, "weight_decay": 0.1}


class Block(nn.Module):
    """Ten tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.gate, self.up = nn.LayerNorm(2), nn.Linear(2, 2), nn.Linear(2, 2)
        self.norm2, self.down = nn.LayerNorm(2), nn.Linear(2, 2)


class Blocks(nn.Module):
    """1000 blocks and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks, self.head = nn.ModuleList(Block() for _ in range(1000)), nn.Linear(2, 2)


def by_hand(net: nn.Module) -> list[dict[str, Any]]:
    """The loop of a training script."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for path, module in net.named_modules():
        for attribute, p in module.named_parameters(recurse=False):
            no_decay = attribute == "bias" or isinstance(module, nn.LayerNorm)
            factor = 10.0 if path.startswith("head") else 0.5 if ".gate." in f"{path}.{attribute}" else 1.0
            groups.setdefault((1e-3 * factor, 0.0 if no_decay else 0.1), []).append(p)
    return [{"params": params, "lr": lr, "weight_decay": decay} for (lr, decay), params in groups.items()]


def by_rules(net: nn.Module) -> list[dict[str, Any]]:
    """Ours, from the module to the groups; the rules are read before, once a configuration."""
    return merge_into_groups(assign(NamedModel(net), GROUPING), DEFAULTS)


GROUPING = read_grouping({"rules": RULES})


def main(rounds: int = 40) -> None:
    net = Blocks()
    sizes = [sorted(len(group["params"]) for group in make(net)) for make in (by_hand, by_rules)]
    assert sizes[0] == sizes[1], sizes
    work = {"a loop by hand": by_hand, "three rules": by_rules}
    variants: dict[str, Callable[[], float]] = {
        name: partial(cpu_seconds, partial(make, net), 1) for name, make in work.items()
    }
    goal = "Goal: under 100 ms, without Python's garbage collector, which timeit switches off too."
    gc.disable()  # a full collection takes longer, 0.1 s where torch is imported, and comes every few calls
    title = f"Param groups of {len([*net.parameters()]):,} tensors"
    print(table(title, interleaved(variants, rounds), goal, unit="ms a model", scale=1e3))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
