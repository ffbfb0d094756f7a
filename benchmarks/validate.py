"""What validating a preset costs, once torch is imported; a building of the same optimizer by hand beside it."""

from __future__ import annotations

import torch

import lit_optim
from benchmarks.interleave import cpu_seconds, interleaved, table

GROUPS = ("optimizer", "scheduler", "param_groups", "optim_callbacks")


def main(rounds: int = 20, repeat: int = 20) -> None:
    layer = torch.nn.Linear(2, 2)
    variants = {
        "torch.optim.AdamW(params), by hand": lambda: cpu_seconds(lambda: torch.optim.AdamW(layer.parameters()), repeat)
    }
    names = [(group, name) for group in GROUPS for name in lit_optim.presets(group)]
    for group, name in names:
        variants[f"{group}={name}"] = lambda cfg={group: name}: cpu_seconds(lambda: lit_optim.validate(cfg), repeat)
    rows = interleaved(variants, rounds)
    slowest = sorted(rows, key=lambda row: row.median)[-5:]
    title = f"lit_optim.validate of one spec, the 5 slowest of {len(names)} presets"
    print(table(title, [rows[0], *slowest], "Goal: under 1000 us."))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
