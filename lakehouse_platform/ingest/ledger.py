"""What was taken from files before, and what to take now: the ledger lives in the bronze table's own commits (PROTOCOLS 4.1, 4.2).

`file:<identity>` is the last row of that content, `path:<source file>` the bytes taken of that path, `holds:<source file>` the start of
their identity, and `seen:<source file>` the file's state on disk when all of it was taken, so that an untouched file is not read again.
Not here: reading records (records.py).
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.ingest.content import Content, FileRefused, examine
from lakehouse_platform.ingest.landed import LandedFile
from lakehouse_platform.ingest.one_piece import refuse_broken
from lakehouse_platform.ingest.source import Source

# A file can change within one tick of the file system's clock without showing it.
_CLOCK_TICK_SECONDS = 0.1


@dataclass(frozen=True)
class Take:
    """Records to take from a file: those in its bytes from `start` to `end`, their rows counted on from `rows_before`.

    `identity` is of the path values and the content up to `end`, `state` the file's state on disk before it was read; with `may_grow`,
    more may follow while it is read. With `supersedes`, earlier records of this path are of other content, and `rows_before` is for the
    caller to find out.
    """

    file: LandedFile
    start: int
    end: int
    identity: str
    state: int
    is_settled: bool
    may_grow: bool = True
    rows_before: int = 0
    supersedes: bool = False

    def transactions(self, last_row: int) -> Mapping[str, int]:
        """The ledger's entries for this take."""
        name = self.file.source_file
        seen = {f"seen:{name}": self.state} if self.is_settled else {}
        return {f"file:{self.identity}": last_row, f"path:{name}": self.end, f"holds:{name}": _number(self.identity), **seen}

    def still_stands(self) -> bool:
        """Whether the file still holds what was to be taken: untouched, or at most longer where it may be."""
        try:
            is_untouched = _state(self.file.path.stat()) == self.state
            return is_untouched or self._holds_it_still(examine(self.file, has_quotes=False, has_lines=False, prefix_length=self.end))
        except (FileRefused, FileNotFoundError):
            return False

    def _holds_it_still(self, content: Content) -> bool:
        return self.identity == (content.prefix.digest if self.may_grow else content.digest)


class ContentChanged(FileRefused):
    """A file whose content changed inside a record that was taken already."""

    def __init__(self, file: LandedFile, bytes_taken: int) -> None:
        self.file = file
        super().__init__(f"{file.source_file}: the first {bytes_taken} bytes, whose records were taken already, are not what they were")


def next_take(file: LandedFile, source: Source, snapshot: Snapshot | None, settle_seconds: float) -> Take | None:
    """What to take from a file now; None when there is nothing new. Raises FileRefused, naming the file and the mend."""
    ledger = _Ledger(snapshot)
    try:
        status = file.path.stat()
        file.source_file.encode()
    except FileNotFoundError:
        return None  # it was moved away since it was listed
    except UnicodeEncodeError as error:
        raise FileRefused(f"{file.source_file!r}: its name is not UTF-8, so no row can say where it came from. Mend: rename it") from error
    state, age_seconds = _state(status), time.time() - status.st_mtime
    if ledger.version(f"seen:{file.source_file}") == state:
        return None
    if source.attributes.has_snapshots and age_seconds < settle_seconds:
        return None  # of a snapshot that is still being written, rows would seem to be gone
    _refuse_undated(file, source)
    taken, has_rested = ledger.version(f"path:{file.source_file}") or 0, age_seconds >= settle_seconds
    try:
        content = _examined(file, source, prefix_length=taken)
        end = content.length if has_rested or source.attributes.files.is_whole else content.record_end
        is_whole = end == content.length
        identity = content.digest if is_whole else examine(file, has_quotes=False, has_lines=False, prefix_length=end).prefix.digest
        if end == 0 and not (content.length == 0 and has_rested and _is_loss(ledger, source, file, identity)):
            return None
        if end and not _is_news(ledger, source, file, (content.digest, identity)):
            return None
        if end:
            refuse_broken(file, source)
    except FileRefused:
        if not has_rested:
            return None  # it may still be on its way
        raise
    may_grow = not source.attributes.files.is_whole
    take = Take(file, 0, end, identity, state, is_whole and age_seconds > _CLOCK_TICK_SECONDS, may_grow)
    return _continued(take, content, taken, ledger, source) if taken else take


def _examined(file: LandedFile, source: Source, *, prefix_length: int) -> Content:
    files = source.attributes.files
    return examine(file, has_quotes=files.format == "csv", has_lines=not files.is_whole, prefix_length=prefix_length)


def _is_news(ledger: _Ledger, source: Source, file: LandedFile, identities: Collection[str]) -> bool:
    """Whether content is to be taken: none that was taken once, except where that was replaced since, so that its coming back is a change."""
    is_back = source.attributes.files.on_change == "replace" and ledger.has_other_content(file, *identities)
    return is_back or not any(ledger.knows(identity) for identity in identities)


def _is_loss(ledger: _Ledger, source: Source, file: LandedFile, identity: str) -> bool:
    """Whether a file without any content lost what was taken of it. Where changes are appended, nothing is to be appended then."""
    return source.attributes.files.on_change != "append" and ledger.has_other_content(file, identity)


def was_taken(file: LandedFile, snapshot: Snapshot | None) -> bool:
    """Whether a file's whole content was taken before, under any name."""
    return _Ledger(snapshot).knows(examine(file, has_quotes=False, has_lines=False).digest)


def whole(file: LandedFile) -> Take:
    """A take of all that a file holds, whatever was taken before."""
    content = examine(file, has_quotes=False, has_lines=False)
    return Take(file, 0, content.length, content.digest, _state(file.path.stat()), is_settled=False)


class _Ledger:
    """The entries as of a snapshot."""

    def __init__(self, snapshot: Snapshot | None) -> None:
        self._snapshot = snapshot

    def version(self, entry: str) -> int | None:
        return None if self._snapshot is None else self._snapshot.transaction_version(entry)

    def knows(self, identity: str) -> bool:
        return self.version(f"file:{identity}") is not None

    def has_other_content(self, file: LandedFile, *identities: str) -> bool:
        """Whether something was taken of a path, and the last that was is none of these."""
        held = self.version(f"holds:{file.source_file}")
        return held is not None and held not in {_number(identity) for identity in identities}


def _continued(take: Take, content: Content, taken: int, ledger: _Ledger, source: Source) -> Take | None:
    """What is new in a file of which the first bytes were taken."""
    files = source.attributes.files
    rows = ledger.version(f"file:{content.prefix.digest}")
    line_end = b"" if content.prefix.last_byte == b"\n" else content.following[: 2 if content.following == b"\r\n" else 1]
    ends_there = not content.prefix.open_quote and line_end in (b"", b"\n", b"\r\n", b"\r")
    is_held = not files.is_whole and content.prefix.length == taken and not ledger.has_other_content(take.file, content.prefix.digest)
    if is_held and rows is not None and ends_there:
        start = taken + len(line_end)
        return replace(take, start=start, rows_before=rows) if start < take.end else None
    if files.on_change == "fail":
        raise ContentChanged(take.file, taken)
    return replace(take, supersedes=True)


def _refuse_undated(file: LandedFile, source: Source) -> None:
    """Refuse a snapshot whose path does not say when it holds."""
    time_in_path = source.attributes.snapshot_time
    if time_in_path is None:
        return
    text = file.path_values[source.path_columns.index(time_in_path.name)]
    try:
        time_in_path.moment(text)
    except ValueError as error:
        form = f"{time_in_path.name} is {text!r} and not in the form {time_in_path.format}"
        mend = f"Mend: give the file a name with its time, or correct snapshot_time in {source.defs_path}"
        raise FileRefused(f"{file.source_file}: {form}, so nothing says when the snapshot holds. {mend}") from error


def _number(identity: str) -> int:
    """The start of an identity as a number that the table's log can keep."""
    return int(identity[:14], 16)


def _state(status: os.stat_result) -> int:
    """One number for a file's size, time of change and place on disk."""
    text = f"{status.st_size}:{status.st_mtime_ns}:{status.st_ino}:{status.st_dev}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7])
