"""Read, check and coerce the four specs of a configuration once; everything else takes the result."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lit_optim.config.build.callbacks import callbacks_from_spec
from lit_optim.config.build.distribute import build_composite
from lit_optim.config.build.lr_scaling import LrScaling, check_lr_scaling
from lit_optim.config.build.optimizer import CheckedOptimizer, build_checked
from lit_optim.config.build.param_groups import read_grouping
from lit_optim.config.build.parts import check_one_or_composite, with_rules
from lit_optim.config.build.rule_schedules import check_with_rules, remember_rules
from lit_optim.config.build.rules import check_declared, check_rules
from lit_optim.config.build.scheduler import CheckedSchedule, build_checked_schedule, check_scheduler
from lit_optim.config.read.presets import GROUPS
from lit_optim.config.read.spec import read_spec
from lit_optim.config.resume_policy import read_policy
from lit_optim.errors import ConfigError, Problems
from lit_optim.optimizers import Composite

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from lit_optim.duration import RunLength
    from lit_optim.lightning_api import Callback
    from lit_optim.param_groups import Grouping


@dataclass(frozen=True)
class Resolved:
    """The four specs of a configuration, checked.

    Args:
        optimizer: None where there is no such spec, or its problems are known from elsewhere.
        scheduler: the preset ``none`` where there is no spec.
        param_groups: the rules, checked against the optimizer.
        callbacks: those of ``optim_callbacks``.
        name: of the optimizer, where there are several.
        of: which parameters are its, where there are several: a module's path, a list of them, or a match.
    """

    optimizer: CheckedOptimizer
    scheduler: CheckedSchedule
    param_groups: Grouping
    callbacks: list[Callback]
    name: str = ""
    of: Any = None

    @property
    def parts(self) -> tuple[Resolved, ...]:
        """Return the specs of each optimizer: here of one."""
        return (self,)

    def build_optimizer(self, params_or_module: Any, only: Collection[Tensor] | None = None) -> Optimizer:
        """Build the optimizer over a module (or ``only`` some of its parameters), parameters or param groups."""
        driven = self.scheduler.arguments.get("groups") or () if self.scheduler.own else ()
        if any(rule.match.reads_optim for rule in self.param_groups.rules):
            check_declared(self.optimizer, params_or_module)
        build = build_composite if self.optimizer.cls is Composite else build_checked
        optimizer = build(self.optimizer, params_or_module, self.param_groups, apart=driven, name=self.name, only=only)
        if any(rule.schedule is not None for rule in self.param_groups.rules):
            remember_rules(optimizer, self.param_groups.rules)
        return optimizer

    def build_optimizers(self, module: Any) -> list[Optimizer]:
        """Build the optimizers over a module: here one."""
        return [self.build_optimizer(module)]

    def length_of(self, run: RunLength, *, by_hand: bool) -> RunLength:
        """Return the run in steps of this optimizer: of its schedule's ``total_steps`` where it is stepped by hand."""
        return run.of_steps(self.scheduler.lightning_keys.get("total_steps")) if by_hand else run

    @property
    def lr_scaling(self) -> LrScaling | None:
        """Return how the lrs of the optimizer's spec depend on the batch size; None where they do not."""
        return None if self.optimizer.spec.lr_scaling is None else check_lr_scaling(*self.optimizer, Problems())

    def build_scheduler(self, optimizer: Optimizer, run: RunLength) -> LRScheduler:
        """Build the scheduler of an optimizer for a run of some length."""
        return build_checked_schedule(self.scheduler, optimizer, run)


def resolve_specs(
    specs: Mapping[str, Any],
    *,
    overrides: Mapping[str, Any] | None = None,
    callbacks: Iterable[Any] = (),
    prefix: str = "",
    settled: Container[str] = (),
    monitored: bool = True,
    keys: Mapping[str, str] | None = None,
) -> Resolved:
    """Read, check and coerce specs.

    Args:
        specs: by group.
        overrides: beat the optimizer's keys.
        callbacks: others beside those of ``optim_callbacks`` that may replace the optimizer's spec, or the rules.
        prefix: of the groups' dotted names.
        settled: groups whose problems are known from elsewhere, and not raised again.
        monitored: whether a schedule that follows a metric has to name it.
        keys: dotted names of groups, where they are not ``prefix`` and the group.

    Raises:
        ConfigError: one, with the problems of all groups.

    Example:
        >>> resolved = resolve_specs({"optimizer": "sgd", "scheduler": "cosine"}, overrides={"lr": "0.5"})
        >>> resolved.optimizer.arguments["lr"], resolved.scheduler.arguments["main"]["shape"]
        (0.5, 'cosine')
    """
    problems = {group: Problems() for group in GROUPS}
    optimizer: CheckedOptimizer | None = None

    def attempt(group: str, check: Callable[[Any, str], Any]) -> Any:
        try:
            return check(specs.get(group), (keys or {}).get(group, f"{prefix}{group}"))
        except ConfigError as error:
            problems[group].take(error)
            return None

    def optimizer_of(spec: Any, key: str) -> CheckedOptimizer | None:
        if "optimizer" not in specs:
            return None
        checked = check_one_or_composite(read_spec(spec, "optimizer", key, overrides))
        for callback in replacing:
            own = callback.replace_spec(checked.spec) if hasattr(callback, "replace_spec") else checked.spec
            if own is not checked.spec:
                checked = check_one_or_composite(replace(own, lr_scaling=checked.spec.lr_scaling))
        return checked

    def schedule_of(spec: Any, key: str) -> CheckedSchedule:
        given = read_spec("none" if spec is None else spec, "scheduler", key)
        rules = [rule for rule in grouping.rules if rule.schedule is not None] if grouping else []
        return check_with_rules(given, rules, monitored) if rules else check_scheduler(given, monitored=monitored)

    def grouping_of(spec: Any, key: str) -> Grouping:
        nonlocal optimizer
        found = read_grouping(spec, key)
        for callback in replacing:
            found = callback.replace_grouping(found) if hasattr(callback, "replace_grouping") else found
        if optimizer is None:
            return found
        optimizer = with_rules(optimizer, found)
        return check_rules(found, optimizer)

    chosen: list[Callback] = attempt("optim_callbacks", callbacks_from_spec) or []
    replaced = {type(callback) for callback in chosen}  # Lightning lets those of the module win
    replacing: list[Any] = [*(other for other in callbacks if type(other) not in replaced), *chosen]
    attempt("resume", read_policy)
    optimizer = attempt("optimizer", optimizer_of)
    grouping = attempt("param_groups", grouping_of)
    scheduler = attempt("scheduler", schedule_of)
    found = Problems()
    for group in GROUPS:
        found.extend(problems[group] if group not in settled else [])
    found.raise_if_any()
    return Resolved(optimizer, scheduler, grouping, chosen)
