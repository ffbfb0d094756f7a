"""What is right by every signature and still goes wrong: one mistake a file, each a pure function over specs.

They are for the doctor, and for whoever wants to know before the first step. `find` calls all of them on a config.
"""

from lit_optim.config.pitfalls.every import find
from lit_optim.config.pitfalls.finding import Finding

__all__ = ["Finding", "find"]
