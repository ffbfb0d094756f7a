"""Look up the needs and capabilities of an optimizer preset.

Needs are read from the ``# needs:`` line of its file, the rest from ``capabilities.json``, which ``make capabilities``
writes. Both are what the probes in ``tools/capabilities`` find.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path

from lit_optim.config.read import presets
from lit_optim.errors import ConfigError, did_you_mean
from lit_optim.versions import is_need, missing_version

WORDS = {
    "closure": "closure",
    "one group": "one_group",
    "one lr": "one_lr",
    "sparse gradients": "sparse",
    "2-D parameters": "two_d",
    "hidden matrices": "hidden_matrices",
    "no schedule": "no_schedule",
    "train and eval modes": "modes",
    "second derivatives": "second_order",
    "random numbers": "random",
    "a GPU": "gpu",
    "an argument": "argument",
}


@dataclass(frozen=True)
class Measured:
    """Describes what an optimizer can do: ``yes``, ``no`` (raises) or ``wrong`` (it silently computes something else).

    Args:
        sparse: gradients; ``only`` where dense ones are refused.
        complex: parameters, as pairs of real ones.
        bf16: parameters in bfloat16.
        fused: the flag of its constructor.
        foreach: likewise.
        compile: likewise.
        state_bytes: that it keeps for each parameter of a large float32 matrix.
        ddp: two processes end where one does.
        fsdp2: likewise with sharded parameters, unevenly too.
        resumes: from a checkpoint, to the bit.
    """

    sparse: str
    complex: str
    bf16: str
    fused: str
    foreach: str
    compile: str
    state_bytes: float
    ddp: str
    fsdp2: str
    resumes: bool


@dataclass(frozen=True)
class Capabilities:
    """Describes what an optimizer requires of its parameters and its caller.

    Args:
        closure: ``step`` must be given a closure (Lightning always does).
        one_group: all parameters must be in one group.
        one_lr: all groups must have the same learning rate.
        sparse: every gradient must be sparse.
        two_d: every parameter must have exactly two dimensions.
        hidden_matrices: the module must have matrices that are neither embeddings nor the output layer, and others.
        no_schedule: a learning-rate schedule has no effect on it, or no place with it.
        modes: ``train()`` must be called before it steps, and ``eval()`` before the weights are used.
        second_order: the gradients must be differentiable: ``backward(create_graph=True)``.
        random: its steps draw random numbers, so a resumed run is exact only if their generator is restored.
        gpu: its parameters must be on a GPU.
        argument: it cannot be built without an argument that the preset does not give.
        versions: of packages that it needs, where they are newer than the oldest that lit-optim does: ``torch 2.9``.
        measured: what it can do; None where it could not be tried.
    """

    closure: bool = False
    one_group: bool = False
    one_lr: bool = False
    sparse: bool = False
    two_d: bool = False
    hidden_matrices: bool = False
    no_schedule: bool = False
    modes: bool = False
    second_order: bool = False
    random: bool = False
    gpu: bool = False
    argument: bool = False
    versions: tuple[str, ...] = ()
    measured: Measured | None = None

    @property
    def against_schedules(self) -> str:
        """Return why the optimizer should have no schedule; empty where it may have one."""
        if self.modes:
            return "averages its weights in place of a schedule; choose scheduler=none"
        return "reads its lr once: a schedule has no effect on it" if self.no_schedule else ""


def capabilities(name: str) -> Capabilities:
    """Look up the needs and the measured cells of a preset.

    Example:
        >>> needs = capabilities("lbfgs")
        >>> needs.closure, needs.one_group, needs.sparse
        (True, True, False)
    """
    words = presets.preset_needs("optimizer", name)
    versions = tuple(word for word in words if is_need(word))
    for word in words:
        if word not in (*WORDS, *versions):
            raise ConfigError(f"conf/optimizer/{name}.yaml: needs {word!r}{did_you_mean(word, WORDS, list_all=True)}")
    flags = {WORDS[word]: True for word in words if word in WORDS}
    return Capabilities(versions=versions, measured=_measured().get(name), **flags)


@functools.cache
def _measured() -> dict[str, Measured]:
    text = (Path(__file__).parent / "capabilities.json").read_text(encoding="utf-8")
    return {name: Measured(**cells) for name, cells in json.loads(text).items()}


@functools.cache
def capability_table() -> dict[str, Capabilities]:
    """List all optimizer presets with what they need and can do."""
    return {name: capabilities(name) for name in presets.preset_names("optimizer")}


@functools.cache
def capabilities_of_target(path: str) -> Capabilities:
    """Look up the first preset of the class at ``path``; a class without a preset needs nothing that we know of."""
    name = presets.preset_of_target(path)
    return capabilities(name) if name else Capabilities()


def check_versions(target: str, key: str) -> None:
    """Reject a class that a preset names and the installed versions lack.

    Args:
        target: import path of the class.
        key: dotted name of the spec, for messages.

    Raises:
        ConfigError: with the preset, the version that is needed, the one that is installed, and what to do.
    """
    for need in capabilities_of_target(target).versions:
        if problem := missing_version(need):
            preset = presets.preset_of_target(target)
            raise ConfigError(f"{key}: the preset {preset!r} ({target}) {problem}, or choose another preset")
