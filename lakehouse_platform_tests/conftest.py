"""The order of the whole suite. Not here: fixtures, which stand beside the tests that use them."""

from __future__ import annotations

import pytest

# Few tests that take a minute or more each: begun last, one worker would run them while the other has nothing left.
_LONG = ("properties", "e2e", "test_live", "test_read_partitions")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest; the order is otherwise as collected."""
    items.sort(key=lambda item: next((place for place, part in enumerate(_LONG) if part in item.nodeid), len(_LONG)))
