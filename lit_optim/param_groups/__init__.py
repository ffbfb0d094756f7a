"""Sorts named parameters into param groups by rules: the first that matches wins, the rest inherit."""

from lit_optim.param_groups.grouping import Rule, group_parameters
from lit_optim.param_groups.parameter_type import OwnedParameter, owned_parameters

__all__ = ["OwnedParameter", "Rule", "group_parameters", "owned_parameters"]
