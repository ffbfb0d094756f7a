"""Optimizers that differentiate the gradients again need a backward that keeps the graph."""

from __future__ import annotations

from lit_optim.config import capabilities
from lit_optim.errors import ConfigError
from lit_optim.lightning_api import LightningModule


def check_backward_keeps_graph(module: LightningModule, path: str) -> None:
    """Refuses an optimizer of second order in a module with Lightning's own ``backward``.

    Args:
        module: whose automatic optimization calls ``backward``.
        path: import path of the optimizer's class.

    Raises:
        ConfigError: with the method to write.
    """
    plain = type(module).backward is LightningModule.backward
    if plain and module.automatic_optimization and capabilities.of_target(path).second_order:
        name = path.rpartition(".")[2]
        problem = f"optimizer: {name} differentiates the gradients again"
        remedy = f"write in {type(module).__name__}: def backward(self, loss): loss.backward(create_graph=True)"
        raise ConfigError(f"{problem}; {remedy}")
