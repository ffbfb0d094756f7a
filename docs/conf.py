"""Configure the docs site. `make docs` builds it into build/docs, with warnings as errors and without a network."""

import re
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS.parent / folder) for folder in ("tools", "tests")]

import lit_optim  # noqa: E402
from docs_pages.inventories import write_inventories  # noqa: E402
from docs_pages.write import write  # noqa: E402

project = "lit-optim"
author = "lit-optim contributors"
version = release = lit_optim.__version__
html_title = f"lit-optim {release}"
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/icon.svg"
smartquotes = False  # which would make one dash of `--lr` outside of code
html_copy_source = False
html_show_copyright = html_show_sphinx = False
exclude_patterns = ["inventories"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.intersphinx", "sphinx.ext.napoleon", "docs_pages.mathml"]
html_math_renderer = "mathml"
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4

# Every role and every annotation must lead somewhere. Single backticks of docstrings are links where they name what has
# a page, and code elsewhere.
nitpicky = True
default_role = "py:obj"
nitpick_ignore_regex = [
    ("py:obj", ".*"),
    ("py:(class|exc)", r"lit_optim\..*|LengthUnknown|Resolved(ByName)?"),  # types that are not public
]
napoleon_numpy_docstring = False
napoleon_use_rtype = False
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"

SITES = {
    "hydra": "https://hydra.cc/docs/",
    "lightning": "https://lightning.ai/docs/pytorch/stable/",
    "omegaconf": "https://omegaconf.readthedocs.io/en/latest/",
    "python": "https://docs.python.org/3/",
    "torch": "https://docs.pytorch.org/docs/stable/",
}
# what our pages refer to there is listed in docs/inventories: no build asks another server
intersphinx_mapping = {
    name: (SITES[name], str(file))
    for name, file in write_inventories(DOCS / "inventories", DOCS.parent / "build" / "inventories").items()
}


def setup(app: Any) -> None:
    """Write the generated pages before Sphinx looks for pages, and prepare what it reads."""
    app.connect("builder-inited", lambda app: write(Path(app.srcdir)))
    app.connect("source-read", drop_empty_globs)
    app.connect("autodoc-process-signature", without_factories)
    app.connect("autodoc-process-docstring", protect_first_line, priority=400)  # before napoleon


def drop_empty_globs(_app: Any, page: str, source: list[str]) -> None:
    """Remove the patterns of the index for pages that are not written."""
    if page == "index":
        lines = source[0].splitlines()
        source[0] = "\n".join(x for x in lines if not re.fullmatch(r"[\w/-]+\*", x) or any(DOCS.glob(f"{x}.md")))


def without_factories(*event: Any) -> tuple[str, str] | None:
    """Write an ellipsis for a default that a dataclass makes anew each time, which Sphinx cannot read."""
    signature, returns = event[-2:]
    return (signature.replace("<factory>", "..."), returns) if signature else None


def protect_first_line(_app: Any, what: str, _name: str, _value: Any, _options: Any, lines: list[str]) -> None:
    """Keep napoleon from reading the first line of a property, up to a colon, as its type."""
    if what in ("attribute", "data", "property"):
        lines[:1] = [line.replace(": ", " - ", 1) for line in lines[:1]]
