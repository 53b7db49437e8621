"""Each rule of a contract as an asset check, and one that validates what was committed independently. Not here: how rules are judged (quality)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import dagster as dg

from lakehouse_platform.contracts.model import Severity
from lakehouse_platform.medallion.blocks import Block, waiting
from lakehouse_platform.medallion.history import records_backwards
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.record import CommitRecord
from lakehouse_platform.medallion.stale import is_stale
from lakehouse_platform.medallion.verification import VALIDATION, verify
from lakehouse_platform.orchestration.names import asset_key
from lakehouse_platform.quality.gate import Verdict
from lakehouse_platform.quality.reasons import BATCH_REJECTED, UNKNOWN_FIELDS
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.storage import mapped_columns

DECODING, GATE, CODE_VERSION = "decoding", "gate", "code_version"
# Counts of the single names, beside those of the records.
_NAMED = f"{UNKNOWN_FIELDS}."


@dataclass(frozen=True)
class Check:
    """A check of a table. `counted` are the rule ids by which a commit counts its failing rows; none where the committed table itself is judged.

    Only what judges the committed table blocks: a row that failed a row rule is in quarantine and not in the table.
    """

    name: str
    description: str
    severity: Severity = Severity.ERROR
    counted: tuple[str, ...] = ()

    @property
    def blocks(self) -> bool:
        """Whether a failure keeps what is downstream from running."""
        return self.severity is Severity.ERROR and not self.counted


@dataclass(frozen=True)
class Outcome:
    """How a check went."""

    check: Check
    passed: bool
    metadata: Mapping[str, Any] = field(default_factory=dict)


def checks_of(table: Table) -> tuple[Check, ...]:
    """All checks of a table, in the order of its contract."""
    rules = [
        # Silver's rows are judged before they are committed; gold's once they are.
        Check(rule.id, rule.description or f"no row where {rule.failing}", rule.severity, (rule.id,) if table.layer == "silver" else ())
        for rule in table.contract.row_rules
    ]
    whole = [Check(rule.id, rule.description or rule.query, rule.severity) for rule in table.contract.table_rules]
    references = [
        Check(reference.id, f"{', '.join(reference.columns)} stand in {reference.table}", reference.severity)
        for reference in table.contract.references
    ]
    validation = Check(VALIDATION, "the committed partitions satisfy the contract, judged by a pandera schema derived from it")
    code = Check(CODE_VERSION, "every row was made by the present contract and query; `lakehouse rebuild` mends it", Severity.WARNING)
    return (*_column_checks(table), *rules, *whole, *references, validation, code)


def check_specs(table: Table) -> list[dg.AssetCheckSpec]:
    """The checks as Dagster's specs."""
    return [
        dg.AssetCheckSpec(check.name, asset=asset_key(table.name), description=check.description, blocking=check.blocks) for check in checks_of(table)
    ]


def counted_outcomes(table: Table, record: CommitRecord) -> Iterator[Outcome]:
    """The row rules by the counts in a commit."""
    counted = {rule for check in checks_of(table) for rule in check.counted}
    for check in checks_of(table):
        if not check.counted:
            continue
        failing = {rule: count for rule, count in record.rules.items() if rule in check.counted}
        if check.name == GATE:
            yield from _gate_outcome(check, record)
            continue
        if check.name == DECODING:
            failing |= {rule: count for rule, count in record.rules.items() if rule not in counted and not rule.startswith(_NAMED)}
        metadata: dict[str, Any] = {"failing_rows": sum(failing.values()), "step": record.step, "batch_id": record.batch_id}
        if record.accounts is not None:
            metadata["rows_read"] = record.accounts.read
        if len(failing) > 1:
            metadata |= {f"failing_rows {rule}": count for rule, count in failing.items()}
        if check.name == UNKNOWN_FIELDS:
            metadata |= {f"failing_rows {rule}": count for rule, count in record.rules.items() if rule.startswith(_NAMED)}
        # A replay books differences: rows that are taken out of quarantine fail no more.
        yield Outcome(check, not any(count > 0 for count in failing.values()), metadata)


def gate_outcome(lakehouse: Lakehouse, table: Table) -> Outcome:
    """How a silver table stands to its gate: the batch that it waits on, or else the last that was judged or settled."""
    with lakehouse.session() as session:
        block = waiting(lakehouse, session, table.name, lakehouse.snapshot(table.name))
    if block is not None:
        return blocked_outcome(block)
    check = next(check for check in checks_of(table) if check.name == GATE)
    found = (outcome for record in records_backwards(lakehouse, table.name) for outcome in _gate_outcome(check, record))
    return next(found, Outcome(check, passed=True, metadata={"failing_rows": 0}))


def blocked_outcome(block: Block) -> Outcome:
    """The gate of a table that waits on a batch. Nothing of that is in a commit: whoever finds the block tells of it."""
    batch = block.decision
    metadata = {
        "blocked_since": block.since.isoformat(timespec="seconds"),
        "batch_id": batch.batch_id,
        "rows_read": batch.read,
        "failing_rows": batch.rejected,
        "why": block.text,
        **({} if batch.share is None else {"share": batch.share}),
    }
    return Outcome(Check(GATE, batch.reason), passed=False, metadata=metadata)


def committed_outcomes(lakehouse: Lakehouse, table: Table, partitions: Collection[str] | None) -> Iterator[Outcome]:
    """The rules that judge the committed table, and the validation of the partitions that were touched (None: the whole table)."""
    by_name = {check.name: check for check in checks_of(table)}
    for verdict in verify(lakehouse, table, partitions):
        yield Outcome(by_name[verdict.rule], verdict.passed, verdict.measured)
    yield Outcome(by_name[CODE_VERSION], not is_stale(lakehouse, table), {"code_version": table.code_version})


def check_result(table: str, outcome: Outcome) -> dg.AssetCheckResult:
    """An outcome within an asset's run."""
    return dg.AssetCheckResult(
        passed=outcome.passed,
        asset_key=asset_key(table),
        check_name=outcome.check.name,
        metadata=dict(outcome.metadata),
        severity=_severity(outcome.check),
    )


def check_evaluation(table: str, outcome: Outcome) -> dg.AssetCheckEvaluation:
    """An outcome outside an asset's run, as an event of its own."""
    return dg.AssetCheckEvaluation(
        asset_key=asset_key(table),
        check_name=outcome.check.name,
        passed=outcome.passed,
        metadata=dict(outcome.metadata),
        severity=_severity(outcome.check),
    )


def _gate_outcome(check: Check, record: CommitRecord) -> Iterator[Outcome]:
    """How a commit's batch passed its gate; nothing for what no gate judges, such as a rebuild."""
    if record.gate is None and record.ruling is None:
        return
    metadata: dict[str, Any] = {"step": record.step, "batch_id": record.batch_id, "failing_rows": record.rules.get(BATCH_REJECTED, 0)}
    if record.pass_rate is not None:
        metadata["share"] = record.pass_rate
    if record.ruling is not None:
        metadata |= {record.ruling.state: record.ruling.reason, "blocked_batch_id": record.ruling.batch_id}
        yield Outcome(check, record.ruling.state == "released", metadata)
    else:
        yield Outcome(replace(check, severity=Severity.WARNING), record.gate is Verdict.PASS, metadata)


def _column_checks(table: Table) -> Iterator[Check]:
    if table.layer != "silver":
        # Gold's types are held against its contract when it loads, its nulls and keys by the validation.
        return
    yield Check(DECODING, "every record could be decoded, and was in time", counted=(DECODING,))
    yield Check(GATE, _gate_text(table), counted=(BATCH_REJECTED,))
    if table.attributes.unknown_fields != "ignore":
        severity = Severity.WARNING if table.attributes.unknown_fields == "warn" else Severity.ERROR
        yield Check(UNKNOWN_FIELDS, "no record holds fields that neither the query reads nor known_fields names", severity, (UNKNOWN_FIELDS,))
    for column in mapped_columns(table):
        yield Check(f"{column.name}_type", f"every value is {column.type}", counted=(f"{column.name}_type", f"{column.name}_expression"))
        if column.required:
            yield Check(f"{column.name}_required", "every row has a value", counted=(f"{column.name}_required",))


def _gate_text(table: Table) -> str:
    limits = table.attributes.gate_limits
    if limits is None:
        return "no batch was rejected; the share of valid rows is not judged"
    blocks = f", below {limits.block_share:.0%} it is blocked until a person decides" if limits.block_share > 0 else ""
    return f"at least {limits.pass_share:.0%} of a batch's rows are valid{blocks}; a batch of fewer than {limits.minimum_rows:,} rows passes"


def _severity(check: Check) -> dg.AssetCheckSeverity:
    return dg.AssetCheckSeverity.ERROR if check.severity is Severity.ERROR else dg.AssetCheckSeverity.WARN
