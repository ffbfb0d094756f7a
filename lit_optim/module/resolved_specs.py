"""Resolves a module's specs once, and again only where what they depend on has changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lit_optim.config.canonical_specs import canonical_callbacks, canonical_specs
from lit_optim.config.composite_of_names import composite_of_names
from lit_optim.config.read.plain_containers import to_plain
from lit_optim.config.resolve import Resolved
from lit_optim.config.resolve_named import ResolvedByName, resolve
from lit_optim.module.rank_agreement import raise_on_all_ranks
from lit_optim.module.resume import ModuleThatResumes
from lit_optim.scheduler.run_length import check_has_steps

if TYPE_CHECKING:
    from lit_optim.lightning_api import Callback


class ModuleWithResolvedSpecs(ModuleThatResumes):
    """A module that keeps its resolved specs."""

    def resolved_specs(self, more: Iterable[Callback] = (), *, attached: bool = False) -> Resolved | ResolvedByName:
        """Resolve the specs in force, or return what they were resolved to before.

        Args:
            more: callbacks of the module that the Trainer does not have yet.
            attached: count the callbacks of ``optim_callbacks`` only where the Trainer has them.

        Raises:
            ConfigError: with all that is wrong.
        """
        from lit_optim.callbacks import OptimizerCallback

        state, specs, overrides = self._run_state, self.optim_specs(), self._overrides()
        chosen = state.resolved.callbacks if state.resolved is not None else []
        present = getattr(self._trainer_or_none(), "callbacks", ())
        if attached and not (chosen and all(callback in present for callback in chosen)):
            specs.pop("optim_callbacks", None)
        given, nothing = self.optimizer_callbacks(more), OptimizerCallback
        replaces_nothing = (nothing.replace_spec, nothing.replace_grouping)
        replacing = [c for c in given if (type(c).replace_spec, type(c).replace_grouping) != replaces_nothing]
        others = [callback for callback in replacing if callback not in chosen]
        inputs = [{group: to_plain(spec, group) for group, spec in specs.items()}, overrides, others]
        if state.resolved is None or not _are_equal(inputs, state.inputs):
            state.resolved = self._resolve(specs, overrides, others)
            state.inputs = inputs
        return state.resolved

    def _resolve(self, specs: Any, overrides: Any, callbacks: Any) -> Resolved | ResolvedByName:
        given = composite_of_names(specs) if self.automatic_optimization else specs
        return resolve(given, overrides=overrides, callbacks=callbacks)

    def check_on_all_ranks(self, more: Iterable[Callback] = ()) -> None:
        """Stop all ranks before any data is prepared, if the specs of one are wrong or differ from those of rank 0.

        Raises:
            ConfigError: the same on every rank.
        """
        canonical: dict[str, Any] = {}
        problem: Exception | None = None
        try:
            with self.trusted():
                resolved = self.resolved_specs(more)
                if self.trainer.world_size > 1:
                    canonical = canonical_specs(resolved, self.optim_specs().get("optim_callbacks"))
                    canonical["callbacks"] = canonical_callbacks([*self.trainer.callbacks, *more])  # type: ignore[attr-defined]
            check_has_steps(self.trainer)
        except Exception as error:  # of a third party's class, say: no rank may wait for one that has stopped
            problem = error
        raise_on_all_ranks(self.trainer, canonical, problem)


def _are_equal(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except Exception:  # tensors of several elements
        return False
