"""A preset under test."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import lit_optim
from lit_optim.config.build.parts import check_one_or_composite
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
        with quiet():
            return lit_optim.build_optimizer(self.name, params, **changes)

    def bare(self, params: Any, **changes: Any) -> Any:
        """The class alone, without our checks, which refuse what the header says it cannot do."""
        _, cls, arguments = check_one_or_composite(read_spec(self.name, "optimizer"))
        with quiet():
            return cls(params, **{**arguments, **changes})


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hide that a composite knows no modules of bare parameters."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*asks for the modules of parameters")
        yield
