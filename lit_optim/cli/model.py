"""Builds the model that a command line names, on the meta device where its class can be built there."""

from __future__ import annotations

import contextlib
import inspect
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lit_optim.config.checks.locate import describe_object
from lit_optim.errors import ConfigError
from lit_optim.imports import import_object

if TYPE_CHECKING:
    from torch import nn


@contextlib.contextmanager
def import_path(folders: Sequence[str]) -> Iterator[None]:
    """Put folders in front of ``sys.path``, as they are when a script in them is started."""
    before = list(sys.path)
    sys.path[:0] = folders
    try:
        yield
    finally:
        sys.path[:] = before


def load_model(path: str) -> nn.Module:
    """Build the model of a path ``package.module:Name``.

    Args:
        path: of a class that needs no arguments, of a function that builds a model, or of a model.

    Raises:
        ConfigError: where there is none, it needs arguments, or it fails.

    Example:
        >>> load_model("torch.nn:Identity")
        Identity()
    """
    from torch import nn

    if path.endswith(".py") or not re.fullmatch(r"\w+(\.\w+)*[.:]\w+(\.\w+)*", path):
        raise ConfigError(
            f"MODEL={path}: not package.module:Name; write e.g. my.models:ViT, or first your app: train.py"
        )
    found = import_object(path.replace(":", "."), "MODEL")
    if isinstance(found, nn.Module):
        return found
    if not callable(found):
        raise ConfigError(
            f"MODEL={path}: {describe_object(found)}; give an nn.Module class, or a function that builds one"
        )
    name = path.replace(":", ".").rpartition(".")[2]
    if missing := _required_arguments(found):
        remedy = (
            f"give a function that builds it, e.g. def build(): return {name}({', '.join(f'{m}=...' for m in missing)})"
        )
        raise ConfigError(f"MODEL={path}: needs the arguments {', '.join(missing)}; {remedy}")
    return _build(found, f"MODEL={path}")


def model_of_config(config: Mapping[str, Any]) -> nn.Module:
    """Build the model of an app's config, as ``hydra.utils.instantiate(cfg.model)`` does.

    Raises:
        ConfigError: where the config has none, or it fails.
    """
    from lit_optim.config.read.app_config import instantiate

    node = config.get("model")
    if not isinstance(node, Mapping) or "_target_" not in node:
        raise ConfigError(
            "model._target_: missing, so the config names no model; give package.module:Name in its place"
        )
    try:
        return _build(lambda: instantiate(node), f"model._target_={node['_target_']}")
    except ConfigError as error:
        if missing := [f"+{name}=..." for name in _missing_arguments(node, "model")]:
            rule = "needs arguments that the app gives when it runs; add them to the command, each with its value"
            raise ConfigError(f"model._target_={node['_target_']}: {rule}: {' '.join(missing)}") from error
        raise


def _missing_arguments(node: Any, key: str) -> Iterator[str]:
    """Yield the dotted names of required arguments that a config does not give, at any depth."""
    if isinstance(node, Mapping):
        for name, below in node.items():
            yield from _missing_arguments(below, f"{key}.{name}")
        if "_target_" in node and not node.get("_partial_") and not node.get("_args_"):
            with contextlib.suppress(ConfigError):
                needed = _required_arguments(import_object(str(node["_target_"]), key))
                yield from (f"{key}.{name}" for name in needed if name not in node)


def _required_arguments(build: Callable[..., Any]) -> list[str]:
    try:
        parameters = inspect.signature(build).parameters.values()
    except (TypeError, ValueError):  # of a builtin
        return []
    return [p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def _build(build: Callable[[], Any], what: str) -> nn.Module:
    import torch

    try:
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = build()
    except Exception:  # it reads values, which are not there
        try:
            model = build()
        except Exception as error:
            text = " ".join(str(error).split())[:300]
            raise ConfigError(f"{what}: building it failed with {type(error).__name__}: {text}") from error
    if not isinstance(model, torch.nn.Module):
        raise ConfigError(f"{what}: it returned {describe_object(model)}, not an nn.Module")
    return model
