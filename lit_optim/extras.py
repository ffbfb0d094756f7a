"""The packages that presets target, and the line that installs each."""

from __future__ import annotations

# import name -> extra of ours that brings it, as in pyproject.toml
EXTRAS = {
    "bitsandbytes": "low-memory",
    "pytorch_optimizer": "zoo",
    "schedulefree": "zoo",
    "timm": "timm",
    "torchao": "low-memory",
}
# import name -> what pip is given where no index has the package
ELSEWHERE = {"distributed_shampoo": "git+https://github.com/facebookresearch/optimizers.git"}


def pip_line(package: str) -> str:
    """The command that installs a package some preset targets; empty for others.

    Example:
        >>> pip_line("schedulefree")
        "pip install 'lit-optim[zoo]'"
        >>> pip_line("numpy")
        ''
    """
    if package in EXTRAS:
        return f"pip install 'lit-optim[{EXTRAS[package]}]'"
    return f"pip install '{ELSEWHERE[package]}'" if package in ELSEWHERE else ""
