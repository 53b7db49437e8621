"""Whether the data is whole: settings, the project, every table, what has landed. Not here: whether rows keep their contract (`lakehouse check`)."""

from __future__ import annotations

import difflib
import os
import time
from collections.abc import Collection, Iterator
from datetime import UTC, datetime

from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.delta.integrity import LogState, log_state, missing_files
from lakehouse_platform.delta.log import commits
from lakehouse_platform.delta.opening import damaged_parts
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.findings import Finding, Status
from lakehouse_platform.ingest.landed import landed_files
from lakehouse_platform.problems import LakehouseError, ProjectError
from lakehouse_platform.settings import Settings, setting_names, variables
from lakehouse_platform.storage import files as storage
from lakehouse_platform.storage.stored import joined
from lakehouse_platform.tables.project import Project, load_project

# delta-rs writes one every ten commits; far more than that and opening a table reads all of them.
_COMMITS_WITHOUT_CHECKPOINT = 100
_FUTURE_SECONDS = 60.0


def setting_findings() -> Iterator[Finding]:
    """Variables that look like settings and are none: a misspelt one has no effect."""
    unknown = sorted(set(variables()) - set(setting_names()))
    for name in unknown:
        near = difflib.get_close_matches(name, setting_names(), n=1)
        mend = f"did you mean {near[0]}?" if near else f"unset it; settings are {', '.join(setting_names())}"
        yield Finding("settings", name, Status.WARNING, "is no setting and has no effect", mend)
    if not unknown:
        given = [name for name in variables() if name in setting_names()]
        yield Finding("settings", "environment", Status.OK, f"{', '.join(sorted(given)) or 'none'} set")


def project_findings(settings: Settings) -> tuple[Project | None, list[Finding]]:
    """The project, where it loads, and a finding for each of its mistakes."""
    if not settings.defs_root.is_dir():
        mend = "name a folder with a folder defs in LAKEHOUSE_PROJECT"
        return None, [Finding("project", str(settings.project), Status.FAILED, "has no folder defs", mend)]
    try:
        project = load_project(settings.defs_root)
    except ProjectError as error:
        return None, [
            Finding("project", f"{problem.path}:{problem.line}", Status.FAILED, problem.message, problem.mend) for problem in error.problems
        ]
    message = f"{len(project.sources)} sources and {len(project.tables)} tables load"
    return project, [Finding("project", str(settings.defs_root), Status.OK, message)]


def table_findings(settings: Settings, unreachable: Collection[str] = ()) -> Iterator[Finding]:
    """A finding for every table that lies below the tables' roots, also those that no project names; none of roots that cannot be reached."""
    for root in settings.table_roots:
        if root in unreachable:
            continue
        tables = [f"{layer}/{name}" for layer in storage.folders(root) for name in _tables_in(joined(root, layer))]
        if not tables:
            yield Finding("table", root, Status.OK, "there are no tables yet")
        for table in tables:
            if settings.root_of(table) == root:
                yield _table(table, joined(root, table))
            else:
                mend = f"move its folder to {settings.root_of(table)}/{table}, or remove it"
                yield Finding("table", joined(root, table), Status.WARNING, "lies where its layer has its tables no more", mend)


def landing_findings(settings: Settings, project: Project) -> Iterator[Finding]:
    """Whether each source's files can be read, and whether any is from the future."""
    if not settings.landing.is_dir():
        yield Finding("landing", str(settings.landing), Status.WARNING, "there is no such folder", "make it, and let files arrive there")
        return
    for name, source in project.sources.items():
        files = landed_files(settings.landing, source)
        unreadable = [file.source_file for file in files if not os.access(file.path, os.R_OK)]
        future = [file.source_file for file in files if file.path.stat().st_mtime > time.time() + _FUTURE_SECONDS]
        where = f"{source.attributes.files.path} below {settings.landing}"
        if unreadable:
            message = f"{len(unreadable)} of {len(files)} files cannot be read, such as {unreadable[0]}"
            yield Finding("landing", name, Status.FAILED, message, "give this user the right to read them")
        elif future:
            message = f"{len(future)} files are from the future, such as {future[0]}: they do not count as settled"
            yield Finding("landing", name, Status.WARNING, message, "set the clock of who writes them, or `touch` them")
        else:
            yield Finding("landing", name, Status.OK, f"{len(files):,} files match {where}")


def _tables_in(folder: str) -> Iterator[str]:
    return (name for name in storage.folders(folder) if "_delta_log" in storage.folders(joined(folder, name)))


def _table(name: str, location: str) -> Finding:
    log = log_state(location)
    if log is None:
        return Finding("table", name, Status.FAILED, "its log has no commits", f"remove {location}, and let it be made anew")
    try:
        snapshot = open_snapshot(location)
    except LakehouseError as error:
        return Finding("table", name, Status.FAILED, str(error), _remake(location))
    if snapshot is None:
        return Finding("table", name, Status.FAILED, "it cannot be opened", _remake(location))
    if log.empty:
        message = f"version {log.empty[0]} of its log is an empty file, so what that commit changed is lost"
        return Finding("table", name, Status.FAILED, message, f"put the file back from a copy, or: {_remake(location)}")
    missing = missing_files(snapshot)
    if missing:
        message = f"{len(missing)} of its {len(snapshot.files)} files are gone or cut short, such as {missing[0]}"
        return Finding("table", name, Status.FAILED, message, f"put them back from a copy, or: {_remake(location)}")
    if log.missing:
        message = f"its log lacks {len(log.missing)} commits between {log.first} and {log.last}, such as {log.missing[0]}"
        return Finding("table", name, Status.WARNING, message, "what they changed is not told any more: tables that read it may be rebuilt once")
    return _aging(name, snapshot, log, f"version {snapshot.version}, {snapshot.rows:,} rows in {len(snapshot.files):,} files")


def _aging(name: str, snapshot: Snapshot, log: LogState, message: str) -> Finding:
    location = snapshot.location
    since = log.last - (log.checkpoint if log.checkpoint is not None else log.first)
    if damaged := damaged_parts(location, snapshot.handle):
        told = f"{message}; damaged, and read round: {', '.join(damaged)}"
        return Finding("table", name, Status.WARNING, told, "write to the table: the next commit makes them anew out of the log")
    if log.points_nowhere:
        return Finding(
            "table",
            name,
            Status.WARNING,
            f"{message}; _last_checkpoint names no checkpoint that is there",
            f"remove {location}/_delta_log/_last_checkpoint",
        )
    if since > _COMMITS_WITHOUT_CHECKPOINT:
        return Finding(
            "table", name, Status.WARNING, f"{message}; {since} commits since its checkpoint", "another writer makes none: let it checkpoint"
        )
    committed = max((commit.timestamp_ms for commit in commits(location, log.last - 1)), default=0) / 1000
    if committed > time.time() + _FUTURE_SECONDS:
        when = datetime.fromtimestamp(committed, UTC).isoformat()
        return Finding("table", name, Status.WARNING, f"{message}; its last commit is of {when}, in the future", "set this machine's clock")
    return Finding("table", name, Status.OK, message)


def _remake(location: str) -> str:
    return f"remove {location} and materialize it: a table is made anew from its inputs (bronze: from the files in landing)"
