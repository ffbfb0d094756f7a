"""All gradient transforms of an optimizer, in one order: unscale, centralize, AGC, clip by norm, noise."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from lit_optim.errors import ConfigError
from lit_optim.gradients.link import Given, Link
from lit_optim.gradients.names import excluded, parameter_names
from lit_optim.step_hooks import is_state_init_step

ORDER = ("centralize", "agc", "gradient_noise")
ATTRIBUTE = "_lit_optim_gradients"


class Chain:
    """Runs the links of one optimizer before each update, whatever the order in which they were attached.

    The step pre-hook is the last moment before the update: after the closure, where there is one, and after whoever
    clipped. So noise is added there; what belongs before clipping is done by whoever knows the moment (see `prepare`),
    else there too. A step that a gradient scaler skips never comes here.

    Args:
        optimizer: whose steps are waited for; holds the chain.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = weakref.proxy(optimizer)
        self.links: list[Link] = []
        self.names: dict[Tensor, str] = {}
        self.modules: dict[str, nn.Module | None] = {}
        self.left_out: dict[str, set[Tensor]] = {}
        self.prepared = self.acted = False
        self.hooks: list[RemovableHandle] = []

    @classmethod
    def of(cls, optimizer: Optimizer) -> Chain:
        """The chain of an optimizer, a new one if it has none; Lightning's wrappers are looked through."""
        optimizer = getattr(optimizer, "optimizer", optimizer)
        chain: Chain | None = optimizer.__dict__.get(ATTRIBUTE)
        if chain is None:
            chain = optimizer.__dict__[ATTRIBUTE] = cls(optimizer)
        return chain

    def add(self, link: Link, module: nn.Module | None) -> None:
        """Puts a link in its place.

        Raises:
            ConfigError: where there is one of its kind, or nothing matches one of its exclusions.
        """
        if any(other.kind == link.kind for other in self.links):
            raise ConfigError(
                f"{link.kind}: twice on one optimizer, which would transform its gradients twice; keep one of the two"
            )
        names = parameter_names(self.optimizer, module)
        try:
            self.left_out[link.kind] = excluded(link.exclude, names, module)
        except ConfigError as error:
            raise ConfigError(*(f"{link.kind}.{problem}" for problem in error.problems)) from None
        if not self.links:
            # optimizers that unscale within their step would let us see scaled gradients; now the scaler does it before
            self.optimizer._step_supports_amp_scaling = False  # torch's own protocol
            self.hooks.append(self.optimizer.register_step_pre_hook(self._before_update))
            self.hooks.append(self.optimizer.register_step_post_hook(self._after_update))
        self.names.update(names)
        self.modules[link.kind] = module
        self.links = sorted([*self.links, link], key=lambda each: ORDER.index(each.kind))

    def remove(self, link: Link) -> None:
        """Takes a link out; the hooks go with the last one."""
        self.links.remove(link)
        if not self.links:
            while self.hooks:
                self.hooks.pop().remove()
            self.optimizer.__dict__.pop(ATTRIBUTE, None)

    @torch.no_grad()
    def prepare(self, caller: Link) -> None:
        """Does what belongs before clipping; once a step, though each link's owner may call.

        Args:
            caller: only the first link is listened to.
        """
        if caller is self.links[0]:
            self._run(after_clipping=False)
            self.prepared = True

    def _before_update(self, optimizer: Optimizer, args: Any, kwargs: Any) -> Any:
        """Step pre-hook; ``args`` begins with the optimizer itself."""
        self.acted = False
        closure = args[1] if len(args) > 1 else kwargs.get("closure")
        if closure is None:
            if not is_state_init_step(optimizer):
                self._finish()
            return None

        def transformed() -> Any:
            loss = closure()
            self._finish()
            return loss

        if len(args) > 1:
            return (args[0], transformed, *args[2:]), kwargs
        return args, {**kwargs, "closure": transformed}

    @torch.no_grad()
    def _finish(self) -> None:
        if not self.prepared:
            self._run(after_clipping=False)
        self._run(after_clipping=True)
        self.prepared = False
        self.acted = any(p.grad is not None for group in self.optimizer.param_groups for p in group["params"])

    def _after_update(self, *_: Any) -> None:
        if self.acted:
            for link in self.links:
                if link.active:
                    link.stepped()

    def _run(self, after_clipping: bool) -> None:
        for link in self.links:
            if link.active and link.after_clipping == after_clipping:
                link.apply(self._given(link))

    def _given(self, link: Link) -> Iterator[Given]:
        left_out = self.left_out[link.kind]
        for group in self.optimizer.param_groups:
            if not link.selects(group):
                continue
            for p in group["params"]:
                grad = p.grad
                if grad is None or p in left_out:
                    continue
                if p not in self.names:  # of a group that was added later
                    self.names = {**parameter_names(self.optimizer, self.modules[link.kind]), **self.names}
                if grad.layout is not torch.strided:
                    name, kind = self.names[p], link.kind
                    rule = "has a sparse gradient, whose missing rows cannot be transformed; leave it out"
                    raise ConfigError(f"{kind}: {name!r} {rule}: {kind}.exclude=[{name}]")
                yield Given(self.names[p], p, grad, group)
