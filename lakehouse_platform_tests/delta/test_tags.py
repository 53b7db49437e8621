"""Tests of delta/tags.py: names for versions, kept beside the log."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse_platform.delta.tags import add_tag, find_tag, pinned_versions, remove_tag, tags_of
from lakehouse_platform.problems import LakehouseError


def test_a_tag_names_one_version_until_it_is_taken_away(tmp_path: Path) -> None:
    location = str(tmp_path / "table")
    assert tags_of(location) == []
    assert pinned_versions(location) == frozenset()
    made = add_tag(location, "month_end", 3)
    add_tag(location, "audit-2026.1", 1)
    assert find_tag(location, "month_end") == made
    assert [(tag.name, tag.version) for tag in tags_of(location)] == [("audit-2026.1", 1), ("month_end", 3)]
    assert pinned_versions(location) == {1, 3}
    assert remove_tag(location, "month_end") == made
    assert remove_tag(location, "month_end") is None
    assert pinned_versions(location) == {1}


def test_a_name_that_is_taken_is_never_moved_in_silence(tmp_path: Path) -> None:
    location = str(tmp_path / "table")
    first = add_tag(location, "month_end", 3)
    assert add_tag(location, "month_end", 3) == first, "a second try of the same is no mistake"
    with pytest.raises(LakehouseError, match="month_end is version 3 already; untag it first"):
        add_tag(location, "month_end", 4)
    assert find_tag(location, "month_end") == first


@pytest.mark.parametrize("name", ["", "3", "2026-01-31", "../../x", "a/b", ".hidden", "_tags", "a b", "é", "a" * 101, "a\n"])
def test_what_could_be_a_version_a_timestamp_or_a_path_is_no_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(LakehouseError, match="is no name for a tag"):
        add_tag(str(tmp_path / "table"), name, 0)
    assert find_tag(str(tmp_path / "table"), name) is None
    assert not (tmp_path / "table").exists()


def test_a_damaged_tag_is_told_and_pins_are_not_forgotten(tmp_path: Path) -> None:
    """A clean-up that took a damaged tag for none would remove what it names."""
    location = str(tmp_path / "table")
    add_tag(location, "kept", 2)
    (tmp_path / "table" / "_tags" / "kept.json").write_text('{"version": ')
    with pytest.raises(LakehouseError, match=r"_tags/kept\.json is no tag: write"):
        pinned_versions(location)


def test_files_beside_the_tags_are_none(tmp_path: Path) -> None:
    location = str(tmp_path / "table")
    add_tag(location, "kept", 2)
    for name in (".kept.json.0a1b", "notes.txt", "1.json"):
        (tmp_path / "table" / "_tags" / name).write_text("x")
    assert pinned_versions(location) == {2}
