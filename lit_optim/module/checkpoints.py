"""Saves a module's specs in checkpoints and loads them; what a loaded spec may import is restricted."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable, Sequence
from typing import Any

from torch.optim import Optimizer

from lit_optim.checkpoint.compatibility import (
    check_parameter_order,
    check_resumed_states,
    name_parameters,
    restores_param_groups,
)
from lit_optim.checkpoint.named_states import order_by_name
from lit_optim.checkpoint.stamp import HPARAMS, environment, stamp, stamp_of
from lit_optim.config.read.named_specs import optimizer_as_dict
from lit_optim.config.read.plain_containers import all_strings, to_plain, to_serializable
from lit_optim.config.read.presets import GROUPS
from lit_optim.config.resume_policy import read_policy
from lit_optim.imports import only_known_packages
from lit_optim.module import run_plans
from lit_optim.module.batch_scaling import rescaled, warn_of_another_batch
from lit_optim.module.specs import ModuleWithSpecs
from lit_optim.resume.resumed_run import ResumedRun, saved_groups
from lit_optim.resume.specs import resumed_specs
from lit_optim.scheduler.run_progress import progress_in


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
        cls, checkpoint_path: Any, *args: Any, allow: str | Iterable[str] = (), **kwargs: Any
    ) -> Any:
        """Load as Lightning does; the file's specs may import only torch, lit_optim and known packages.

        What is imported already may be named too.

        Args:
            checkpoint_path: file, path or URL.
            args: as Lightning takes them: ``map_location``, ``hparams_file``, ``strict``, ``weights_only``.
            allow: dotted names of further packages that specs of this file may import.
            kwargs: hyper-parameters that beat those of the file; what they name is allowed.

        Raises:
            ConfigError: when an optimizer of another package is built, before that package is imported.
        """
        own = {text.partition(".")[0] for group in GROUPS for text in all_strings(kwargs.get(group)) if "." in text}
        allowed = frozenset([allow] if isinstance(allow, str) else allow) | own
        with only_known_packages(allowed):
            module = super().load_from_checkpoint(checkpoint_path, *args, **kwargs)
        module._run_state.allowed_packages = allowed
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
        if (scaled := self._run_state.scaled_lr) is not None:
            checkpoint["lit_optim"]["batch_size"] = scaled.batch.samples
        if runs := run_plans.saved_runs(self):
            checkpoint["lit_optim"][run_plans.RUNS] = runs
        if self._overrides() and "optimizer" in checkpoint.get(HPARAMS, {}):
            checkpoint[HPARAMS]["optimizer"] = specs["optimizer"]

    def _specs_with_lr(self) -> dict[str, Any]:
        specs = self.optim_specs()
        return {**specs, "optimizer": optimizer_as_dict(specs["optimizer"], self._overrides())}

    def resume_from(self, checkpoint: dict[str, Any]) -> None:
        """Take over from a checkpoint what the policy says: specs, states, and where the schedule stands."""
        state, saved, specs = self._run_state, stamp_of(checkpoint), self.optim_specs()
        policy = read_policy(specs.get("resume"))
        order_by_name(checkpoint, specs["optimizer"])
        used, rows = resumed_specs(saved.get("spec", {}), self._specs_with_lr(), policy)
        state.resumed = ResumedRun(policy, saved, rows, progress_in(checkpoint).steps, saved_groups(checkpoint))
        state.resumed_batch_size = saved.get("batch_size") if policy.lr == "checkpoint" else None
        trainable = {name for name, p in self.named_parameters() if p.requires_grad}
        name_parameters(checkpoint, trainable)
        trainer, live = self._trainer_or_none(), self._live_optimizers()
        if len(live) == 1 and trainer is not None and trainer.strategy.restore_checkpoint_after_setup:
            # such a strategy has loaded the state by now, in the order of this module's parameters
            check_parameter_order(checkpoint, [name for name, _ in self.named_parameters()], live[0])
            if state.scaled_lr is not None and state.resumed_batch_size not in (None, state.scaled_lr.batch.samples):
                warn_of_another_batch(state.resumed_batch_size, state.scaled_lr.batch)
            self._fit_schedulers(checkpoint)
        else:
            state.checkpoint = checkpoint
        if to_serializable(used["optimizer"]) != to_serializable(self._specs_with_lr()["optimizer"]) or (
            policy.groups == "checkpoint"
        ):
            state.resumed_specs = used
        if policy.schedule == "cooldown" and trainer is not None:
            optimizers = max(1, len(saved.get("optimizers") or []))
            run_plans.end_with_cooldown(trainer, policy, progress_in(checkpoint), optimizers)

    def fit_checkpoint(self, checkpoint: dict[str, Any], optimizers: Sequence[Optimizer]) -> None:
        """Bring the optimizer states of a checkpoint into the form of the optimizers, and check them.

        Raises:
            ConfigError: where they do not fit.
        """
        resumed, callbacks = self._run_state.resumed, getattr(self._trainer_or_none(), "callbacks", ())
        if resumed is not None and not restores_param_groups(callbacks):
            resumed.fit_states(checkpoint, optimizers)
        check_resumed_states(checkpoint.get("optimizer_states"), optimizers, callbacks)

    def _fit_schedulers(self, checkpoint: dict[str, Any]) -> None:
        resumed, trainer = self._run_state.resumed, self.trainer
        if resumed is not None:
            schedulers = [config.scheduler for config in trainer.lr_scheduler_configs]
            resumed.fit_schedulers(checkpoint, schedulers, len(trainer.optimizers))

    def before_restore(self) -> None:
        """Keep the values that the groups were built with, and fit the states of schedulers to them."""
        run_plans.remember_built_values(self)
        if checkpoint := self._run_state.take_checkpoint():
            self._fit_schedulers(checkpoint)

    def plan_runs(self) -> None:
        """Plan the schedules when training starts."""
        run_plans.plan_runs(self)

    def follow_run_length(self) -> None:
        """Plan the schedules again where the length of the run has changed."""
        run_plans.follow_run_length(self)

    def warn_of_unfinished_schedules(self) -> None:
        """Warn of schedules that the end of the run has cut off."""
        run_plans.warn_of_unfinished_schedules(self)

    def follow_batch_size(self) -> None:
        """Scale the lr again where a BatchSizeFinder has changed the batch size since it was scaled."""
        state = self._run_state
        if state.scaled_lr is None or state.assigned_lr is not None or state.resumed_batch_size is not None:
            return
        if (new := rescaled(state.scaled_lr, self._trainer_or_none())) is not None:
            state.scaled_lr = new
            self._rescale(new.lr)

    def write_group_table(self) -> None:
        """Write the table of the param groups, where there is one, once training starts."""
        write, self._run_state.write_groups = self._run_state.write_groups, None
        if write is not None:
            write()

    def _environment(self) -> dict[str, Any]:
        trainer = self._trainer_or_none()
        groups = [(o, group) for o in self._live_optimizers() for group in o.param_groups]
        compiled = {type(o).__name__ for o, group in groups if group.get("compile") is True}
        compiled |= {type(c).__name__ for c in getattr(trainer, "callbacks", ()) if getattr(c, "compile", None) is True}
        return environment(getattr(trainer, "world_size", 1), compiled, getattr(trainer, "precision", None))

    def trusted(self) -> contextlib.AbstractContextManager[None]:
        """Restrict what specs may import within the context, if they come from a checkpoint."""
        allowed = self._run_state.allowed_packages
        if allowed is None and not self._run_state.resumed_specs:
            return contextlib.nullcontext()
        return only_known_packages(allowed or ())
