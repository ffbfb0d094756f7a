"""What may stand inside the arguments of a spec: values, and the partial of an optimizer; nothing else is built."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from lit_optim.config.locate import locate
from lit_optim.errors import ConfigError, Problems


def nested(value: Any, key: str, problems: Problems) -> Any:
    """``value`` with the optimizers in it (``base_optimizer: {_target_: torch.optim.SGD}``) as partials.

    Args:
        value: an argument of a spec, or a part of one.
        key: its dotted name.
        problems: collects targets that are no optimizers; nothing of them is called.

    Example:
        >>> found = Problems()
        >>> nested({"_target_": "torch.optim.SGD", "lr": "0.1"}, "optimizer.base_optimizer", found)
        functools.partial(<class 'torch.optim.sgd.SGD'>, lr=0.1)
        >>> _ = nested([{"_target_": "os.system", "command": "ls"}], "optimizer.betas", found); print(found[0])
        optimizer.betas[0]._target_=os.system: inside a spec stands nothing but values and optimizers\
 (it is a builtin function)
    """
    if isinstance(value, Mapping):
        if "_target_" in value:
            return _partial(value, key, problems)
        return {name: nested(item, f"{key}.{name}", problems) for name, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(nested(item, f"{key}[{i}]", problems) for i, item in enumerate(value))
    return value


def _partial(spec: Mapping[str, Any], key: str, problems: Problems) -> Any:
    from torch.optim import Optimizer

    from lit_optim.config.check import check_call

    target = spec["_target_"]
    try:
        cls = locate(target, Optimizer, key)
    except ConfigError as error:
        own = f"{key}._target_={target}: not a torch.optim.Optimizer subclass "
        rule = f"{key}._target_={target}: inside a spec stands nothing but values and optimizers "
        problems.extend(problem.replace(own, rule) for problem in error.problems)
        return spec
    arguments = {name: item for name, item in spec.items() if name not in ("_target_", "_partial_", "_convert_")}
    return functools.partial(cls, **check_call(cls, arguments, key, problems, supplied=1, finite=True))
