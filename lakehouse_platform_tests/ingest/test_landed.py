"""A source's path finds its files and reads its columns from their paths."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse_platform.ingest.landed import landed_files
from lakehouse_platform_tests.ingest.landings import landing


@pytest.mark.parametrize(
    ("pattern", "names", "found"),
    [
        ("in/*.csv", ["in/b.csv", "in/a.csv", "in/a.txt", "a.csv", "in/deep/a.csv"], [("in/a.csv",), ("in/b.csv",)]),
        ("in/*.jsonl*", ["in/a.jsonl", "in/a.jsonl.gz", "in/.a.jsonl.part"], [("in/a.jsonl",), ("in/a.jsonl.gz",)]),
        ("in/{place}/{day}-*.csv", ["in/x/mo-1.csv", "in/x/tu-.csv", "in/y.csv"], [("in/x/mo-1.csv", "x", "mo"), ("in/x/tu-.csv", "x", "tu")]),
        ("in/[a]?.csv", ["in/a1.csv", "in/[a]?.csv"], [("in/[a]?.csv",)]),
    ],
)
def test_files_of_a_pattern(tmp_path: Path, pattern: str, names: list[str], found: list[tuple[str, ...]]) -> None:
    place = landing(tmp_path, pattern, "csv")
    for name in names:
        place.put(name, b"")
    assert [(file.source_file, *file.path_values) for file in landed_files(place.lakehouse.settings.landing, place.source)] == found


def test_no_landing_folder_is_no_files(tmp_path: Path) -> None:
    place = landing(tmp_path, "in/*.csv", "csv")
    assert landed_files(place.lakehouse.settings.landing, place.source) == []
