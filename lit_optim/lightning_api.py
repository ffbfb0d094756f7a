"""The one door to Lightning, whose classes come in two packages: ``lightning.pytorch`` and ``pytorch_lightning``.

A class is looked up in each package that is imported, as objects of either may meet our code. Nothing imports a second
package, and the first one only where a class is needed to inherit from.
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from operator import attrgetter
from types import ModuleType
from typing import TYPE_CHECKING, Any

from lightning_utilities.core import rank_zero  # what both packages use
from lightning_utilities.core.rank_zero import rank_zero_info

from lit_optim.versions import older

if TYPE_CHECKING:
    from lightning.pytorch import Callback, LightningModule, Trainer
    from lightning.pytorch.plugins import TorchCheckpointIO
else:
    LightningModule = Trainer = Any  # for annotations alone; what is asked at run time is a question to both packages

__all__ = ["Callback", "LightningModule", "TorchCheckpointIO", "Trainer", "rank_zero_info", "rank_zero_warn"]

PACKAGES = ("lightning.pytorch", "pytorch_lightning")
CHECKPOINT_IO = "plugins.TorchCheckpointIO"
BASES = {"Callback": "Callback", "TorchCheckpointIO": CHECKPOINT_IO}  # of our classes, with their paths


def _imported_packages() -> list[ModuleType]:
    return [module for name in PACKAGES if hasattr(module := sys.modules.get(name), "Trainer")]  # type: ignore[misc]


def imported_classes(*paths: str) -> tuple[type, ...]:
    """Return the classes at some paths in each Lightning package that is imported.

    Args:
        paths: within the package, as ``callbacks.Timer``; a class that a version lacks is left out.

    Example:
        >>> import lightning
        >>> imported_classes("callbacks.Timer")[0].__name__, imported_classes("callbacks.FromTheFuture")
        ('Timer', ())
    """
    found: list[type] = []
    for package in _imported_packages():
        for path in paths:
            with suppress(AttributeError):
                found.append(attrgetter(path)(package))
    return tuple(found)


def lightning_classes(*paths: str) -> tuple[type, ...]:
    """Return the same classes; where no package is imported yet, one is, ``lightning`` if it is installed."""
    if not _imported_packages():
        try:
            import lightning.pytorch  # noqa: F401
        except ModuleNotFoundError:
            import pytorch_lightning  # noqa: F401
    return imported_classes(*paths)


def is_instance(value: Any, *paths: str) -> bool:
    """Return whether an object is an instance of one of Lightning's classes, of either package.

    Example:
        >>> from lightning.pytorch.callbacks import Timer
        >>> is_instance(Timer(), "callbacks.Timer"), is_instance(Timer(), "Trainer")
        (True, False)
    """
    return isinstance(value, imported_classes(*paths))  # of a package that is not imported, there are no instances


def __getattr__(name: str) -> Any:
    """Return a base of our classes: the class of the package in use, or a class of both packages."""
    if name not in BASES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    bases = lightning_classes(BASES[name])
    base = globals()[name] = bases[0] if len(bases) == 1 else type(name, bases, {"__module__": __name__})
    return base


def rank_zero_warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn on rank 0; without a Lightning package, which sets the rank when it is imported, there is one process."""
    if getattr(rank_zero.rank_zero_only, "rank", None) is None:
        warnings.warn(message, category, stacklevel=2)
    else:
        rank_zero.rank_zero_warn(message, category=category, stacklevel=5)


def has_gradient_scaler(trainer: Trainer | None) -> bool:
    """Return whether a scaler may skip optimizer steps, as under 16-bit precision on a GPU."""
    return getattr(getattr(trainer, "precision_plugin", None), "scaler", None) is not None


def may_hide_infinity(trainer: Trainer, module: LightningModule) -> bool:
    """Return whether clipping may turn an infinite gradient into a number: by value, or by the module's own hook."""
    own = getattr(type(module), "configure_gradient_clipping").__module__  # noqa: B009 - the class of either package
    return trainer.gradient_clip_algorithm == "value" or not own.startswith(PACKAGES)


def saves_after_step(trainer: Trainer) -> bool:
    """Return whether a checkpoint is due after the optimizer step that is being taken."""
    every = (getattr(callback, "_every_n_train_steps", 0) for callback in trainer.checkpoint_callbacks)
    return any(n and (trainer.global_step + 1) % n == 0 for n in every)


def package_of(cls: type) -> str:
    """Return the package, ``lightning`` or ``pytorch_lightning``, from whose classes a class inherits; else ''.

    Example:
        >>> from lightning.pytorch.callbacks import Timer
        >>> package_of(Timer), package_of(dict)
        ('lightning', '')
    """
    names = (base.__module__ for base in cls.__mro__)
    return next((name.partition(".")[0] for name in names if name.startswith(PACKAGES)), "")


def before_2_5(trainer: Trainer) -> bool:
    """Return whether a Trainer is one of Lightning 2.4."""
    return older(package_of(type(trainer)).replace("_", "-"), "2.5")


def end_at_step(trainer: Trainer, step: int) -> None:
    """Let a Trainer end at an optimizer step, whatever its epochs; it counts the steps of all optimizers together."""
    trainer.fit_loop.max_epochs, trainer.fit_loop.epoch_loop.max_steps = -1, step


def is_timed(trainer: Trainer) -> bool:
    """Return whether a time limit may end the run of a Trainer."""
    return any(is_instance(callback, "callbacks.Timer") for callback in trainer.callbacks)  # type: ignore[attr-defined]


def validates_again_on_resume(trainer: Trainer) -> bool:
    """Return whether Lightning repeats the validation at whose end a checkpoint was written."""
    return before_2_5(trainer)


def is_of_lr_search(path: Any) -> bool:
    """Return whether a checkpoint is the one with which Lightning's lr finder restores a run.

    Lightning before 2.6 assigns the lr that it has found, and loads this checkpoint afterwards.
    """
    return os.path.basename(str(path)).startswith(".lr_find_")


def is_of_search(path: Any) -> bool:
    """Return whether a checkpoint is one with which a finder of Lightning's restores a run, of lrs or batch sizes."""
    return is_of_lr_search(path) or os.path.basename(str(path)).startswith(".scale_batch_size_")


def handlers_to_keep(number: int) -> list[Any]:
    """Return what handles a signal, without what Lightning does at SIGTERM: it ends a run within a validation.

    Its requeue of a SLURM job, and the handlers that were there before it, stay.
    """
    present = signal.getsignal(number)
    own = ("_sigterm_notifier_fn", "_sigterm_handler_fn")
    handlers = getattr(present, "signal_handlers", [present])  # of Lightning's several handlers of one signal
    return [h for h in handlers if h is not signal.default_int_handler and getattr(h, "__name__", "") not in own]


def remove_callbacks(trainer: Trainer, *callbacks: Callback) -> None:
    """Remove callbacks from a Trainer, from its next hook on.

    For callbacks that have nothing left to do in this fit: Lightning calls six hooks of each callback on every step,
    and takes a dozen function calls for each of them, whether it is empty or not.

    Args:
        trainer: whose list of callbacks is replaced, as a hook may be iterating over the present one.
        callbacks: those that leave; one that is not among the Trainer's is ignored.
    """
    present: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]  # set by a connector
    trainer.callbacks = [callback for callback in present if callback not in callbacks]  # type: ignore[attr-defined]


def logged_metric(trainer: Trainer, name: str, *, validation: bool) -> float | None:
    """Return the value of a metric that has been logged since its loop last reset its results, else None.

    ``trainer.callback_metrics`` keeps the values of earlier epochs, so that it cannot say what is new.

    Args:
        trainer: that fits.
        name: of the metric, also with ``_step``, ``_epoch`` or ``/dataloader_idx_0``.
        validation: whether it was logged by the validation, or else by the training.
    """
    loop = trainer.fit_loop.epoch_loop
    results = (loop.val_loop if validation else loop)._results
    value = None
    for metric in results.result_metrics:
        for on_step in (True, False):  # what is logged by both has the mean of the epoch
            if not metric.has_reset and name in results._forked_name(metric, on_step):
                found = results._get_cache(metric, on_step)
                value = value if found is None else float(found)
    return value


def is_logged_by_a_loop(trainer: Trainer, name: str) -> bool:
    """Return whether ``self.log`` has seen a metric in this fit, or else code has written ``callback_metrics``."""
    loop = trainer.fit_loop.epoch_loop
    return any(
        name in results._forked_name(metric, on_step)
        for results in (loop._results, loop.val_loop._results)
        for metric in results.result_metrics
        for on_step in (True, False)
    )


def call_after_hook(module: LightningModule, hook: str, act: Callable[[], None]) -> Callable[[], None]:
    """Call a function once, right after the next call of a hook of a module's own.

    Lightning calls a module's ``on_train_epoch_end`` after those of callbacks, and before those of checkpoints.

    Args:
        module: whose hook is called next.
        hook: its name.
        act: what is called.

    Returns:
        What undoes it, where the hook is not called any more.
    """
    attributes = vars(module)
    before, own = attributes.get(hook), getattr(module, hook)

    def undo() -> None:
        if attributes.pop(hook, None) is not None and before is not None:
            attributes[hook] = before

    def once(*args: Any, **kwargs: Any) -> Any:
        undo()
        result = own(*args, **kwargs)
        act()
        return result

    attributes[hook] = once
    return undo
