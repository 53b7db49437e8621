"""Watches a source's files and asks for increments: when files have not been taken in, and when a run stopped half-way. Not here: taking them in.

A request is for a state (files, versions, code) and its run key says which, so a state is asked for once. One whose run was killed, or kept meeting
transient faults, is asked for three times; one that met a fault of data or contract is not asked for again.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import dagster as dg

from lakehouse_platform.ingest.landed import LandedFile, landed_files
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.orchestration.automation import RECOMPUTED_TAG
from lakehouse_platform.orchestration.faults import FAULT_TAG
from lakehouse_platform.orchestration.jobs import REFRESHES_TAG
from lakehouse_platform.orchestration.names import increment_job_name, landing_key, sensor_name
from lakehouse_platform.orchestration.reporting import is_reported
from lakehouse_platform.orchestration.resources import LAKEHOUSE, running_folder
from lakehouse_platform.orchestration.running import end_dead_runs

LANDING_TAG, STATE_TAG = "lakehouse/landing", "lakehouse/state"
TRIES = 3
# A file that never rests is taken in as it is, this often.
GROWING_SECONDS = 60.0
COMMITTING = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    *COMMITTING,
]


@dataclass(frozen=True)
class _File:
    """A landed file as a tick sees it."""

    name: str
    size_bytes: int
    modified_seconds: float


@dataclass(frozen=True)
class Landing:
    """What lies in a source's landing folder; `fingerprint` names it by the files' names, sizes and times."""

    files: int
    bytes: int
    fingerprint: str


def file_sensor(source: str) -> dg.SensorDefinition:
    """The sensor of a source's files; it runs from the start."""

    @dg.sensor(
        name=sensor_name(source),
        job_name=increment_job_name(source),
        minimum_interval_seconds=15,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Asks for an increment when files of {source} have not been taken in, or a run of it stopped half-way",
        required_resource_keys={LAKEHOUSE},
    )
    def watch(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        lakehouse: Lakehouse = getattr(context.resources, LAKEHOUSE)
        end_dead_runs(context.instance, running_folder(lakehouse.settings))
        if _newest_run(context.instance, source, dg.RunsFilter(statuses=UNFINISHED)) is not None:
            return dg.SkipReason("an increment is in flight")
        cursor = json.loads(context.cursor or "{}")
        landing, growing_since = observe_landing(lakehouse, source, cursor.get("growing_since"), time.time())
        cursor_text = json.dumps({"growing_since": growing_since, "landing": landing.fingerprint})
        return _decision(context.instance, lakehouse, source, landing, cursor_text)

    return watch


def observe_landing(lakehouse: Lakehouse, source: str, growing_since: float | None, now: float) -> tuple[Landing, float | None]:
    """The files at rest, and since when others have been growing; after a minute these count as they are."""
    files = [_File(file.source_file, status.st_size, status.st_mtime) for file, status in _statuses(lakehouse, source)]
    resting = [file for file in files if now - file.modified_seconds >= lakehouse.settings.settle_seconds]
    if len(resting) == len(files):
        return _landing(files), None
    since = now if growing_since is None else growing_since
    return (_landing(files), now) if now - since >= GROWING_SECONDS else (_landing(resting), since)


def landing_tags(lakehouse: Lakehouse, source: str) -> dict[str, str]:
    """The tag by which a run says which files it found: with its success they count as taken in."""
    return {LANDING_TAG: observe_landing(lakehouse, source, None, time.time())[0].fingerprint}


def _decision(instance: dg.DagsterInstance, lakehouse: Lakehouse, source: str, landing: Landing, cursor: str) -> dg.SensorResult | dg.SkipReason:
    tags = {LANDING_TAG: landing.fingerprint}
    succeeded = _newest_run(instance, source, dg.RunsFilter(tags=tags, statuses=[dg.DagsterRunStatus.SUCCESS]))
    is_taken = landing.files == 0 or succeeded is not None
    behind = _behind(instance, lakehouse, source)
    if is_taken and not behind:
        return dg.SensorResult(skip_reason=dg.SkipReason(f"all {landing.files} files have been taken in"), cursor=cursor)
    state = hashlib.sha256(json.dumps([is_taken or landing.fingerprint, behind, _code(lakehouse, source)]).encode()).hexdigest()[:16]
    failed = dg.RunsFilter(job_name=increment_job_name(source), tags={STATE_TAG: state}, statuses=[dg.DagsterRunStatus.FAILURE])
    failures = instance.get_runs(failed)
    if len(failures) >= TRIES or any(FAULT_TAG in run.tags for run in failures):
        reason = f"run {failures[0].run_id} failed, and would again; launch {increment_job_name(source)} when what it says is mended"
        return dg.SensorResult(skip_reason=dg.SkipReason(reason), cursor=cursor)
    request = dg.RunRequest(run_key=f"{state}:{len(failures)}", tags={**tags, STATE_TAG: state})
    waiting = dg.AssetObservation(landing_key(source), metadata={"files": landing.files, "bytes": landing.bytes, "tables_behind": behind})
    return dg.SensorResult(run_requests=[request], asset_events=[waiting], cursor=cursor)


def _behind(instance: dg.DagsterInstance, lakehouse: Lakehouse, source: str) -> list[str]:
    """Tables with commits that Dagster does not know of: a run was killed between its commit and its events."""
    if any(instance.get_runs(dg.RunsFilter(tags={tag: "true"}, statuses=COMMITTING), limit=1) for tag in (RECOMPUTED_TAG, REFRESHES_TAG)):
        # A run logs its events some time after the commit, that of an asset when its step ends.
        return []
    found = []
    for name in (source, *lakehouse.project.downstream(source)):
        snapshot = lakehouse.snapshot(name)
        if snapshot is not None and not is_reported(instance, lakehouse, name, snapshot):
            found.append(f"{name}@{snapshot.version}")
    return found


def _code(lakehouse: Lakehouse, source: str) -> list[str]:
    """What a mended contract or query changes: then a state that failed is another."""
    return [lakehouse.project.tables[name].code_version for name in lakehouse.project.downstream(source)]


def _newest_run(instance: dg.DagsterInstance, source: str, runs: dg.RunsFilter) -> dg.DagsterRun | None:
    wanted = dg.RunsFilter(job_name=increment_job_name(source), tags=dict(runs.tags), statuses=list(runs.statuses))
    return next(iter(instance.get_runs(wanted, limit=1)), None)


def _statuses(lakehouse: Lakehouse, source: str) -> Iterator[tuple[LandedFile, os.stat_result]]:
    for file in landed_files(lakehouse.settings.landing, lakehouse.project.sources[source]):
        # A file may be moved away between the listing and this look at it; then it has not landed.
        with suppress(FileNotFoundError):
            yield file, file.path.stat()


def _landing(files: Sequence[_File]) -> Landing:
    listed = [(file.name, file.size_bytes, file.modified_seconds) for file in files]
    return Landing(len(files), sum(file.size_bytes for file in files), hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:16])
