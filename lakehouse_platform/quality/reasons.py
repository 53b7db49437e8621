"""Why a row is turned away: each condition of a contract as SQL, with the reason it gives. Not here: typing, or outcomes (judging.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lakehouse_platform.contracts.model import Column, Contract, RowRule
from lakehouse_platform.contracts.types import STRING, ColumnType, array, struct
from lakehouse_platform.engine.rows import RowQuery
from lakehouse_platform.engine.spelling import literal, quote
from lakehouse_platform.engine.transpile import failing_condition

REASON = struct(field=STRING, rule=STRING, message=STRING, source_text=STRING)
REASONS = array(REASON)
BATCH_REJECTED = "batch_rejected"
UNKNOWN_FIELDS = "unknown_fields"


@dataclass(frozen=True)
class Judge:
    """What judging one batch needs. `columns` are those that the query gives; `given_types` the types it gives them.

    `carried` are further columns to keep, by name, as SQL over the decoded row. `delete_operation` names one that is 'd' on deletes: of
    those only the key is judged. Over the decoded row too, `missing_kinds` tells how a null came to be, `decimal_texts` a decimal's text.
    `rejected_batches` maps the ids of bronze batches that a person rejected as a whole to why; with any, `_batch_id` must be carried.
    With `rejects_unknown_fields`, `_unknown_fields` must be.
    """

    contract: Contract
    query: RowQuery
    columns: tuple[Column, ...]
    given_types: Mapping[str, ColumnType]
    processed_timestamp: str
    carried: Mapping[str, str]
    event_time: str | None = None
    lateness_seconds: int | None = None
    delete_operation: str | None = None
    missing_kinds: Mapping[str, str] = field(default_factory=dict)
    decimal_texts: Mapping[str, str] = field(default_factory=dict)
    rejected_batches: Mapping[str, str] = field(default_factory=dict)
    rejects_unknown_fields: bool = False

    @property
    def checks(self) -> int:
        """How many checks each row must pass: required columns and row rules. The score is the share that it passed."""
        return sum(column.required for column in self.columns) + len(self.contract.row_rules)


@dataclass(frozen=True)
class Condition:
    """A reason to turn a row away; all but `rule` is SQL. `fails` holds on such a row, `rule` is the id that counts are kept by."""

    fails: str
    rule: str
    field: str
    message: str
    source_text: str = "NULL::VARCHAR"

    @property
    def reason(self) -> str:
        """SQL of the reason: a struct where the row fails, else null."""
        parts = f"field := {self.field}, rule := {literal(self.rule)}, message := {self.message}, source_text := {self.source_text}"
        return f"CASE WHEN {self.fails} THEN struct_pack({parts}) END"


def rule_ids(judge: Judge) -> tuple[str, ...]:
    """Every rule that rows are counted by: conditions that reject, and rules that warn."""
    found = [*conditions(judge), *([turned_away] if (turned_away := batch_rejected(judge)) is not None else [])]
    return (*(condition.rule for condition in found), *(rule.id for rule in judge.contract.warning_rules))


def conditions(judge: Judge) -> list[Condition]:
    """Every condition that rejects a decoded row."""
    found = [condition for column in judge.columns for condition in _column_conditions(judge, column)]
    found += [_rule_condition(judge, rule) for rule in judge.contract.error_rules]
    if judge.rejects_unknown_fields:
        message = "('holds fields that nobody knows: ' || array_to_string(_unknown_fields, ', '))"
        found.append(Condition("coalesce(len(_unknown_fields) > 0, FALSE)", UNKNOWN_FIELDS, "NULL::VARCHAR", message))
    return found


def failing(judge: Judge, rule: RowRule) -> str:
    """TRUE where a rule fails on a row, or cannot be judged because its own expression fails."""
    condition = failing_condition(rule.failing, {column.name: column.type for column in judge.contract.columns})
    return condition if judge.delete_operation is None else f"({judge.delete_operation} <> 'd' AND {condition})"


def late(judge: Judge) -> Condition | None:
    """The condition of a row that arrived too late; None where the table sets no bound."""
    if judge.lateness_seconds is None or judge.event_time is None:
        return None
    column = quote(judge.event_time)
    fails = f"coalesce(epoch_us(_ingestion_timestamp) - epoch_us({column}) > {judge.lateness_seconds * 1_000_000}, FALSE)"
    message = literal(f"arrived more than {judge.lateness_seconds} s after its {judge.event_time}")
    return Condition(fails, "late", literal(judge.event_time), message, f"CAST({column} AS VARCHAR)")


def batch_rejected(judge: Judge) -> Condition | None:
    """The condition of a row whose whole batch a person rejected; None where there is no such batch. It counts only where nothing else does."""
    if not judge.rejected_batches:
        return None
    batches = ", ".join(literal(batch) for batch in judge.rejected_batches)
    whys = " ".join(f"WHEN {literal(batch)} THEN {literal(why)}" for batch, why in judge.rejected_batches.items())
    message = f"('its batch was rejected: ' || CASE _batch_id {whys} END)"
    return Condition(f"coalesce(_batch_id IN ({batches}), FALSE)", BATCH_REJECTED, "NULL::VARCHAR", message)


def reasons(judge: Judge) -> str:
    """SQL of all reasons of a row, as a list."""
    undecoded = "struct_pack(field := NULL::VARCHAR, rule := _decode_failure, message := _decode_error, source_text := NULL::VARCHAR)"
    found: Sequence[Condition] = conditions(judge)
    if judge.query.where_can_fail:
        found = [Condition("_where_failed", "where", "NULL::VARCHAR", literal("the query's WHERE or ON fails on this row")), *found]
    if (bound := late(judge)) is not None:
        found = [*found, bound]
    decoded = f"list_filter([{', '.join(condition.reason for condition in found)}], lambda reason: reason IS NOT NULL)"
    if (turned_away := batch_rejected(judge)) is not None:
        # Through a lambda, so that the conditions are computed once.
        instead = f"CASE WHEN len(found) = 0 AND {turned_away.fails} THEN [{turned_away.reason}] ELSE found END"
        decoded = f"list_transform([{decoded}], lambda found: {instead})[1]"
    return f"CASE WHEN _decode_failure IS NOT NULL THEN [{undecoded}] ELSE {decoded} END"


def _column_conditions(judge: Judge, column: Column) -> list[Condition]:
    name, given, field_name = quote(column.name), quote(f"_g_{column.name}"), literal(column.name)
    upserts = "" if column.key_position is not None or judge.delete_operation is None else f"{judge.delete_operation} <> 'd' AND "
    found, failed = [], "FALSE"
    if column.name in judge.query.can_fail:
        failed = quote(f"_f_{column.name}")
        message = literal(f"the query's expression fails on this row: {judge.query.texts[column.name]}")
        found.append(Condition(f"{upserts}{failed}", f"{column.name}_expression", field_name, message))
    misfit = f"{upserts}{given} IS NOT NULL AND {name} IS NULL"
    found.append(Condition(misfit, f"{column.name}_type", field_name, literal(f"is no {column.type} as it stands"), f"CAST({given} AS VARCHAR)"))
    if column.required:
        absent = f"{upserts}{given} IS NULL AND NOT {failed}"
        found.append(Condition(absent, f"{column.name}_required", field_name, f"('is required and ' || {quote(f'_k_{column.name}')})"))
    return found


def _rule_condition(judge: Judge, rule: RowRule) -> Condition:
    named = f"CAST({quote(rule.column)} AS VARCHAR)" if rule.column else "NULL::VARCHAR"
    message = rule.description or f"fails the rule: {rule.failing}"
    return Condition(failing(judge, rule), rule.id, literal(rule.column) if rule.column else "NULL::VARCHAR", literal(message), named)
