"""Every performance claim of the README as a script that prints ratios: ``python -m benchmarks``."""
