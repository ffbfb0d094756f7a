"""Describe how the parameters and groups of an optimizer differ from those that its state was saved with."""

from __future__ import annotations

from dataclasses import dataclass, field

from lit_optim.state_loading.parameter_names import join_names

RENAMED = "if they were renamed, rename them in on_load_checkpoint, in state_dict and in the param_names of the state"


@dataclass
class StateChanges:
    """Lists what differs, by name.

    Args:
        added: parameters without a saved state, which begin at their first step.
        removed: parameters whose saved state is dropped.
        moved: parameters in a group of another name -> (saved group, live group).
        restarted: parameters whose state has no meaning here: another part of a composite trains them now.
        new_groups: groups that keep the values that they were built with.
        lost_groups: saved groups whose values are dropped.
        joined: added parameters in a group whose class counts steps by group: they take over its count.
        mixed_counters: groups whose parameters had counted different steps; the count of most of them goes on.
    """

    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    moved: dict[str, tuple[str, str]] = field(default_factory=dict)
    restarted: list[str] = field(default_factory=list)
    new_groups: list[str] = field(default_factory=list)
    lost_groups: list[str] = field(default_factory=list)
    joined: list[str] = field(default_factory=list)
    mixed_counters: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Return whether anything differs."""
        return any(vars(self).values())

    def lines(self) -> list[str]:
        """Return what differs, one line a kind.

        Example:
            >>> StateChanges(added=["b"], moved={"a": ("default", "head")}).lines()
            ['begin at their first step: b', 'in another group: a (default -> head)']
        """
        named = {
            "begin at their first step": [name for name in self.added if name not in self.joined],
            "begin without state, at the step that their group has counted": self.joined,
            "dropped with their state": self.removed,
            "in another group": [f"{name} ({old} -> {new})" for name, (old, new) in self.moved.items()],
            "begin at their first step, as their state has no meaning here": self.restarted,
            "new groups, with the values of the configuration": self.new_groups,
            "groups that are no more": self.lost_groups,
            "groups of parameters that had counted different steps": self.mixed_counters,
        }
        lines = [f"{text}: {join_names(names)}" for text, names in named.items() if names]
        return [*lines, RENAMED] if self.added and self.removed else lines
