"""Draws every picture, with one palette and one shading of phases."""
