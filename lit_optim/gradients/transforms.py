"""Gradient transforms (`Link`) and the order in which they run on one optimizer (`Chain`)."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from lit_optim.errors import ConfigError, wrong
from lit_optim.gradients.names import parameter_names, select_excluded
from lit_optim.param_groups.match import read_match
from lit_optim.step_hooks import after_closure, closure_of, has_gradients, is_state_init_step

ORDER = ("centralize", "agc", "gradient_noise")
ATTRIBUTE = "_lit_optim_gradients"
Self = TypeVar("Self", bound="Link")


class Gradient(NamedTuple):
    """A gradient with its parameter, the parameter's name, and its param group."""

    name: str
    parameter: Tensor
    grad: Tensor
    group: dict[str, Any]


class Link(ABC):
    """Base of gradient transforms; each acts on one optimizer, as part of its `Chain`.

    Args:
        exclude: names, patterns, types and selectors of parameters that are left alone, as in ``match`` of a rule.
    """

    kind: ClassVar[str]
    after_clipping: ClassVar[bool] = False

    def __init__(self, exclude: Any = ()) -> None:
        given = [exclude] if isinstance(exclude, (str, Mapping)) else exclude
        if not isinstance(given, (list, tuple)) or not all(isinstance(each, (str, Mapping)) and each for each in given):
            rule = "must be a list of names, patterns and selectors; write e.g. ['head.*', {type: norm}]"
            raise ConfigError(wrong("exclude", exclude, rule))
        for i, each in enumerate(given):
            if isinstance(each, Mapping):
                read_match(each, f"exclude[{i}]")
        self.exclude = tuple(given)
        self.chain: Chain | None = None
        self.active = True  # an attached link may be paused
        self.steps = 0

    def attach(self: Self, optimizer: Optimizer, module: nn.Module | None = None) -> Self:
        """Transform the gradients of an optimizer in each of its steps from now on.

        Args:
            optimizer: any; under a gradient scaler the gradients are unscaled first.
            module: owner of the parameters. Its names decide what is excluded and which noise a tensor gets; without
                it parameters are numbered. Attach a module that FSDP2 shards before its first forward pass, in which
                it may show other parameters than the optimizer's.

        Raises:
            ConfigError: if the optimizer has a transform of this kind already, or nothing matches an exclusion.
        """
        self.detach()
        chain = Chain.of(optimizer)
        chain.add(self, module)
        self.chain = chain
        return self

    def detach(self) -> None:
        """Detach from the optimizer."""
        if self.chain is not None:
            self.chain.remove(self)
            self.chain = None

    def selects(self, group: dict[str, Any]) -> bool:
        """Return whether the parameters of a group are transformed in this step."""
        return bool(group["params"])

    @abstractmethod
    def apply(self, gradients: Iterable[Gradient]) -> None:
        """Change gradients in place."""

    def stepped(self) -> None:
        """Count a step that the optimizer has taken."""
        self.steps += 1

    def state_dict(self) -> dict[str, Any]:
        """Return the number of steps taken."""
        return {"steps": self.steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the number of steps taken."""
        self.steps = int(state_dict["steps"])


class Chain:
    """Runs the transforms of one optimizer before each update: centralize, AGC, clip by norm, noise.

    Their order does not depend on the order in which they were attached. The step pre-hook is the last moment before
    the update, after the closure and after any clipping by the training loop: noise is added there. Transforms that
    belong before clipping run in `prepare` if the training loop calls it, else in the pre-hook too. A step that a
    gradient scaler skips does not reach the hook.

    Args:
        optimizer: holds the chain.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = weakref.proxy(optimizer)
        self.links: list[Link] = []
        self.names: dict[Tensor, str] = {}
        self.modules: dict[str, nn.Module | None] = {}
        self.excluded: dict[str, set[Tensor]] = {}
        self.prepared = self.acted = False
        self.hooks: list[RemovableHandle] = []

    @classmethod
    def of(cls, optimizer: Optimizer) -> Chain:
        """Return the chain of an optimizer, which may be wrapped by Lightning; create it if there is none."""
        optimizer = getattr(optimizer, "optimizer", optimizer)
        chain: Chain | None = optimizer.__dict__.get(ATTRIBUTE)
        if chain is None:
            chain = optimizer.__dict__[ATTRIBUTE] = cls(optimizer)
        return chain

    def add(self, link: Link, module: nn.Module | None) -> None:
        """Insert a transform at its place in the order.

        Raises:
            ConfigError: if there is one of its kind already, or nothing matches one of its exclusions.
        """
        if any(other.kind == link.kind for other in self.links):
            raise ConfigError(
                f"{link.kind}: twice on one optimizer, which would transform its gradients twice; keep one of the two"
            )
        names = parameter_names(self.optimizer, module)
        try:
            self.excluded[link.kind] = select_excluded(link.exclude, names, module)
        except ConfigError as error:
            raise ConfigError(*(f"{link.kind}.{problem}" for problem in error.problems)) from None
        if not self.links:
            # torch's flag for optimizers that unscale within step(), after the hooks; unset, the scaler unscales before
            self.optimizer._step_supports_amp_scaling = False
            self.hooks.append(self.optimizer.register_step_pre_hook(self._before_update))
            self.hooks.append(self.optimizer.register_step_post_hook(self._after_update))
        self.names.update(names)
        self.modules[link.kind] = module
        self.links = sorted([*self.links, link], key=lambda each: ORDER.index(each.kind))

    def remove(self, link: Link) -> None:
        """Remove a transform, and the hooks with the last one."""
        self.links.remove(link)
        if not self.links:
            while self.hooks:
                self.hooks.pop().remove()
            self.optimizer.__dict__.pop(ATTRIBUTE, None)

    @torch.no_grad()
    def prepare(self, caller: Link) -> None:
        """Run the links before clipping, once a step, although each link's callback calls it.

        Args:
            caller: the link on whose behalf it is called; all but the first are ignored.
        """
        if caller is self.links[0]:
            self._run(after_clipping=False)
            self.prepared = True

    def _before_update(self, optimizer: Optimizer, args: Any, kwargs: Any) -> Any:
        """Step pre-hook."""
        self.acted = False
        if closure_of(args, kwargs) is None and is_state_init_step(optimizer):
            return None
        return after_closure(self._finish, args, kwargs)

    @torch.no_grad()
    def _finish(self) -> None:
        if not self.prepared:
            self._run(after_clipping=False)
        self._run(after_clipping=True)
        self.prepared = False
        self.acted = has_gradients(self.optimizer)

    def _after_update(self, *_: Any) -> None:
        if self.acted:
            for link in self.links:
                if link.active:
                    link.stepped()

    def _run(self, after_clipping: bool) -> None:
        for link in self.links:
            if link.active and link.after_clipping == after_clipping:
                link.apply(self._gradients(link))

    def _gradients(self, link: Link) -> Iterator[Gradient]:
        kind, left_out = link.kind, self.excluded[link.kind]
        for group in self.optimizer.param_groups:
            if not link.selects(group):
                continue
            for p in group["params"]:
                grad = p.grad
                if grad is None or p in left_out:
                    continue
                if p not in self.names:  # of a group that was added later
                    self.names = {**parameter_names(self.optimizer, self.modules[kind]), **self.names}
                name = self.names[p]
                if grad.layout is not torch.strided:
                    rule = "has a sparse gradient, whose missing rows cannot be transformed; leave it out"
                    raise ConfigError(f"{kind}: {name!r} {rule}: {kind}.exclude=[{name}]")
                yield Gradient(name, p, grad, group)
