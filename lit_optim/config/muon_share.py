"""Finds a composite whose Muon trains few of a module's parameters."""

from __future__ import annotations

from torch import nn
from torch.nn.parameter import is_lazy

from lit_optim.config.build.distribute import distribute
from lit_optim.config.build.optimizer import CheckedOptimizer
from lit_optim.config.build.parts import parts_of
from lit_optim.config.pitfalls.finding import Finding
from lit_optim.optimizers import Composite
from lit_optim.optimizers.matrix_shape import takes_matrices_only
from lit_optim.param_groups import NamedModel

CHECK = "muon_share"
SHARE = 0.2


def muon_share(optimizer: CheckedOptimizer, module: nn.Module) -> list[Finding]:
    """Find that Muon gets under 20 % of the parameters that require grad.

    Args:
        optimizer: its spec, checked.
        module: that is trained.
    """
    if optimizer.cls is not Composite:
        return []
    model, parts = NamedModel(module), parts_of(optimizer)
    muons = [part.name for part in parts if takes_matrices_only(part.optimizer.cls)]
    if not muons or any(is_lazy(p.tensor) for p in model.trainable):
        return []
    routes = distribute(model, parts, optimizer.spec.key)
    sizes = [(p.tensor.numel(), routes[p] in muons) for p in model.trainable]
    share = sum(size for size, its in sizes if its) / max(sum(size for size, _ in sizes), 1)
    if share >= SHARE:
        return []
    problem = (
        f"Muon gets {share:.0%} of the parameters, the rest are embeddings, the output layer, vectors and odd shapes"
    )
    return [Finding(CHECK, "warning", optimizer.spec.key, problem, "choose e.g. optimizer=adamw, or change the match")]
