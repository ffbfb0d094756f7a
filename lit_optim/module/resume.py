"""Goes on with a run from a checkpoint, as the group `resume` says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch.optim import Optimizer

from lit_optim.checkpoint.compatibility import check_resumed_states, name_parameters, restores_param_groups
from lit_optim.checkpoint.entries import check_entries
from lit_optim.checkpoint.named_states import order_by_name
from lit_optim.checkpoint.regroup_states import regroup_states, removed_names
from lit_optim.checkpoint.sharded_checkpoints import check_parameter_order, check_same_groups
from lit_optim.checkpoint.stamp import stamp_of
from lit_optim.checkpoint.values import check_state_values, check_weights
from lit_optim.config.read.plain_containers import to_serializable
from lit_optim.config.resume_policy import read_policy
from lit_optim.errors import ConfigError
from lit_optim.lightning_api import is_of_search
from lit_optim.module.batch_scaling import rescaled, warn_of_another_batch
from lit_optim.module.checkpoints import SpecsInCheckpoints
from lit_optim.resume import planned_runs
from lit_optim.resume.resumed_run import ResumedRun, saved_groups
from lit_optim.resume.specs import resumed_specs
from lit_optim.resume.states import check_equal_steps
from lit_optim.scheduler.run_progress import checkpoint_to_restore, progress_in


class ModuleThatResumes(SpecsInCheckpoints):
    """A module that a checkpoint's run goes on with."""

    def resume_unless_done(self) -> None:
        """Take over from a checkpoint without states of callbacks, for which Lightning calls no callback."""
        trainer = self._trainer_or_none()
        checkpoint = checkpoint_to_restore(trainer) if trainer is not None and self._run_state.resumed is None else {}
        if checkpoint and trainer.state.fn == "fit" and not is_of_search(trainer.ckpt_path):
            self.resume_from(checkpoint)

    def resume_from(self, checkpoint: dict[str, Any]) -> None:
        """Take over from a checkpoint what the policy says: specs, states, and where the schedule stands."""
        state, saved, specs = self._run_state, stamp_of(checkpoint), self.optim_specs()
        policy, trainer, live = read_policy(specs.get("resume")), self._trainer_or_none(), self._live_optimizers()
        restored_later = trainer is not None and trainer.strategy.restore_checkpoint_after_setup
        if trainer is not None and not restored_later:
            check_entries(checkpoint, trainer.fit_loop.state_dict())
            check_weights(checkpoint["state_dict"], {name for name, _ in self.named_parameters()})
        order_by_name(checkpoint, specs["optimizer"])
        try:
            with self._named_by_checkpoint():
                used, rows = resumed_specs(saved.get("spec", {}), self._specs_with_lr(), policy)
        except ConfigError as error:
            raise ConfigError(*(f"ckpt_path: {p.removeprefix('ckpt_path: ')}" for p in error.problems)) from None
        state.resumed = ResumedRun(policy, saved, rows, progress_in(checkpoint).steps, saved_groups(checkpoint))
        state.resumed_batch_size = saved.get("batch_size") if policy.lr == "checkpoint" else None
        names = dict(self.named_parameters())
        for known in ({name for name, p in names.items() if p.requires_grad}, names):  # some may be frozen by now
            name_parameters(checkpoint, known)
        if len(live) == 1 and restored_later:
            # such a strategy has loaded the state by now, in the order of this module's parameters
            check_parameter_order(checkpoint, list(names), live[0])
            check_same_groups(saved.get("param_names"), live[0])
            state.resumed.notes += removed_names(saved.get("param_names"), live[0]).lines()
            check_state_values(live[0].state_dict(), live[0])
            check_weights(names, names)
            if state.scaled_lr is not None and state.resumed_batch_size not in (None, state.scaled_lr.batch.samples):
                warn_of_another_batch(state.resumed_batch_size, state.scaled_lr.batch)
            self._fit_schedulers(checkpoint, loaded=True)
        else:
            state.checkpoint = checkpoint
        if to_serializable(used["optimizer"]) != to_serializable(self._specs_with_lr()["optimizer"]) or (
            policy.groups == "checkpoint"
        ):
            state.resumed_specs = used
        if policy.schedule == "cooldown" and trainer is not None:
            optimizers = max(1, len(saved.get("optimizers") or []))
            check_equal_steps(checkpoint)
            planned_runs.end_with_cooldown(trainer, policy, saved, progress_in(checkpoint), optimizers)

    def fit_checkpoint(self, checkpoint: dict[str, Any], optimizers: Sequence[Optimizer]) -> None:
        """Bring the optimizer states of a checkpoint into the form of the optimizers, and check them.

        Raises:
            ConfigError: where they do not fit.
        """
        resumed, callbacks = self._run_state.resumed, getattr(self._trainer_or_none(), "callbacks", ())
        states, steps = checkpoint.get("optimizer_states"), 0
        if resumed is not None and not restores_param_groups(callbacks):
            for i, changes in enumerate(regroup_states(states, optimizers)):
                known = resumed.saved.get("stateless") or ()
                changes.stateless = [name for name in changes.stateless if name not in known]
                resumed.notes += changes.lines()
                resumed.new_groups[i] = changes.new_groups
            resumed.fit_states(checkpoint, optimizers)
            if resumed.policy.optimizer == "reset" and not states:
                return
            steps = resumed.steps if resumed.policy.optimizer == "checkpoint" else 0
        check_resumed_states(states, optimizers, callbacks, steps)

    def _fit_schedulers(self, checkpoint: dict[str, Any], *, loaded: bool) -> None:
        resumed, trainer = self._run_state.resumed, self.trainer
        if resumed is not None:
            schedulers = [config.scheduler for config in trainer.lr_scheduler_configs]
            resumed.fit_schedulers(checkpoint, schedulers, trainer.optimizers, loaded=loaded)

    def before_restore(self) -> None:
        """Keep the values that the groups were built with, and fit the states of schedulers to them."""
        planned_runs.remember_built_values(self)
        if checkpoint := self._run_state.take_checkpoint():
            self._fit_schedulers(checkpoint, loaded=False)

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
