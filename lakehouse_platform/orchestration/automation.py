"""When a table is refreshed by itself, as its attribute `automation` says: in which runs, on a schedule, after inputs were materialised by hand.

Not here: the runs themselves (jobs.py), and the sensors that start them (sensors.py).
"""

from __future__ import annotations

from typing import Any

import dagster as dg

from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.waiting import rows_waiting
from lakehouse_platform.orchestration.names import DAILY_JOB, asset_key, refresh_job_name
from lakehouse_platform.orchestration.partitions import follows_time
from lakehouse_platform.tables.attributes import AfterRows, Cron
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.project import Project

# Asset runs give themselves this tag. Automation follows them alone: an increment carries its changes through everything
# downstream itself, also while it still runs. (Leaving out the runs of increments instead does not work: an event that is
# stored while a tick evaluates counts as an update before its run's tags are seen.)
RECOMPUTED_TAG = "lakehouse/recomputed"


# At an hour at which most days' files are there and few people wait.
DAILY_CRON = "0 3 * * *"


def why_passed_over(lakehouse: Lakehouse, table: Table) -> str | None:
    """Why a run that is not for this table by name leaves it as it is; None where it is its turn. Its next refresh takes all since its cursor."""
    match table.attributes.automation:
        case Cron(cron=cron, timezone=timezone):
            return f"its schedule refreshes it, {cron} {timezone}"
        case AfterRows(after_rows=wanted):
            waiting = rows_waiting(lakehouse, table)
            return None if waiting is None or waiting >= wanted else f"{waiting:,} rows wait, and it is refreshed after {wanted:,}"
        case "manual":
            return f"it is manual, `lakehouse materialize {table.name}` refreshes it"
        case "on_change":
            return None


def schedules(project: Project) -> list[dg.ScheduleDefinition]:
    """The daily job's schedule, and one of each table that has times of its own. They run from the start."""
    daily = dg.ScheduleDefinition(
        name=DAILY_JOB, job_name=DAILY_JOB, cron_schedule=DAILY_CRON, execution_timezone="UTC", default_status=dg.DefaultScheduleStatus.RUNNING
    )
    timed = [(refresh_job_name(name), table.attributes.automation) for name, table in project.tables.items()]
    return [
        daily,
        *(
            dg.ScheduleDefinition(
                name=job, job_name=job, cron_schedule=times.cron, execution_timezone=times.timezone, default_status=dg.DefaultScheduleStatus.RUNNING
            )
            for job, times in timed
            if isinstance(times, Cron)
        ),
    ]


def automation_condition(project: Project, table: Table) -> dg.AutomationCondition[Any] | None:
    """Follow the inputs' partitions, old ones too; None for silver, which follows bronze by increments alone, and for what is not on change.

    `eager()` looks at the latest partition only and wants no partition of an input missing, which would keep back late days and
    every dimension; and a dimension's update must not ask for every day of its facts (their increment finds the days that change).
    """
    if table.attributes.automation != "on_change":
        return None
    if not table.inputs:
        # Not `on_missing()`, which leaves out what was missing when the condition is first looked at.
        wanted = dg.AutomationCondition.missing() | dg.AutomationCondition.code_version_changed()
        idle = ~dg.AutomationCondition.in_progress() & ~dg.AutomationCondition.execution_failed()
        return (wanted & idle).with_label("missing_or_changed")
    inputs = [project.tables[name] for name in table.inputs if name in project.tables]
    if table.layer != "gold":
        return None
    is_daily = table.partition_column is not None and any(follows_time(table, each) for each in inputs)
    followed = [each.name for each in inputs if not is_daily or follows_time(table, each)]
    updated = dg.AutomationCondition.any_deps_match(
        (
            dg.AutomationCondition.newly_updated()
            & dg.AutomationCondition.any_new_update_has_run_tags(tag_keys={RECOMPUTED_TAG})
            & ~dg.AutomationCondition.executed_with_root_target()
        )
        | dg.AutomationCondition.will_be_requested()
    ).allow(dg.AssetSelection.assets(*(asset_key(name) for name in followed)))
    return (
        updated.with_label("input_materialised_by_hand").since_last_handled()
        & ~dg.AutomationCondition.any_deps_in_progress()
        & ~dg.AutomationCondition.in_progress()
        & dg.AutomationCondition.all_deps_blocking_checks_passed()
    ).with_label("follow_inputs")


def automation_sensor() -> dg.AutomationConditionSensorDefinition:
    """The sensor that acts on the conditions; Dagster's own starts stopped."""
    return dg.AutomationConditionSensorDefinition(
        "automation", target=dg.AssetSelection.all(), default_status=dg.DefaultSensorStatus.RUNNING, minimum_interval_seconds=15
    )
