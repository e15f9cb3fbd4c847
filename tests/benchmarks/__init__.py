"""Measured speed: `make bench`. Every figure is a ratio to a named baseline in the same run, never a bar in a test."""
