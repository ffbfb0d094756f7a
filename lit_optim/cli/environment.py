"""Checks the installation: versions, extras, and whether Hydra finds our presets."""

from __future__ import annotations

import importlib
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from importlib.util import find_spec
from types import ModuleType

import lit_optim
from lit_optim.config.pitfalls.finding import Finding
from lit_optim.imports import pip_line
from lit_optim.versions import installed, missing_version, release

PACKAGES = ("torch", "lightning", "hydra-core", "omegaconf", "torchmetrics", "pytorch-lightning", "rich", "matplotlib")
PLUGIN = "hydra_plugins.lit_optim.searchpath"
NAMESPACE = "hydra_plugins"
BLOCKLIST_SINCE = (1, 3, 6)  # of Hydra's blocklist of `_target_` there are no known ways around
ABSENT = "not installed"
AGAIN = "pip install --force-reinstall --no-deps lit-optim"
TWINS = {"lightning": ("pytorch-lightning",)}  # either will do
NOT_FOR_USERS = ("dev", "examples", "test")


def versions() -> dict[str, str]:
    """List the version of everything that matters.

    Example:
        >>> versions()["lit-optim"] == lit_optim.__version__
        True
    """
    found = {"python": sys.version.split()[0], "lit-optim": lit_optim.__version__}
    return found | {name: installed(name) or ABSENT for name in PACKAGES}


def plugin_findings(load: Callable[[str], ModuleType] = importlib.import_module) -> list[Finding]:
    """Check that Hydra finds the plugin that brings our presets.

    A package with a regular ``hydra_plugins/__init__.py`` hides every ``hydra_plugins`` folder elsewhere.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            load(PLUGIN)
    except Exception as error:
        problem, remedy = _plugin_problem(error)
        return [Finding("plugin", "error", NAMESPACE, problem, remedy)]
    return []


def _plugin_problem(error: Exception) -> tuple[str, str]:
    if not isinstance(error, ModuleNotFoundError) or not f"{PLUGIN}.".startswith(f"{error.name}."):
        words = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
        problem = f"{PLUGIN} cannot be imported ({words}), so apps do not find our presets"
        return problem, f"mend that import, or {AGAIN}"
    namespace = find_spec(NAMESPACE)
    if namespace is None or namespace.origin in (None, "namespace"):
        return "Hydra's plugin of lit-optim is not installed, so apps do not find our presets", AGAIN
    return (
        f"{namespace.origin} makes {NAMESPACE} a regular package, which hides ours: no app finds our presets",
        "delete that __init__.py (Hydra's plugins are namespace packages), or uninstall the package that it "
        "belongs to; till then write hydra.searchpath: [pkg://lit_optim.conf] in your primary config",
    )


def extra_findings(requires: Iterable[str] | None = None) -> list[Finding]:
    """Note extras whose packages are not installed, which is the user's choice.

    Args:
        requires: as in a package's metadata; default: those of lit-optim.

    Example:
        >>> print(*extra_findings(['not-there>=2; extra == "plot"']))
        plot: not-there is not installed; pip install 'lit-optim[plot]'
    """
    missing: dict[str, list[str]] = {}
    for line in _requires() if requires is None else requires:
        name, extra = re.match(r"[\w.-]+", line), re.search(r"extra == ['\"]([\w-]+)['\"]", line)
        if name and extra and name[0] != "lit-optim" and extra[1] not in NOT_FOR_USERS and not installed(name[0]):
            missing.setdefault(extra[1], []).append(name[0])
    return [
        Finding("extra", "note", extra, f"{', '.join(names)} is not installed", f"pip install 'lit-optim[{extra}]'")
        for extra, names in missing.items()
    ]


def requirement_findings(requires: Iterable[str] | None = None) -> list[Finding]:
    """Find core dependencies that are missing, or installed in another version than we need.

    Example:
        >>> print(*requirement_findings(["torch>=99"]))  # doctest: +ELLIPSIS
        torch=...: lit-optim needs torch>=99; pip install 'torch>=99'
    """
    from packaging.requirements import Requirement

    findings = []
    for requirement in map(Requirement, _requires() if requires is None else requires):
        version, *others = (installed(name) for name in (requirement.name, *TWINS.get(requirement.name, ())))
        allowed = any(v and requirement.specifier.contains(v, prereleases=True) for v in (version, *others))
        if requirement.marker is None and not allowed:
            key, wanted = f"{requirement.name}={version or ABSENT}", f"{requirement.name}{requirement.specifier}"
            problem, remedy = f"lit-optim needs {wanted}", f"pip install '{wanted}'"
            findings.append(Finding("requirement", "error", key, problem, remedy))
    return findings


def preset_findings(targets: Mapping[str, str]) -> list[Finding]:
    """Note presets whose package is not installed.

    Args:
        targets: preset -> import path.
    """
    findings = []
    for preset, target in targets.items():
        package = target.partition(".")[0]
        if package.isidentifier() and find_spec(package) is None:
            problem = f"needs the package {package!r}, which is not installed"
            remedy = pip_line(package) or f"lit-optim info {preset}"
            findings.append(Finding("preset", "note", preset, problem, remedy))
    return findings


def version_findings(needs: Mapping[str, Iterable[str]]) -> list[Finding]:
    """Note presets that need a newer version of a package than the installed one.

    Args:
        needs: preset -> entries of its ``# needs:`` line.

    Example:
        >>> print(*version_findings({"optimizer/x": ["closure", "torch 99"]}))  # doctest: +ELLIPSIS
        optimizer/x: needs torch 99 or newer, and torch ... is installed; pip install 'torch>=99'
    """
    lacking = [(preset, missing_version(need)) for preset, words in needs.items() for need in words]
    return [Finding("preset", "note", preset, *problem.split("; ", 1)) for preset, problem in lacking if problem]


def hydra_findings(found: Mapping[str, str]) -> list[Finding]:
    """Warn of a Hydra whose blocklist of ``_target_`` is missing or can be bypassed.

    Example:
        >>> [finding.severity for finding in hydra_findings({"hydra-core": "1.3.5"})]
        ['warning']
        >>> hydra_findings({"hydra-core": "1.3.6"})
        []
    """
    version = found.get("hydra-core", ABSENT)
    if not () < release(version) < BLOCKLIST_SINCE:
        return []
    state = "has no" if release(version) < (1, 3, 4) else "has a way around its"
    problem = (
        f"it {state} blocklist of _target_, so hydra.utils.instantiate calls any function that a configuration names "
        "(lit-optim's checks of its own specs do not depend on it)"
    )
    remedy = "pip install 'hydra-core>=1.3.6', or instantiate only configurations that you trust"
    return [Finding("hydra", "warning", f"hydra-core={version}", problem, remedy)]


def _requires() -> list[str]:
    return (metadata.requires("lit-optim") or []) if installed("lit-optim") else []
