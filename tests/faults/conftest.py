"""A merchant's endpoint, for faults that reach it."""

from tests.webhooks.conftest import shop  # noqa: F401 - a fixture
