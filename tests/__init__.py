"""Tests of every room, laid out like the rooms; tests/support holds what they share."""
