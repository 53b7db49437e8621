"""Whether a table's log explains all that the workers were told. Not here: reading the log (witness.py) or the workers' journals (history.py)."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from lakehouse_platform_tests.soak.history import Attempt, Invocation
from lakehouse_platform_tests.soak.operations import Clean, Operation, Optimise, Read, Restore, Row, State, Vacuum, effect
from lakehouse_platform_tests.soak.witness import Logged, Seen

# Of one fault, some findings tell as much as thousands.
MOST_FINDINGS = 20
_ROWS_SHOWN = 3
_MAINTAINS = (Optimise, Vacuum, Clean)


@dataclass(frozen=True)
class Replayed:
    """The rows of each version: by the model, which applies each commit's operation to the version before."""

    states: tuple[State, ...]

    def digest(self, version: int) -> str:
        """What a reader of that version must have seen."""
        return digest(self.states[version].values())


def digest(rows: Iterable[Row]) -> str:
    """A text that stands for these rows in any order."""
    return hashlib.sha256("\n".join(sorted(repr(tuple(row)) for row in rows)).encode()).hexdigest()[:32]


def check(seen: Seen, invocations: Sequence[Invocation], kept_from: int) -> list[str]:
    """All that does not fit together, in words. Nothing that the version `kept_from` or a newer one needs may be gone from storage."""
    by_name = {invocation.name: invocation for invocation in invocations}
    findings = [*_gaps(seen, kept_from), *_outcomes(seen, invocations), *_transactions(seen)]
    # Without knowing who wrote what, the rest would only say the same in more words.
    if strangers := [*_strangers(seen, by_name)]:
        return [*findings, *strangers][:MOST_FINDINGS]
    replayed = Replayed(tuple(_states(seen, by_name)))
    findings += [
        *_differing(seen, replayed, by_name),
        *_nothing_done(seen, replayed, invocations),
        *_reads(replayed, invocations),
        *_order(seen, invocations),
        *_missing(seen, kept_from),
        *_strange_errors(invocations),
    ]
    return findings[:MOST_FINDINGS]


def _gaps(seen: Seen, kept_from: int) -> Iterator[str]:
    there = seen.versions_in_log
    first = there[0] if there else 0
    if there != list(range(first, len(seen.commits))):
        yield f"versions are not gapless: the log ends at {there[-1] if there else None}, {len(seen.commits)} were seen one after the other"
    if first > kept_from:
        yield f"version {kept_from} is kept, and the log begins at {first}"


def _outcomes(seen: Seen, invocations: Sequence[Invocation]) -> Iterator[str]:
    """Acknowledged: once, as the version that was named; failed: not at all; unknown: once or not at all."""
    versions: dict[str, list[int]] = {}
    for commit in seen.commits:
        if commit.invocation is not None:
            versions.setdefault(commit.invocation, []).append(commit.version)
    for invocation in invocations:
        if not isinstance(invocation.operation, (*_MAINTAINS, Read)):
            yield from _wrong_outcome(invocation, versions.get(invocation.name, []))


def _wrong_outcome(invocation: Invocation, found: Sequence[int]) -> Iterator[str]:
    if len(found) > 1:
        yield f"{_named(invocation)} is in the log {len(found)} times: versions {found}"
    if invocation.outcome == "failed" and found:
        yield f"{_named(invocation)} failed ({_detail(invocation)}), and is version {found[0]}"
    accepted = invocation.acknowledged
    if accepted is None or accepted.ended is None:
        return
    if found and not accepted.ended.is_known and accepted.ended.version != found[0]:
        yield f"{_named(invocation)} was told version {accepted.ended.version}, and is version {found[0]}"


def _strange_errors(invocations: Sequence[Invocation]) -> Iterator[str]:
    for invocation in invocations:
        for attempt in invocation.attempts:
            if attempt.ended is not None and not attempt.ended.is_ours:
                yield f"{_named(invocation)} was told an error that is none of the platform's: {attempt.ended.detail}"


def _transactions(seen: Seen) -> Iterator[str]:
    known: dict[tuple[str, int], int] = {}
    for commit in seen.commits:
        for transaction in commit.transactions.items():
            # A restore puts cursors back; no operation here asks it to.
            if transaction in known:
                yield f"transaction {transaction[0]} {transaction[1]} is in versions {known[transaction]} and {commit.version}"
            known[transaction] = commit.version


def _strangers(seen: Seen, by_name: dict[str, Invocation]) -> Iterator[str]:
    for commit in seen.commits[1:]:
        if commit.invocation not in by_name and not commit.maintains:
            yield f"version {commit.version} ({commit.operation}) is of no invocation: {commit.invocation}"


def _states(seen: Seen, by_name: dict[str, Invocation]) -> Iterator[State]:
    """The model's rows after each version; the first commit makes the table empty."""
    states: list[State] = [{}]
    yield states[0]
    for commit in seen.commits[1:]:
        states.append(effect(_operation(commit, by_name), states[-1], states.__getitem__))
        yield states[-1]


def _differing(seen: Seen, replayed: Replayed, by_name: dict[str, Invocation]) -> Iterator[str]:
    """Versions whose files hold other rows than the operations up to them, one after the other, make."""
    stored: Counter[Row] = Counter()
    present: set[str] = set()
    for commit, state in zip(seen.commits, replayed.states, strict=True):
        for path in commit.removed:
            if path not in present:
                yield f"version {commit.version} removes {path}, which the version before does not hold"
            else:
                stored.subtract(seen.rows[path])
            present.discard(path)
        for path, claimed in commit.added.items():
            if path not in present:
                stored.update(seen.rows[path])
            present.add(path)
            if claimed is not None and claimed != len(seen.rows[path]):
                yield f"version {commit.version} says that {path} holds {claimed} rows; it holds {len(seen.rows[path])}"
        stored += Counter()
        if (commit.added or commit.removed) and commit.maintains != commit.rearranges:
            yield f"version {commit.version} is maintenance and says that it changes rows, or is none and says that it does not"
        if stored != Counter(state.values()):
            differs = _rows(stored, state)
            yield f"version {commit.version} ({_who(commit, by_name)}) is not what its operation makes of version {commit.version - 1}: {differs}"
            # What follows differs by it.
            return


def _nothing_done(seen: Seen, replayed: Replayed, invocations: Sequence[Invocation]) -> Iterator[str]:
    """Acknowledged without a commit: right only where there was nothing to do."""
    committed = {commit.invocation for commit in seen.commits}
    for invocation in invocations:
        accepted = invocation.acknowledged
        if accepted is None or invocation.name in committed or isinstance(invocation.operation, (*_MAINTAINS, Read)):
            continue
        version = accepted.ended.version if accepted.ended is not None else None
        if version is None or version >= len(replayed.states):
            yield f"{_named(invocation)} was acknowledged as version {version}, which the log does not have"
        elif effect(invocation.operation, replayed.states[version], replayed.states.__getitem__) != replayed.states[version]:
            yield f"{_named(invocation)} was acknowledged as if version {version} had left it nothing to do, and it had"


def _reads(replayed: Replayed, invocations: Sequence[Invocation]) -> Iterator[str]:
    for invocation in invocations:
        accepted = invocation.acknowledged
        if accepted is None or accepted.ended is None or not isinstance(invocation.operation, Read):
            continue
        version = accepted.ended.version
        assert version is not None
        if version >= len(replayed.states):
            yield f"{_named(invocation)} read version {version}, which the log does not have"
        elif accepted.ended.digest != replayed.digest(version):
            yield f"{_named(invocation)} read other rows than version {version} holds"


def _order(seen: Seen, invocations: Sequence[Invocation]) -> Iterator[str]:
    """What began after another had been acknowledged comes after it, and sees it."""
    committed = {commit.invocation: commit.version for commit in seen.commits}
    acknowledged = [(invocation, attempt) for invocation in invocations if (attempt := invocation.acknowledged) is not None]
    ends = sorted(
        (attempt.ended.at_seconds, committed[invocation.name])
        for invocation, attempt in acknowledged
        if attempt.ended is not None and invocation.name in committed
    )
    newest, position = -1, 0
    for invocation, attempt in sorted(acknowledged, key=lambda each: each[1].begun.at_seconds):
        while position < len(ends) and ends[position][0] < attempt.begun.at_seconds:
            newest, position = max(newest, ends[position][1]), position + 1
        version = _version_seen(invocation, attempt, committed)
        if version is not None and version < newest:
            yield f"{_named(invocation)} is of version {version}, though version {newest} had been acknowledged before it began"


def _version_seen(invocation: Invocation, attempt: Attempt, committed: dict[str | None, int]) -> int | None:
    """The version that an operation made, or that it took for the newest; None where it says nothing of time."""
    match invocation.operation:
        case Read(version=None):
            return attempt.ended.version if attempt.ended is not None else None
        case Read() | Optimise() | Vacuum() | Clean():
            return None
    # Tried twice, it may have been committed by the first try.
    return committed.get(invocation.name) if len(invocation.attempts) == 1 else None


def _missing(seen: Seen, kept_from: int) -> Iterator[str]:
    """Files of a kept version that are gone."""
    there = seen.paths_stored
    present: set[str] = set()
    gone: set[str] = set()
    for commit in seen.commits:
        present = (present - set(commit.removed)) | set(commit.added)
        if commit.version >= kept_from:
            for path in present - gone:
                if unquote(path) not in there:
                    gone.add(path)
                    yield f"version {commit.version} is kept, and its file {path} is gone"


def _operation(commit: Logged, by_name: dict[str, Invocation]) -> Operation:
    return Optimise() if commit.maintains else by_name[str(commit.invocation)].operation


def _who(commit: Logged, by_name: dict[str, Invocation]) -> str:
    return "maintenance" if commit.maintains else _named(by_name[str(commit.invocation)])


def _named(invocation: Invocation) -> str:
    operation = invocation.operation
    of = f" to version {operation.version}" if isinstance(operation, Restore) else ""
    return f"{operation.kind}{of} {invocation.name}"


def _detail(invocation: Invocation) -> str:
    return next((attempt.ended.detail for attempt in reversed(invocation.attempts) if attempt.ended is not None), "")


def _rows(stored: Counter[Row], state: State) -> str:
    expected = Counter(state.values())
    surplus, lacking = list((stored - expected).elements()), list((expected - stored).elements())
    parts = [
        f"{len(rows)} rows {what}, such as {[tuple(row) for row in rows[:_ROWS_SHOWN]]}"
        for what, rows in (("too many", surplus), ("lacking", lacking))
        if rows
    ]
    return "; ".join(parts)
