"""A preset under test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import lit_optim
from lit_optim.config.build.optimizer import check_optimizer
from lit_optim.config.capabilities import Capabilities, capabilities
from lit_optim.config.read.spec import read_spec


@dataclass(frozen=True)
class Subject:
    """An optimizer preset by its name."""

    name: str

    @property
    def needs(self) -> Capabilities:
        """What its header says."""
        return capabilities(self.name)

    def build(self, params: Any, **changes: Any) -> Any:
        """The optimizer as users get it."""
        return lit_optim.build_optimizer(self.name, params, **changes)

    def bare(self, params: Any, **changes: Any) -> Any:
        """The class alone, without our checks, which refuse what the header says it cannot do."""
        _, cls, arguments = check_optimizer(read_spec(self.name, "optimizer"))
        return cls(params, **{**arguments, **changes})
