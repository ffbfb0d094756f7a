from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from lit_optim.callbacks.evaluation_weights import reshard
from lit_optim.callbacks.protocol import OptimizerCallback
from lit_optim.callbacks.unfreeze.batch_norms import frozen_batch_norms, train
from lit_optim.callbacks.unfreeze.stages import Stage, read_stages, rules_of, select
from lit_optim.callbacks.unfreeze.steps import saved_step, step_of_schedule
from lit_optim.duration import Duration, RunLength, parse
from lit_optim.errors import ConfigError, Problems
from lit_optim.lightning_api import LightningModule, Trainer, is_instance, rank_zero_warn
from lit_optim.param_groups import Grouping, NamedModel
from lit_optim.scheduler.driven_value import parts_of_name
from lit_optim.scheduler.late_warmup import LateWarmup, warm_up_late
from lit_optim.scheduler.run_length import run_length
from lit_optim.scheduler.schedule_lr import ScheduleLR

Begins = list[tuple[int, list[Tensor]]]  # optimizer step from which parameters are trained


class Unfreeze(OptimizerCallback):
    """Trains parameters from a step on, and keeps them frozen before: gradual unfreezing.

    All parameters are in the optimizer from the start, in groups that are named after their stages, so that the
    number of groups never changes, and schedules and rules go on as they are. A frozen parameter has no gradient, and
    optimizers leave it alone. What no stage takes is trained from the start; what a rule freezes stays frozen. Steps
    are those of the schedule.

    Args:
        stages: name -> ``at`` (a duration: 500, 10%, 2ep), ``match`` (which parameters; one stage without it takes the
            rest; where two match, the first listed counts), ``lr`` (``x0.1``, or absolute; beats that of rules) and
            ``warmup`` (a duration: a linear warmup, times the schedule).
        gradual: in place of stages: a duration after which one more layer is trained, from the last to the first.
        batch_norm_eval: whether BatchNorms use and keep their running statistics while their parameters are frozen.

    Raises:
        ConfigError: for stages that are not possible; at fit start, for stages without parameters, with names.

    Example:
        >>> head = {"at": 0, "match": {"role": "output"}}
        >>> [stage.name for stage in Unfreeze({"head": head, "rest": {"at": "2ep", "lr": "x0.1"}}).stages]
        ['head', 'rest']

    Howard & Ruder 2018, Universal Language Model Fine-tuning for Text Classification, arXiv:1801.06146, section 3.3.
    """

    single: ClassVar[bool] = True

    def __init__(self, stages: Any = None, gradual: Any = None, batch_norm_eval: bool = True) -> None:
        if bool(stages) == (gradual is not None):
            raise ConfigError("stages: write either stages, or gradual: 1ep")
        self.stages: list[Stage] = read_stages(stages) if stages else []
        self.gradual: Duration | None = None if gradual is None else parse(gradual, "gradual")
        if self.gradual is not None and not self.gradual.amount:
            raise ConfigError("gradual=0: all layers at once; write a duration, e.g. 1ep")
        self.batch_norm_eval = batch_norm_eval
        self._begins: Begins = []
        self._open = -1  # how many of them have begun
        self._norms: list[_BatchNorm] = []  # in eval mode by us

    def replace_grouping(self, grouping: Grouping) -> Grouping:
        """Add a rule for each stage."""
        return replace(grouping, rules=[*grouping.rules, *rules_of(self.stages)])

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Find the parameters of the stages, and give their warmups to the schedule.

        Raises:
            ConfigError: for what is not possible with this module, optimizer or strategy.
        """
        self._release()
        run = run_length(trainer)
        optimized = [p for optimizer in trainer.optimizers for group in optimizer.param_groups for p in group["params"]]
        stages = self._gradual_stages(pl_module, run) if self.gradual else self._found_stages(pl_module, run)
        self._begins = _check_begins(stages, optimized, None if vars(trainer).get("fast_dev_run") else run.total_steps)
        if any(begin for begin, _ in self._begins):
            _check_strategy(trainer)
        self._warm_up(trainer, run)
        if trainer.strategy.restore_checkpoint_after_setup:
            self._freeze_before_loading(trainer.strategy, pl_module)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Freeze what is not trained yet, at the step from which the run goes on."""
        vars(trainer.strategy).pop("load_checkpoint", None)
        self._open = -1
        self.on_train_batch_start(trainer, pl_module, None, 0)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Unfreeze what begins at this step; put BatchNorms into eval mode again, as Lightning trains all modules."""
        self._apply(step_of_schedule(trainer), pl_module)
        for norm in self._norms:
            norm.eval()

    def phase(self, trainer: Trainer) -> str:
        """Count the stages that are trained."""
        return f"{self._open} of {len(self._begins)} stages"

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave the module as it was before the fit."""
        self._release()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leave the module as it was before the fit."""
        self._release()

    def _freeze_before_loading(self, strategy: Any, module: nn.Module) -> None:
        """Freeze what was not trained in the last step that a checkpoint knows, when its path is known.

        Under FSDP2 torch wants the optimizer's state of each parameter that requires grad.
        """
        load = strategy.load_checkpoint

        def load_checkpoint(path: Any, *args: Any, **kwargs: Any) -> Any:
            self._apply(max(saved_step(strategy.broadcast(path)) - 1, 0), module)
            return load(path, *args, **kwargs)

        strategy.load_checkpoint = load_checkpoint

    def _found_stages(self, module: nn.Module, run: RunLength) -> list[tuple[str, int, set[Tensor]]]:
        model, problems = NamedModel(module), Problems()
        selected = select(model, self.stages)
        problems.extend(model.unmatched)
        problems.raise_if_any()
        begins = [stage.at.steps(run, f"unfreeze.{stage.key}.at") for stage in self.stages]
        matched = [(stage, begin) for stage, begin in zip(self.stages, begins, strict=True) if stage.match is not None]
        for (one, first), (other, second) in pairwise(matched):
            if second < first:
                rule = f"is step {second}, before {one.key} (step {first}), which is listed first"
                problems.append(f"unfreeze.{other.key}.at: {rule}; list stages as they begin")
        problems.raise_if_any()
        found = zip(self.stages, begins, selected, strict=True)
        return [(f"unfreeze.{stage.key}", begin, {p.tensor for p in own}) for stage, begin, own in found]

    def _gradual_stages(self, module: nn.Module, run: RunLength) -> list[tuple[str, int, set[Tensor]]]:
        from lit_optim.param_groups.depth import layer_ids

        assert self.gradual is not None
        ids, last = layer_ids(module, key="unfreeze.gradual")
        every: Fraction = self.gradual.exact_steps(run, "unfreeze.gradual")
        tensors: dict[int, set[Tensor]] = {}
        for parameter in NamedModel(module).parameters:
            tensors.setdefault(last - ids[parameter.name], set()).add(parameter.tensor)
        return [(f"unfreeze.gradual: layer {last - i}", round(i * every), tensors[i]) for i in sorted(tensors)]

    def _warm_up(self, trainer: Trainer, run: RunLength) -> None:
        """Give the warmups to the schedules."""
        names = {
            n for optimizer in trainer.optimizers for group in optimizer.param_groups for n in parts_of_name(group)
        }
        schedulers = [config.scheduler for config in trainer.lr_scheduler_configs]
        problems, late = Problems(), []
        for stage, (begin, _) in zip(self.stages, self._begins, strict=False):
            steps = stage.warmup.steps(run, f"unfreeze.{stage.key}.warmup")
            if (stage.lr is not None or steps) and stage.name not in names:
                rule = "the optimizer has no groups of this name; inherit from lit_optim.ConfigureOptimizersMixin"
                problems.append(f"unfreeze.{stage.key}: {rule}")
            elif steps and not any(isinstance(scheduler, ScheduleLR) for scheduler in schedulers):
                rule = "a warmup multiplies a schedule of lit_optim; choose a preset, e.g. scheduler=constant"
                problems.append(f"unfreeze.{stage.key}.warmup: {rule}")
            elif steps:
                late.append(LateWarmup(stage.name, begin, steps))
        problems.raise_if_any()
        for scheduler in schedulers if late else []:
            if isinstance(scheduler, ScheduleLR):
                warm_up_late(scheduler, late)

    def _apply(self, step: int, module: nn.Module) -> None:
        """Freeze and unfreeze parameters for an optimizer step."""
        begun = sum(begin <= step for begin, _ in self._begins)
        if begun == self._open:
            return
        self._open = begun
        reshard(module)  # FSDP2 reads the flags of shards when it gathers them
        for begin, tensors in self._begins:
            for p in tensors:
                p.requires_grad_(begin <= step)
                p.grad = p.grad if begin <= step else None
        if self.batch_norm_eval:
            train(self._norms)
            self._norms = [norm for norm in frozen_batch_norms(module) if norm.training]

    def _release(self) -> None:
        """Make everything trainable again."""
        for _, tensors in self._begins:
            for p in tensors:
                p.requires_grad_(True)
        train(self._norms)
        self._begins, self._open, self._norms = [], -1, []


def _check_begins(
    stages: Sequence[tuple[str, int, set[Tensor]]], optimized: Iterable[Tensor], total_steps: int | None
) -> Begins:
    """Return the optimized parameters of each stage with the step at which it begins.

    Raises:
        ConfigError: for a stage without any, and where none is trained at first.
    """
    trained = {*optimized}
    begins = [(begin, [p for p in trained if p in tensors]) for _, begin, tensors in stages]
    problems = Problems()
    for (key, begin, _), (_, own) in zip(stages, begins, strict=True):
        if not own:
            problems.append(f"{key}: its parameters do not require grad, or a rule freezes them")
        elif total_steps is not None and begin >= total_steps:
            rank_zero_warn(f"{key}: begins at step {begin}, and the run ends after {total_steps}: never trained")
    if not trained - {p for begin, own in begins if begin for p in own}:
        first = min(begin for begin, _ in begins)
        problems.append(f"unfreeze.stages: nothing is trained before step {first}; let a stage begin at 0")
    problems.raise_if_any()
    return begins


def _check_strategy(trainer: Trainer) -> None:
    """Reject strategies under which frozen parameters stop the run, or stay apart on the ranks.

    Raises:
        ConfigError: with the strategy to write instead.
    """
    strategy = trainer.strategy
    if is_instance(strategy, "strategies.FSDPStrategy", "strategies.DeepSpeedStrategy"):
        rule = f"{type(strategy).__name__} flattens parameters, and cannot freeze some of them for a while"
        raise ConfigError(f"trainer.strategy: {rule}; use ModelParallelStrategy (FSDP2) or DDP")
    wrapped = strategy.model
    if isinstance(wrapped, DistributedDataParallel) and (wrapped.static_graph or not wrapped.find_unused_parameters):
        option = "static_graph=True" if wrapped.static_graph else "find_unused_parameters=False"
        rule = f"with {option} DDP waits for gradients of parameters that unfreeze keeps frozen"
        raise ConfigError(f"trainer.strategy: {rule}; write trainer.strategy=ddp_find_unused_parameters_true")
