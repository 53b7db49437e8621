"""The commit of a replay: what becomes of the records in `bronze_rows`, whose rows in quarantine are in table `chosen`. Not here: choosing them."""

from __future__ import annotations

from collections.abc import Mapping

from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.engine.spelling import quote
from lakehouse_platform.medallion.contested import with_partition
from lakehouse_platform.medallion.events import PLACE, current_rows, event_fields, refuse_other_events
from lakehouse_platform.medallion.keys import plan_keyed
from lakehouse_platform.medallion.lookups import count_misses
from lakehouse_platform.medallion.planned import Planned
from lakehouse_platform.medallion.record import CommitRecord
from lakehouse_platform.medallion.silver_batch import SilverBatch, SilverRun
from lakehouse_platform.medallion.silver_changes import JUDGED, collect_events, count_events, know_events, rule_counts
from lakehouse_platform.medallion.silver_write import TURNED_AWAY, write_batch
from lakehouse_platform.quality.accounts import Accounts
from lakehouse_platform.quality.reasons import UNKNOWN_FIELDS
from lakehouse_platform.tables.storage import stored_fields
from lakehouse_platform.writes.keyed import KeyedRows, files_with_keys, having_keys


def plan_rows(run: SilverRun, batch: SilverBatch, *, records_gone: int) -> tuple[Planned, str]:
    """The commit for a table of rows, and SQL of those that still fail: valid ones are settled against the table like an increment's."""
    session = run.session
    (read,) = session.row("SELECT count(*) FROM bronze_rows")
    counted = write_batch(run, batch, live=run.target.files, read=read)
    record = _record(run, counted.accounts, counted.rules, records_gone)
    planned = Planned(run.table, run.target, record, counted.added, counted.removed, read=counted.removed)
    misses = count_misses(session, batch.query.lookups, batch.lookup_rows("bronze_rows"))
    return planned.filled(notes={**record.notes, **({"lookup_misses": dict(misses)} if misses else {})}), TURNED_AWAY


def plan_events(run: SilverRun, batch: SilverBatch, *, records_gone: int) -> tuple[Planned, str]:
    """The commit for a table of change events. The set of events gets the new ones after it: until it is there, they are no events of the table."""
    session, table, key = run.session, run.table, run.table.contract.key
    session.table("judged_events", batch.judged("bronze_rows"))
    collect_events(session, batch)
    changes = run.events
    refuse_other_events(table, changes)
    know_events(session, changes)
    session.table("event_keys", f"SELECT DISTINCT {', '.join(quote(name) for name in key)} FROM batch_events")
    names = ", ".join(quote(field.name) for field in event_fields(table))
    stored = snapshot_scan(changes, files_with_keys(session, changes, key, "event_keys"))
    earliest = f"row_number() OVER (PARTITION BY _event_hash ORDER BY {', '.join(PLACE)}) = 1"
    events = f"SELECT * FROM (SELECT {names} FROM ({stored}) UNION ALL SELECT {names} FROM batch_events) QUALIFY {earliest}"
    rows = with_partition(batch, current_rows(having_keys(f"({events})", key, "event_keys"), key))
    outputs = ", ".join(quote(field.name) for field in stored_fields(table))
    wanted = KeyedRows(key, "SELECT * FROM event_keys", f"SELECT {outputs} FROM ({rows})")
    record = _record(run, count_events(session), rule_counts(session, batch), records_gone)
    return plan_keyed(session, table, run.target, wanted, record=record, transactions={}), JUDGED


def _record(run: SilverRun, accounts: Accounts, rules: Mapping[str, int], records_gone: int) -> CommitRecord:
    """Nothing is read anew: the rows leave the end that they had, and come to another. So do the counts of the rules that they failed."""
    session = run.session
    taken, rejected, late = session.row(
        "SELECT count(*), count(*) FILTER (WHERE outcome = 'rejected'), count(*) FILTER (WHERE outcome = 'late') FROM chosen"
    )
    return CommitRecord(
        table=run.table.name,
        step="replay",
        run_id=run.run_id,
        batch_id=run.batch_id,
        code_version=run.table.code_version,
        accounts=accounts - Accounts(read=accounts.read, rejected=rejected, late=late),
        pass_rate=accounts.pass_rate,
        rules=_rules(session, rules),
        notes={"replayed": taken, **({"records_gone": records_gone} if records_gone else {})},
    )


def _rules(session: Session, rules: Mapping[str, int]) -> dict[str, int]:
    before = dict(session.rows("SELECT rule, count(*) FROM (SELECT unnest(reasons).rule AS rule FROM chosen) GROUP BY ALL"))
    # Fields that are only warned of were counted when the record was first read, whatever became of it.
    now = {rule: count for rule, count in rules.items() if not rule.startswith(UNKNOWN_FIELDS)}
    return {rule: now.get(rule, 0) - int(before.get(rule, 0)) for rule in (now | before)}
