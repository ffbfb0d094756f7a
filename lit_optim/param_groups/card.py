"""Hold and show which rule puts which parameter into which param group, with the memory that training takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

LINE = 120  # characters of the groups in a line
UNITS = ("", "k", "M", "G", "T")


@dataclass(frozen=True)
class CardGroup:
    """One param group.

    Args:
        group: its name.
        rules: that made it.
        tensors: number of its parameters.
        parameters: number of their elements.
        lr: initial, before a schedule's factor; None where the optimizer has none.
        weight_decay: None where the optimizer has none.
        optimizer: name of its class.
        state_bytes: of the optimizer after a first step; None where they are unknown.
        schedule: that drives its lr.
    """

    group: str
    rules: tuple[str, ...]
    tensors: int
    parameters: int
    lr: float | None
    weight_decay: float | None
    optimizer: str
    state_bytes: int | None
    schedule: str


@dataclass(frozen=True)
class CardParameter:
    """One parameter.

    Args:
        name: the first of its names.
        tied: its other names.
        shape: None where it is lazy.
        group: empty where no optimizer takes it.
        rules: with a part in it.
        frozen: the rule that freezes it, ``requires_grad=False`` where the module does; None where it is trained.
    """

    name: str
    tied: tuple[str, ...]
    shape: tuple[int, ...] | None
    group: str
    rules: tuple[str, ...]
    frozen: str | None


@dataclass(frozen=True)
class Card:
    """The param groups of a module.

    Args:
        groups: in the optimizer's order.
        parameters: all of them, in the module's order.
        unmatched: rules, and patterns of rules, that match nothing, in words.
        weight_bytes: of all parameters.
        gradient_bytes: of those that are trained.
    """

    groups: tuple[CardGroup, ...]
    parameters: tuple[CardParameter, ...]
    unmatched: tuple[str, ...]
    weight_bytes: int
    gradient_bytes: int

    @property
    def state_bytes(self) -> int | None:
        """Return the bytes of the optimizer's state; None where those of a group are unknown."""
        sizes = [row.state_bytes for row in self.groups]
        return None if None in sizes else sum(size or 0 for size in sizes)

    @property
    def tied(self) -> list[CardParameter]:
        """List the parameters with several names."""
        return [p for p in self.parameters if p.tied]

    @property
    def frozen(self) -> list[CardParameter]:
        """List the parameters that are not trained."""
        return [p for p in self.parameters if p.frozen is not None]

    @property
    def not_taken(self) -> list[CardParameter]:
        """List the parameters that require grad and have no optimizer."""
        return [p for p in self.parameters if p.frozen is None and not p.group]

    @property
    def lazy(self) -> list[CardParameter]:
        """List the parameters without a size yet, which count as empty."""
        return [p for p in self.parameters if p.shape is None]

    def rows(self) -> Iterator[Sequence[Any]]:
        """Yield the rows of a csv file, one a parameter, the header first."""
        yield "parameter", "group", "rules", "shape", "lr", "weight_decay", "optimizer", "schedule", "frozen", "tied"
        groups = {row.group: row for row in self.groups}
        for p in self.parameters:
            row = groups.get(p.group)
            values = ("",) * 4 if row is None else (row.lr, row.weight_decay, row.optimizer, row.schedule)
            shape = "" if p.shape is None else "x".join(map(str, p.shape))
            yield p.name, p.group, "/".join(p.rules), shape, *values, p.frozen or "", " ".join(p.tied)

    def summary(self) -> str:
        """Describe the groups in one line."""
        texts = []
        for row in self.groups:
            values = (("lr", row.lr), ("wd", row.weight_decay))
            settings = " ".join(f"{name} {value:g}" for name, value in values if value is not None)
            texts.append(f"{row.group} {short_number(row.parameters)} {settings} {row.optimizer}")
        frozen = [f"frozen {len(self.frozen)} tensor{'s' * (len(self.frozen) > 1)}"] if self.frozen else []
        end = "; ".join(["", *frozen, f"state {short_number(self.state_bytes, 'B')}"])
        shown = len(texts)
        while shown > 1 and sum(map(len, texts[:shown])) + 2 * shown + len(end) > LINE:
            shown -= 1
        rest = len(texts) - shown
        more = [f"{rest} more group{'s' * (rest > 1)}"] if rest else []
        return f"param groups: {'; '.join([*texts[:shown], *more])}{end}"

    def as_plain(self) -> dict[str, Any]:
        """Return it in plain containers."""
        return {**asdict(self), "state_bytes": self.state_bytes}


def short_number(number: float | None, unit: str = "") -> str:
    """Write a number in three digits.

    Example:
        >>> short_number(85_100_000), short_number(680, "B"), short_number(None, "B")
        ('85.1M', '680 B', 'unknown')
    """
    if number is None:
        return "unknown"
    power = 0
    while number >= 999.5 and power < len(UNITS) - 1:
        number, power = number / 1000, power + 1
    prefix = UNITS[power] if unit or UNITS[power] != "G" else "B"  # billions
    return f"{number:.3g}{' ' * bool(unit)}{prefix}{unit}"
