"""Checks for mistakes that no signature forbids: one mistake a file, each a pure function over specs.

`find` calls all of them on a config, for the doctor; `find_in_specs` on the specs of a fit.
"""

from lit_optim.config.pitfalls.find_all import Specs, find, find_in_specs
from lit_optim.config.pitfalls.finding import Finding

__all__ = ["Finding", "Specs", "find", "find_in_specs"]
