from __future__ import annotations

import contextlib
import importlib
from collections import defaultdict
from collections.abc import Callable, Mapping, MutableMapping
from itertools import chain
from typing import Any, NamedTuple

from torch import Tensor
from torch.autograd import profiler
from torch.optim import Optimizer
from torch.utils.weak import WeakTensorKeyDictionary

from lit_optim.engine.bucket_cache import are_same_objects
from lit_optim.engine.state_dict import unshared_state_dict
from lit_optim.engine.without_unused_hooks import without_unused_hooks
from lit_optim.errors import ConfigError
from lit_optim.optimizers.matrix_shape import flat_shape, is_odd_shape, takes_matrices_only
from lit_optim.state_loading.compatible_state import compatible_state
from lit_optim.step_hooks import loss_of
from lit_optim.torch_backend.implementation import fastest, keep_exact, restored

PART = "part"  # in every group: the name of its part
NOTHING = contextlib.nullcontext()
DISTRIBUTE = "lit_optim.config.build.distribute"  # of a layer above, which knows presets and modules


class Part(NamedTuple):
    """One of the optimizers of a composite.

    Attributes:
        optimizer: its class.
        arguments: of its constructor, for all its groups.
    """

    optimizer: type[Optimizer]
    arguments: Mapping[str, Any]


class Composite(Optimizer):
    r"""Several optimizers in one object, for automatic optimization: each parameter belongs to one of its parts.

    It owns the param groups, in the order of the parts and with the part's name at ``part``, and the state of all
    parameters; before a step it lends them to the optimizers of the parts. A step calls the closure once and counts
    once. Hooks of steps run once, on this object; so do clipping, gradient scalers and schedules.

    A part is ``{optimizer: a preset's name, a path or a class, match: a selector, ...}``; all other keys are arguments
    of its optimizer. In their order, the first part whose ``match`` fits takes a parameter; the one without ``match``
    takes the rest. ``lr`` and ``weight_decay`` of the composite are the parts' defaults, and ``x0.1`` a tenth of them.
    ``torch.optim.Muon`` stands for `lit_optim.optimizers.Muon`; parameters that are no matrices in the sense of
    `is_odd_shape` go to another part.

    Args:
        params: the module; or parameters, named ones, or groups of them - which selectors that ask for modules cannot
            distribute.
        parts: by name.
        lr: absolute learning rate of all parts that have none.
        weight_decay: likewise.

    Raises:
        ConfigError: for a part without parameters, two that take the rest, and parameters that none can take.

    Example:
        >>> from torch import nn
        >>> net = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
        >>> adamw = {"optimizer": "adamw", "match": {"ndim": "<2"}, "lr": "x0.1"}
        >>> optimizer = Composite(net, lr=0.02, parts={"adamw": adamw, "muon": {"optimizer": "muon"}})
        >>> [(group["name"], group["lr"], len(group["params"])) for group in optimizer.param_groups]
        [('adamw', 0.002, 2), ('muon', 0.02, 2)]
    """

    checks_what_it_loads = True

    def __init__(
        self, params: Any, parts: Mapping[str, Any], lr: float | None = None, weight_decay: float | None = None
    ) -> None:
        groups = params
        self.routes: MutableMapping[Tensor, str] = WeakTensorKeyDictionary()  # for parameters that are added later
        if not (parts and all(isinstance(part, Part) for part in parts.values())):
            distribute = importlib.import_module(DISTRIBUTE).distribute_given
            groups, parts, routes = distribute(params, parts, lr, weight_decay)
            self.routes.update(routes)
        self.parts: dict[str, Optimizer] = {}
        for name, (cls, arguments) in parts.items():
            own = [{"name": name, **group} for group in groups if group[PART] == name]
            members = [p for group in own for p in group["params"]]
            try:
                self.parts[name] = keep_exact(cls(own, **{**arguments, **fastest(cls, members, arguments)}))
            except Exception as error:
                raise ConfigError(f"parts.{name}: {cls.__name__} refused these parameters: {error}") from error
        every = [inner.defaults for inner in self.parts.values()]
        common = {key: value for key, value in every[-1].items() if all(key in defaults for defaults in every)}
        common.update({key: value for key, value in (("lr", lr), ("weight_decay", weight_decay)) if value is not None})
        super().__init__(chain.from_iterable(inner.param_groups for inner in self.parts.values()), common)
        for inner in self.parts.values():
            self.state.update(inner.state)  # some create it in their constructor
        self._lend()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters to the part that the group names at ``part``; without one, to the parts that suit them."""
        if any(param_group is known for inner in self.parts.values() for known in inner.param_groups):
            super().add_param_group(param_group)  # of the constructor
            return
        params = param_group["params"]
        params = [params] if isinstance(params, Tensor) else [*params]
        by_part: dict[str, list[Any]] = {}
        for p in params:
            by_part.setdefault(param_group.get(PART) or self.part_of(p), []).append(p)
        for name, members in by_part.items():
            group = {"name": f"{name}/group{len(self.param_groups)}", **param_group, "params": members, PART: name}
            if not group["name"].startswith(name):
                group["name"] = f"{name}/{group['name']}"
            self._add_to_part(name, group)

    def part_of(self, p: Any) -> str:
        """Return the name of the part that a parameter belongs to, or of the last one that suits its shape."""
        p = p[1] if isinstance(p, tuple) else p
        if p in self.routes:
            return self.routes[p]
        odd = is_odd_shape(*flat_shape(p.shape))
        suited = [name for name, inner in self.parts.items() if not (odd and takes_matrices_only(inner))]
        if not suited:
            raise ConfigError(
                f"params: Muon takes no parameter of shape {tuple(p.shape)}; add a part for it, e.g. adamw"
            )
        return suited[-1]

    def _add_to_part(self, name: str, group: dict[str, Any]) -> None:
        if name not in self.parts:
            raise ConfigError(f"params: a group of the part {name!r}; there are: {', '.join(self.parts)}")
        self._lend_if_other()
        try:
            self.parts[name].add_param_group(group)
            super().add_param_group(group)
        finally:
            self._lend()

    def _lend(self) -> None:
        """Hand the groups of each part and the state over to its optimizer, unless it has them."""
        self._lent = self.state, [*self.param_groups]
        for name, inner in self.parts.items():
            inner.state = self.state
            inner.param_groups = [group for group in self.param_groups if group[PART] == name]

    def _lend_if_other(self) -> None:
        """Lend again where other code has replaced groups or state, as Lightning's finetuning callbacks do."""
        state, groups = self._lent
        if state is not self.state or not are_same_objects(self.param_groups, groups):
            self._lend()

    @without_unused_hooks
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step with every part; with a closure, which is called once with gradients, return its loss."""
        loss = loss_of(closure)
        self._lend_if_other()
        for inner in self.parts.values():
            step_inner(inner)
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Return torch's state dict, in which every tensor has memory that no other one shares."""
        return unshared_state_dict(super().state_dict(), self.parts.values())

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state dict part by part, as the optimizer of each does; all or nothing."""
        self._lend_if_other()
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            state_dict = hook(self, state_dict) or state_dict
        found = compatible_state(self, state_dict)
        saved = dict(zip(map(id, self.param_groups), found["param_groups"], strict=True))
        loaded: dict[int, dict[str, Any]] = {}
        left = dict(found["state"])
        state: defaultdict[Any, Any] = defaultdict(dict)
        try:
            for inner in self.parts.values():
                mine, groups = inner.param_groups, [saved[id(group)] for group in inner.param_groups]
                own = {i: left.pop(i) for group in groups for i in group["params"] if i in left}
                inner.load_state_dict({"state": own, "param_groups": groups})
                loaded.update(zip(map(id, mine), inner.param_groups, strict=True))
                state.update(inner.state)
            state.update(left)
            self.state, self.param_groups = state, [loaded[id(group)] for group in self.param_groups]
        finally:
            self._lend()
        for post_hook in self._optimizer_load_state_dict_post_hooks.values():
            post_hook(self)

    def __getstate__(self) -> dict[str, Any]:
        """Return what copies and pickles hold: groups and state once, and what else the parts' optimizers have."""
        return {**super().__getstate__(), "parts": {name: without_state(inner) for name, inner in self.parts.items()}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({**state, "parts": {}, "routes": WeakTensorKeyDictionary()})
        for name, (cls, own) in state["parts"].items():
            groups = [group for group in self.param_groups if group[PART] == name]
            self.parts[name] = restored(cls, {**own, "state": self.state, "param_groups": groups})
        self._lend()

    def __repr__(self) -> str:
        """Describe each part."""
        return "\n".join(f"{name}: {inner!r}" for name, inner in self.parts.items())


def without_state(inner: Optimizer) -> tuple[type[Optimizer], dict[str, Any]]:
    """Return the class of an optimizer, and its attributes without groups and state."""
    values = {k: v for k, v in vars(inner).items() if isinstance(v, (bool, int, float, str))}
    kept = {k: v for k, v in inner.__getstate__().items() if k not in ("state", "param_groups")}
    return type(inner), {**values, **kept}


def step_inner(inner: Optimizer) -> None:
    """Take a step without torch's wrapper, which would run the hooks of all optimizers for each part."""
    step = type(inner).step
    for hook in inner._optimizer_step_pre_hooks.values():
        hook(inner, (inner,), {})
    name = f"Optimizer.step#{type(inner).__name__}"
    with profiler.record_function(name) if profiler._is_profiler_enabled else NOTHING:
        getattr(step, "__wrapped__", step)(inner)
    for hook in inner._optimizer_step_post_hooks.values():
        hook(inner, (inner,), {})
