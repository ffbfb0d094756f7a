"""Which optimizer is measured against which one, on which workloads, and the goal: the table, and nothing else."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

import lit_optim
from benchmarks.floor import Floor
from lit_optim.optimizers import SGDW, AdaBound, Adam, compiled

Build = Callable[[list[torch.Tensor]], Any]  # parameters -> something with a step()


@dataclass(frozen=True)
class Row:
    """One optimizer, with the ratios to its baseline that it is to reach, by workload."""

    name: str
    build: Build
    goals: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Family:
    """Optimizers with the same state and memory traffic; of several baselines the fastest one counts."""

    name: str
    baselines: dict[str, Build]
    rows: list[Row]
    workloads: tuple[str, ...]


def preset(name: str, **options: Any) -> Build:
    """As a user gets it, with its checks at each step."""
    return lambda params: lit_optim.build_optimizer(name, params, **options)


def peer(path: str, **options: Any) -> list[Build]:
    """The builder of another package's class, if that is installed."""
    package, _, name = path.rpartition(".")
    try:
        return [partial(getattr(importlib.import_module(package), name), **options)]
    except ImportError:
        return []


def peer_compiled(name: str, **options: Any) -> list[Build]:
    """The same, compiled, which that package does for models only."""
    build = peer("pytorch_optimizer.create_optimizer")
    return [lambda params: build[0](torch.nn.ParameterList(params), name, compile=True, **options)] if build else []


def against_fused(name: str, cls: type[torch.optim.Optimizer], base: dict[str, Any], goal: float = 1.03) -> Family:
    rows = [Row(f"{name} preset", preset(name, **base), {"W1": goal, "W2": goal, "W3": goal + 0.02})]
    return Family(
        f"{name} preset",
        {f"torch {cls.__name__}(fused=True)": partial(cls, fused=True, **base)},
        rows,
        ("W1", "W2", "W3"),
    )


def one_pass(name: str) -> Family:
    cls = getattr(torch.optim, name)
    loops = {"for": partial(cls, foreach=False), "foreach": partial(cls, foreach=True)}
    rows = [Row(f"{name} compiled", getattr(compiled, name), {"W1": 0.4})]
    return Family(f"{name} compiled", {f"torch {name}, {how}": build for how, build in loops.items()}, rows, ("W1",))


ADAM = {"torch Adam(fused=True)": partial(torch.optim.Adam, fused=True)}
AMSGRAD = {"torch Adam(fused=True, amsgrad=True)": partial(torch.optim.Adam, fused=True, amsgrad=True)}
SGD = dict(lr=1e-3, momentum=0.9, weight_decay=1e-2)

FAMILIES = [
    against_fused("adamw", torch.optim.AdamW, {}),
    against_fused("adam", torch.optim.Adam, {}),
    against_fused("sgd", torch.optim.SGD, dict(lr=1e-3)),
    against_fused("adagrad", torch.optim.Adagrad, {}),
    Family(
        "AdaBound",
        ADAM,
        [
            Row("AdaBound compiled", partial(AdaBound, compile=True), {"W1": 1.05, "W2": 1.05, "W5": 1.05, "W3": 0.8}),
            Row("AdaBound eager", AdaBound, {"W1": 3.2, "W5": 3.2, "W3": 2.2}),
            *(Row("pytorch_optimizer AdaBound", build) for build in peer("pytorch_optimizer.AdaBound")),
            *(Row("pytorch_optimizer AdaBound, compiled", build) for build in peer_compiled("adabound")),
            Row("memory floor, 7 streams", partial(Floor, state=2)),
        ],
        ("W1", "W2", "W3", "W5"),
    ),
    Family(
        "AMSBound",
        AMSGRAD,
        [
            Row("AMSBound compiled", partial(AdaBound, amsbound=True, compile=True), {"W5": 1.0, "W3": 0.95}),
            *(Row("pytorch_optimizer AMSBound", build) for build in peer("pytorch_optimizer.AdaBound", ams_bound=True)),
            Row("memory floor, 9 streams", partial(Floor, state=3)),
        ],
        ("W3", "W5"),
    ),
    Family(
        "SGDW",
        {"torch SGD(fused=True)": partial(torch.optim.SGD, fused=True, **SGD)},
        [
            Row("SGDW compiled", partial(SGDW, compile=True, **SGD), {"W1": 1.1, "W2": 1.1, "W5": 1.1}),
            Row("SGDW eager", partial(SGDW, **SGD), {"W1": 1.45, "W2": 1.45, "W5": 1.45}),
            *(Row("pytorch_optimizer SGDW", build) for build in peer("pytorch_optimizer.SGDW", **SGD)),
            *(Row("timm SGDW", build) for build in peer("timm.optim.SGDW", **SGD)),
            Row("memory floor, 5 streams", partial(Floor, state=1)),
        ],
        ("W1", "W2", "W5"),
    ),
    *(one_pass(name) for name in ("NAdam", "RAdam", "RMSprop", "Adadelta", "Adamax")),
    Family(
        "calls, 148 tensors of 8 elements",
        {"torch AdamW(fused=True)": partial(torch.optim.AdamW, fused=True)},
        [
            Row("Adam, own", partial(Adam, decoupled=True, weight_decay=1e-2), {"tiny": 1.0}),
            Row("AdaBound eager", AdaBound, {"tiny": 1.0}),
            Row("AdaBound compiled", partial(AdaBound, compile=True), {"tiny": 1.0}),
            Row("SGDW eager", partial(SGDW, **SGD), {"tiny": 1.0}),
            Row("SGDW compiled", partial(SGDW, compile=True, **SGD), {"tiny": 1.0}),
        ],
        ("tiny",),
    ),
]  # fmt: skip
