"""What every gradient transform is: what it does to gradients, to which, and on which optimizer."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

from torch import Tensor, nn
from torch.optim import Optimizer

from lit_optim.errors import ConfigError, wrong

if TYPE_CHECKING:
    from lit_optim.gradients.chain import Chain

Self = TypeVar("Self", bound="Link")


class Given(NamedTuple):
    """A gradient with all that a transform may ask about it."""

    name: str
    parameter: Tensor
    grad: Tensor
    group: dict[str, Any]


class Link(ABC):
    """A gradient transform of one optimizer; an element of its `Chain`.

    Args:
        exclude: names, patterns and types of parameters that are left alone.
    """

    kind: ClassVar[str]
    after_clipping: ClassVar[bool] = False

    def __init__(self, exclude: Sequence[str] = ()) -> None:
        words = [exclude] if isinstance(exclude, str) else exclude
        if not isinstance(words, (list, tuple)) or not all(isinstance(word, str) and word for word in words):
            raise ConfigError(wrong("exclude", exclude, "must be a list of names and patterns; write e.g. ['head.*']"))
        self.exclude = tuple(words)
        self.chain: Chain | None = None
        self.active = True  # whether it does anything where it is attached
        self.steps = 0

    def attach(self: Self, optimizer: Optimizer, module: nn.Module | None = None) -> Self:
        """Acts from now on in each step of an optimizer, in the order of all that is attached to it.

        Args:
            optimizer: any; under a gradient scaler it gets gradients that are unscaled.
            module: owner of the parameters, whose names decide what is excluded and which noise a tensor gets;
                without it tensors are known by their number. Where it is sharded by FSDP2: before its first forward
                pass, in which it may show other parameters than the optimizer's.

        Raises:
            ConfigError: where the optimizer has a transform of this kind already, or nothing matches an exclusion.
        """
        from lit_optim.gradients.chain import Chain  # which holds links

        self.detach()
        chain = Chain.of(optimizer)
        chain.add(self, module)
        self.chain = chain
        return self

    def detach(self) -> None:
        """Acts no more."""
        if self.chain is not None:
            self.chain.remove(self)
            self.chain = None

    def selects(self, group: dict[str, Any]) -> bool:
        """Whether the parameters of a group are transformed in this step."""
        return bool(group["params"])

    @abstractmethod
    def apply(self, given: Iterable[Given]) -> None:
        """Changes gradients in place."""

    def stepped(self) -> None:
        """Counts a step that the optimizer has really taken."""
        self.steps += 1

    def state_dict(self) -> dict[str, Any]:
        """How many steps were taken."""
        return {"steps": self.steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from there."""
        self.steps = int(state_dict["steps"])


def positive(name: str, value: Any, meaning: str, example: float) -> float:
    """A positive finite number.

    Raises:
        ConfigError: for anything else.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value <= 0:
        raise ConfigError(wrong(name, value, f"{meaning}; must be a finite number above 0; write e.g. {example}"))
    return float(value)
