"""Saves a module's specs in checkpoints and loads them; what a loaded spec may import is restricted."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lit_optim.checkpoint.stamp import HPARAMS, environment, stamp
from lit_optim.config.read.named_specs import optimizer_as_dict
from lit_optim.config.read.plain_containers import all_strings, to_plain
from lit_optim.imports import only_known_packages
from lit_optim.module.specs import ModuleWithSpecs
from lit_optim.resume import planned_runs


class SpecsInCheckpoints(ModuleWithSpecs):
    """A module whose checkpoints hold its specs in plain containers."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Stamp the checkpoints also of a class whose ``on_save_checkpoint`` does not call ``super()``."""
        super().__init_subclass__(**kwargs)
        own = next(vars(base)["on_save_checkpoint"] for base in cls.__mro__ if "on_save_checkpoint" in vars(base))
        if own is SpecsInCheckpoints.on_save_checkpoint or hasattr(own, "stamps"):
            return

        @functools.wraps(own)
        def on_save_checkpoint(self: SpecsInCheckpoints, checkpoint: dict[str, Any]) -> None:
            own(self, checkpoint)
            self.stamp_checkpoint(checkpoint)

        on_save_checkpoint.stamps = True  # type: ignore[attr-defined]
        cls.on_save_checkpoint = on_save_checkpoint  # type: ignore[method-assign]  # that is the purpose

    @classmethod
    def load_from_checkpoint(
        cls, checkpoint_path: Any, *args: Any, allow: str | Path | Iterable[str | Path] = (), **kwargs: Any
    ) -> Any:
        """Load as Lightning does; the file's specs build optimizers, schedulers and lit_optim's callbacks only.

        They import lit_optim and known packages only; optimizers that are imported already may be named too. They name
        no functions, and paths in the Trainer's ``default_root_dir`` only.

        Args:
            checkpoint_path: file, path or URL.
            args: as Lightning takes them: ``map_location``, ``hparams_file``, ``strict``, ``weights_only``.
            allow: what specs of this file may name besides: dotted names of packages, classes and functions; folders.
            kwargs: hyper-parameters that beat those of the file; what they name is allowed.

        Raises:
            ConfigError: when the specs are built, before anything else is imported, called or written.
        """
        allowed = frozenset([allow] if isinstance(allow, (str, Path)) else allow)
        names = frozenset(all_strings(kwargs))
        with only_known_packages(allowed, names):
            module = super().load_from_checkpoint(checkpoint_path, *args, **kwargs)
        module._run_state.allowed_packages, module._run_state.allowed_names = allowed, names
        return module

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Stamp a checkpoint; checkpoints of weights only have no other hook."""
        super().on_save_checkpoint(checkpoint)
        self.stamp_checkpoint(checkpoint)

    def stamp_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Write the specs into a checkpoint, and the evaluated weights into a checkpoint of weights only."""
        if "state_dict" in checkpoint and "optimizer_states" not in checkpoint:
            for callback in self.optimizer_callbacks():
                callback.put_evaluated_weights(self, checkpoint)
        specs = self._specs_with_lr()
        names = {parameter: name for name, parameter in self.named_parameters()}
        live = self._live_optimizers()
        groups = [group for each in live for group in each.param_groups]
        param_names = [[names.get(p, "") for p in group["params"]] for group in groups]
        classes = [type(each).__name__ for each in live]
        stamp(checkpoint, to_plain(specs, "specs"), param_names, self._environment(), classes)
        active = [type(getattr(each, "active", each)).__name__ for each in live]  # after a planned change, the new one
        if active != classes:
            checkpoint["lit_optim"]["active"] = active
        if (scaled := self._run_state.scaled_lr) is not None:
            checkpoint["lit_optim"]["batch_size"] = scaled.batch.samples
        used = {p for each in live for p in each.state}
        if used and (
            stateless := [names[p] for group in groups for p in group["params"] if p in names and p not in used]
        ):
            checkpoint["lit_optim"]["stateless"] = stateless
        if runs := planned_runs.saved_runs(self):
            checkpoint["lit_optim"][planned_runs.RUNS] = runs
        if self._overrides() and "optimizer" in checkpoint.get(HPARAMS, {}):
            checkpoint[HPARAMS]["optimizer"] = specs["optimizer"]

    def _specs_with_lr(self) -> dict[str, Any]:
        specs = self.optim_specs()
        return {**specs, "optimizer": optimizer_as_dict(specs["optimizer"], self._overrides())}

    def _environment(self) -> dict[str, Any]:
        trainer = self._trainer_or_none()
        groups = [(o, group) for o in self._live_optimizers() for group in o.param_groups]
        compiled = {type(o).__name__ for o, group in groups if group.get("compile") is True}
        compiled |= {type(c).__name__ for c in getattr(trainer, "callbacks", ()) if getattr(c, "compile", None) is True}
        return environment(getattr(trainer, "world_size", 1), compiled, getattr(trainer, "precision", None))

    def trusted(self) -> contextlib.AbstractContextManager[None]:
        """Restrict what specs may name within the context, if they come from a checkpoint."""
        if self._run_state.allowed_packages is None and not self._run_state.resumed_specs:
            return contextlib.nullcontext()
        return self._named_by_checkpoint()

    def _named_by_checkpoint(self) -> contextlib.AbstractContextManager[None]:
        """Restrict specs to what a checkpoint may name, and to what is named by code or configuration as well."""
        state = self._run_state
        if state.allowed_packages is None:
            names = frozenset(all_strings(self._configured_specs()))
        else:  # the hyper-parameters are the checkpoint's too
            own = all_strings(getattr(self, "optim_spec", None))
            names = state.allowed_names.union(own).difference({*all_strings(self.hparams)} - state.allowed_names)
        root = getattr(self._trainer_or_none(), "default_root_dir", "")
        return only_known_packages(state.allowed_packages or (), names, root)
