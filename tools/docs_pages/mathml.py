"""Render equations as MathML, which browsers draw without scripts and without a network."""

from __future__ import annotations

from html import escape
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert


def setup(app: Any) -> dict[str, bool]:
    """Register the renderer with Sphinx."""
    app.add_html_math_renderer("mathml", (_inline, None), (_display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def mathml(latex: str, *, display: bool) -> str:
    r"""Convert an equation; a displayed one may have several aligned lines.

    Example:
        >>> "<mi>&#x003B1;</mi>" in mathml(r"\alpha", display=False)
        True
        >>> "<mtr>" in mathml(r"a &= 1 \\ b &= 2", display=True)
        True
        >>> ">&<" in mathml(r"a &= \begin{cases} 1 & b \\ 2 & c \end{cases}", display=True)
        False
    """
    latex = latex.replace(r"\_", "_").replace("{aligned}", "{split}")
    if display and ("\\\\" in latex or "&" in latex) and not latex.startswith("\\begin"):
        latex = rf"\begin{{split}}{latex}\end{{split}}"
    return convert(latex, display="block" if display else "inline")


def _inline(writer: Any, node: nodes.math) -> None:
    writer.body.append(mathml(node.astext(), display=False))
    raise nodes.SkipNode


def _display(writer: Any, node: nodes.math_block) -> None:
    text = node.astext().strip()
    writer.body.append(f'<div class="math" title="{escape(text)}" tabindex="0">{mathml(text, display=True)}</div>')
    raise nodes.SkipNode
