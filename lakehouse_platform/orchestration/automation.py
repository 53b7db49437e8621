"""When Dagster materialises a table by itself: after its inputs were materialised by hand. Not here: increments, which carry themselves (jobs.py)."""

from __future__ import annotations

from typing import Any

import dagster as dg

from lakehouse_platform.orchestration.names import asset_key
from lakehouse_platform.orchestration.partitions import follows_time
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.project import Project

# Asset runs give themselves this tag. Automation follows them alone: an increment carries its changes through everything
# downstream itself, also while it still runs. (Leaving out the runs of increments instead does not work: an event that is
# stored while a tick evaluates counts as an update before its run's tags are seen.)
RECOMPUTED_TAG = "lakehouse/recomputed"


def automation_condition(project: Project, table: Table) -> dg.AutomationCondition[Any] | None:
    """Follow the inputs' partitions, old ones too; None for silver, which follows bronze by increments alone.

    `eager()` looks at the latest partition only and wants no partition of an input missing, which would keep back late days and
    every dimension; and a dimension's update must not ask for every day of its facts (their increment finds the days that change).
    """
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
