from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from lit_optim.distributed import is_sharded
from lit_optim.engine.state_dict import unshared_state_dict
from lit_optim.engine.without_unused_hooks import without_unused_hooks
from lit_optim.errors import ConfigError
from lit_optim.optimizers.composite import step_inner, without_state
from lit_optim.optimizers.switched.arguments import check_direction, read_lr, reason_against
from lit_optim.optimizers.switched.group_values import OWN_FLAGS, TO, as_tuples, default_values, values_after
from lit_optim.optimizers.switched.uniform_state import complete_keys, has_begun, keep_other_keys
from lit_optim.state_loading.parameter_names import names_by_parameter
from lit_optim.state_loading.translate import translated
from lit_optim.step_hooks import loss_of
from lit_optim.torch_backend.implementation import fastest, keep_exact, restored


class Switched(Optimizer):
    r"""An optimizer that another class replaces at some step, in one object with the same param groups.

    `switch` is the change. State of equal meaning goes on: the averages of an Adam in another Adam, the buffer of an
    SGD in another one; else the second class begins anew. The lrs of all groups are multiplied by one factor, so that
    they keep their ratios and a schedule goes on from its place; values of a group's own stay, all others become those
    of the second class. Which of them is in use is in ``param_groups`` (``switched_to``), so that a checkpoint from
    before or after the change resumes exactly. On sharded parameters the state has the keys of both classes.

    Args:
        first: any optimizer that takes its steps without a closure; from now on it is stepped by this object only.
        to: the class that replaces it.
        arguments: of its constructor.
        lr: absolute learning rate of ``to``, for a group with the default lr of ``first``; or ``x0.1`` of what
            it was; None: that of the arguments, or the default of ``to``.

    Raises:
        ConfigError: for arguments that ``to`` rejects, and optimizers that cannot be replaced.

    Example:
        >>> import torch
        >>> p = torch.nn.Parameter(torch.ones(1))
        >>> optimizer = Switched(torch.optim.Adam([p], lr=0.01), torch.optim.SGD, {"momentum": 0.5}, lr=0.1)
        >>> p.grad = torch.ones(1)
        >>> optimizer.step(); p.data
        tensor([0.9900])
        >>> optimizer.switch()  # an Adam has no buffer for SGD
        False
        >>> optimizer.step(); p.data, optimizer.param_groups[0]["lr"]
        (tensor([0.8900]), 0.1)
    """

    checks_what_it_loads = True

    def __init__(
        self,
        first: Optimizer,
        to: type[Optimizer],
        arguments: Mapping[str, Any] | None = None,
        lr: float | str | None = None,
    ) -> None:
        for each in (type(first), to):
            if (why := reason_against(each)) is not None:
                raise ConfigError(f"to={to.__name__}: {each.__name__} {why}")
        members = [{"params": [*group["params"]]} for group in first.param_groups]
        every = [p for group in members for p in group["params"]]
        self.arguments = {**(arguments or {}), **fastest(to, every, arguments or {})}
        try:
            second = to(members, **self.arguments)
        except Exception as error:
            raise ConfigError(f"to: {to.__name__} refused these parameters: {error}") from error
        names = names_by_parameter(first)
        self.inner = (first, keep_exact(second, names))
        self.lr = read_lr(lr, second.defaults["lr"])
        self._lr_before = first.defaults["lr"]
        self._phase = False  # that `defaults` are of
        self._eager = bool(second.state)  # whether it creates state in its constructor
        self.own = (default_values(first), default_values(second))  # where a group has none of its own
        check_direction(*self.own)
        super().__init__(first.param_groups, {**self.own[1], **first.defaults, TO: None})
        self.state.update(first.state)  # some create it in their constructor
        self.__dict__.update({k: v for k, v in vars(first).items() if k.startswith("_lit_optim_")})
        keep_exact(self, names)
        self._pending: list[Tensor] = []
        self._lend()

    @property
    def switched(self) -> bool:
        """Return whether the second class has taken over."""
        return bool(self.param_groups[0][TO])

    @property
    def active(self) -> Optimizer:
        """Return the optimizer that takes the steps."""
        return self.inner[self.switched]

    def _scale_of_lr(self) -> tuple[float, float]:
        return self.lr.scale(self._lr_before if self._phase else self.defaults["lr"])

    def inner_of(self, state_dict: Mapping[str, Any]) -> Optimizer:
        """Return the optimizer whose state a state dict holds.

        Raises:
            ConfigError: for one that was written after a change to another class.
        """
        groups = state_dict.get("param_groups") or ()
        name = next((group[TO] for group in groups if isinstance(group, Mapping) and group.get(TO)), None)
        here = type(self.inner[1]).__name__
        if name not in (None, here):
            raise ConfigError(f"it has switched to {name}, and here to={here}; choose what wrote it")
        return self.inner[name is not None]

    def values_now(self, groups: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return the values that groups have now which were built with some."""
        if not self.switched:
            return [*map(dict, groups)]
        scale, to = self._scale_of_lr(), self.param_groups[0][TO]
        return [{**group, **values_after(group, *self.own, *scale), TO: to} for group in groups]

    def switch(self) -> bool:
        """Let the second class take over, from the next step on; a second call changes nothing.

        Returns:
            Whether state was translated, and not begun anew.
        """
        if self.switched:
            return False
        self._lend_if_other()
        (first, second), before = self.inner, dict(self.state)
        saved = first.state_dict()
        scale = self._scale_of_lr()
        for group in self.param_groups:
            group.update({**values_after(group, *self.own, *scale), TO: type(second).__name__})
        self.state = defaultdict(dict)
        self._lend()
        found = translated(saved, f"{type(first).__module__}.{type(first).__qualname__}", second)
        if found is not None:
            second.load_state_dict(found)
            self._take(second)
        elif self._eager:
            self.state.update(type(second)([{**group} for group in self.param_groups], **self.arguments).state)
        keep_other_keys(before, self.state, sharded=self._is_sharded())
        self._note_phase()
        return found is not None

    @without_unused_hooks
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step; with a closure, which is called once with gradients, return its loss."""
        loss = loss_of(closure)
        self._lend_if_other()
        kept = {p: self.state.pop(p) for p in self._pending if p.grad is not None}  # begins with empty state
        step_inner(self.active)
        if kept:
            keep_other_keys(kept, self.state, sharded=self._is_sharded())
            self._pending = [p for p in self._pending if p not in kept]
        if self._is_sharded():
            unused = not self.switched
            complete_keys(self.param_groups, self.state, self.inner[unused], self.own[unused], begun=not unused)
        return loss

    def _is_sharded(self) -> bool:
        return any(is_sharded(p) for p in self.param_groups[0]["params"])

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters, with the values of the class that is in use."""
        if not self.__dict__.get("_lent"):
            super().add_param_group(param_group)  # of the constructor
            return
        self._lend_if_other()
        (first, _), before = self.inner, len(self.param_groups)
        if not self.switched:
            first.defaults["lr"] = self.defaults["lr"]
        first.add_param_group(param_group)  # which may split it by rules
        for group in self.param_groups[before:]:
            if self.switched:
                group.update(values_after(group, *self.own, *self._scale_of_lr()))
            for key, value in {**self.own[1], TO: self.param_groups[0][TO]}.items():
                group.setdefault(key, value)

    def _lend(self) -> None:
        """Hand the groups to both optimizers, and the state to the one in use."""
        self._lent = True
        for each in self.inner:
            each.param_groups = self.param_groups
            each.state = self.state if each is self.active else defaultdict(dict)

    def _lend_if_other(self) -> None:
        """Lend again where other code has replaced groups or state, as Lightning's finetuning callbacks do."""
        if any(each.param_groups is not self.param_groups for each in self.inner) or (
            self.active.state is not self.state
        ):
            self._lend()

    def _take(self, inner: Optimizer) -> None:
        """Take over what an inner optimizer has loaded."""
        self.param_groups, self.state = inner.param_groups, inner.state
        self._lend()

    def _note_phase(self) -> None:
        """Set what follows from the phase: the default lr, and which parameters begin anew."""
        if self.switched != self._phase:
            self._lr_before = self.defaults["lr"] if self.switched else self._lr_before
            self.defaults.update(self.own[self.switched])
            self.defaults["lr"] = self._lr_before
            if self.switched:
                number, unit = self._scale_of_lr()
                self.defaults["lr"] = self._lr_before / unit * number
            self._phase = self.switched
        self._pending = [p for p, entry in self.state.items() if self.switched and entry and not has_begun(entry)]

    def state_dict(self) -> dict[str, Any]:
        """Return torch's state dict, in which every tensor has memory that no other one shares."""
        return unshared_state_dict(super().state_dict(), self.inner)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state dict as the class that wrote it does; one that ``first`` has written alone is from before."""
        self._lend_if_other()
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            state_dict = hook(self, state_dict) or state_dict
        inner = self.inner_of(state_dict)
        own = self.own[inner is self.inner[1]]
        missing = {**{k: v for k, v in self.own[1].items() if k not in self.own[0]}, TO: None}
        groups = [{**missing, **as_tuples(group)} for group in state_dict["param_groups"]]
        for group in self.param_groups:
            group.update({key: own[key] for key in OWN_FLAGS if key in own})
        inner.load_state_dict({**state_dict, "param_groups": groups})
        self._take(inner)
        self._note_phase()
        for post_hook in self._optimizer_load_state_dict_post_hooks.values():
            post_hook(self)

    def __getstate__(self) -> dict[str, Any]:
        """Return what copies and pickles hold: groups and state once, and what else the inner optimizers have."""
        others = {name: vars(self)[name] for name in ("lr", "own", "arguments", "_eager", "_lr_before", "_phase")}
        return {**super().__getstate__(), **others, "inner": tuple(map(without_state, self.inner))}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({**state, "inner": (), "_pending": []})
        first, second = (
            restored(cls, {**own, "state": defaultdict(dict), "param_groups": self.param_groups})
            for cls, own in state["inner"]
        )
        self.inner = (first, second)
        self._lend()
        self._note_phase()
