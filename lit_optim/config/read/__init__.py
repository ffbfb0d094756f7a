"""Specs in any form - presets, mappings, Hydra's and LightningCLI's objects - as plain containers."""
