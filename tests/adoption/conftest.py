"""The template is a project of its own: its modules are imported by its scripts only."""

collect_ignore = ["template"]
