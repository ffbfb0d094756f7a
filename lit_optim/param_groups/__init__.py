"""Sort a module's parameters into param groups: a selector says which, a rule what; later rules beat earlier ones."""

from lit_optim.param_groups.grouping import Assignment, Grouping, Relative, Rule, assign
from lit_optim.param_groups.match import read_match
from lit_optim.param_groups.merge_groups import merge_into_groups
from lit_optim.param_groups.named_model import NamedModel
from lit_optim.param_groups.parameter_type import OwnedParameter, owned_parameters
from lit_optim.param_groups.selectors import Match

__all__ = [
    "Assignment",
    "Grouping",
    "Match",
    "NamedModel",
    "OwnedParameter",
    "Relative",
    "Rule",
    "assign",
    "merge_into_groups",
    "owned_parameters",
    "read_match",
]
