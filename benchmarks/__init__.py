"""Every performance claim of docs/evidence.md as a script that prints ratios: ``python -m benchmarks``."""
