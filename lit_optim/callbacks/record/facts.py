"""Collect what a run can be repeated from: spec, seed, versions, hardware, git state, command line."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from lit_optim.callbacks.record.memory import tensor_bytes
from lit_optim.config.canonical_specs import canonical_callbacks, canonical_specs
from lit_optim.config.hydra_main import hydra_run
from lit_optim.errors import ConfigError
from lit_optim.lightning_api import LightningModule, Trainer, package_of
from lit_optim.versions import installed

GIT_SECONDS = 10


def facts_of_start(trainer: Trainer, module: LightningModule) -> dict[str, Any]:
    """Collect what is known when a run begins; what does not exist is left out."""
    main = getattr(sys.modules["__main__"], "__file__", None)
    package = package_of(type(trainer)).replace("_", "-")
    found = {
        "spec": spec_of(module, trainer.callbacks),  # type: ignore[attr-defined]  # set by a connector
        "optimizers": [type(optimizer).__name__ for optimizer in trainer.optimizers],
        "seed": int(os.environ.get("PL_GLOBAL_SEED", torch.initial_seed())),
        "versions": {
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "lightning": installed(package),
            "lit_optim": sys.modules["lit_optim"].__version__,
            "hydra": installed("hydra-core"),
        },
        "hardware": hardware(module.device, trainer.world_size),
        "precision": str(trainer.precision),
        "git": git_state(Path(main).absolute().parent if main else Path.cwd()),
        "command": [*sys.argv],
        "hydra": hydra_run(),
    }
    return {key: value for key, value in found.items() if value is not None}


def facts_of_training(trainer: Trainer, module: nn.Module) -> dict[str, Any]:
    """Count what exists after a first step: parameters, and the bytes of the optimizers' state over all ranks."""
    sizes = [(0 if is_lazy(p) else p.numel(), p.requires_grad) for p in module.parameters()]
    return {
        "parameters": {"all": sum(size for size, _ in sizes), "trained": sum(size for size, train in sizes if train)},
        "state_bytes": sum(tensor_bytes(optimizer.state) for optimizer in trainer.optimizers),
    }


def spec_of(module: Any, callbacks: Iterable[Any]) -> dict[str, Any] | None:
    """Return the resolved specs of a module and our callbacks, in plain containers; None for one without specs."""
    if not hasattr(module, "resolved_specs"):
        return None
    try:
        with module.trusted():
            specs = canonical_specs(module.resolved_specs(attached=True))
    except ConfigError:  # its own configure_optimizers needs no specs
        return None
    return {**specs, "optim_callbacks": canonical_callbacks(callbacks)}


def hardware(device: torch.device, processes: int) -> dict[str, Any]:
    """Name the processor, its cores, and the GPU if the module is on one."""
    gpu = {"gpu": torch.cuda.get_device_name(device)} if device.type == "cuda" else {}
    return {"cpu": _cpu_name(), "cores": os.cpu_count(), "device": device.type, **gpu, "processes": processes}


def _cpu_name() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def git_state(folder: Path) -> dict[str, Any] | None:
    """Return the commit of a folder, and whether tracked files differ from it; None outside a repository.

    Example:
        >>> git_state(Path("/")) is None
        True
    """
    commit, changes = _git(folder, "rev-parse", "HEAD"), _git(folder, "status", "--porcelain", "--untracked-files=no")
    return None if commit is None else {"commit": commit, "dirty": None if changes is None else bool(changes)}


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=GIT_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):  # no git, no repository, a file system that does not answer
        return None
    return done.stdout.strip()
