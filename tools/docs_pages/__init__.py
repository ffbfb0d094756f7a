"""Pages of the docs site that are written from the code: public names, command line, presets, errors.

``docs/conf.py`` calls `write` before Sphinx looks for pages; what it writes is ignored by git.
"""
