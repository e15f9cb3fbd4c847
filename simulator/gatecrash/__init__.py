"""Gatecrash: a payment gateway that fails on purpose, and a harness that proves your merchant survives it."""

__version__ = "0.1.0"
