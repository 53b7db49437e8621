"""The order of the whole suite, and the object store that tests of every folder use. Not here: other fixtures, which stand beside their tests."""

from __future__ import annotations

import pytest

from lakehouse_platform_tests.faulty_store import faulty
from lakehouse_platform_tests.object_store import bucket, s3

__all__ = ["bucket", "faulty", "s3"]

# Few tests that take a minute or more each: begun last, one worker would run them while the other has nothing left.
_LONG = ("properties", "e2e", "test_live", "test_read_partitions")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest; the order is otherwise as collected. What takes the object store is marked `s3`."""
    for item in items:
        if "s3" in getattr(item, "fixturenames", ()):
            item.add_marker("s3")
    items.sort(key=lambda item: next((place for place, part in enumerate(_LONG) if part in item.nodeid), len(_LONG)))
