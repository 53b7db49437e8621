"""All row rules of a contract as one SQL pass: decoded source fields in; typed columns, an outcome and every reason out.

Not here: decoding (ingest), the single conditions (reasons.py), what becomes of the rows (medallion).
"""

from __future__ import annotations

from collections.abc import Sequence

from lakehouse_platform.contracts.model import Column
from lakehouse_platform.contracts.types import STRING
from lakehouse_platform.engine.rows import RowQuery
from lakehouse_platform.engine.spelling import literal, quote
from lakehouse_platform.engine.typing import typed
from lakehouse_platform.quality.reasons import Judge, batch_rejected, conditions, failing, late, reasons


def judged(judge: Judge, decoded: str) -> str:
    """SQL that judges each row of a decoded relation.

    Gives the query's columns typed by the contract, `processed_timestamp`, `data_quality_score`, the carried columns,
    `_outcome` (valid, rejected, late, filtered) and `_reasons`. Only what a reader selects is computed.
    """
    columns = ", ".join(quote(name) for name in [*(column.name for column in judge.columns), *judge.carried])
    return (
        f"SELECT {columns}, TIMESTAMPTZ {literal(judge.processed_timestamp)} AS processed_timestamp, {_score(judge)} AS data_quality_score, "
        f"{_outcome(judge)} AS _outcome, {reasons(judge)} AS _reasons FROM ({typed_rows(judge, decoded)})"
    )


def mapped(query: RowQuery, columns: Sequence[Column]) -> str:
    """SQL of a select list: each output `_m_<column>` as the query gives it, wrapped in a struct where its expression can fail."""
    parts = [f"{_guarded(query.outputs[column.name], can_fail=column.name in query.can_fail)} AS {quote(f'_m_{column.name}')}" for column in columns]
    if query.where is not None:
        parts.append(f"{_guarded(query.where, can_fail=query.where_can_fail)} AS _m_where")
    return ", ".join(parts)


def typed_rows(judge: Judge, decoded: str) -> str:
    """SQL of typed columns, beside what each was given as (`_g_`), how a null came to be (`_k_`) and whether its expression failed (`_f_`)."""
    outer, inner = ["_decode_failure", "_decode_error", *judge.carried], ["_decode_failure", "_decode_error", mapped(judge.query, judge.columns)]
    inner += [f"{expression} AS {quote(name)}" for name, expression in judge.carried.items()]
    for column in judge.columns:
        name, mapped_name = column.name, quote(f"_m_{column.name}")
        given = f"{mapped_name}.v" if name in judge.query.can_fail else mapped_name
        if column.empty_as_null and judge.given_types[name] == STRING:
            given = f"NULLIF({given}, '')"
        inner.append(f"{judge.missing_kinds.get(name, literal('null'))} AS {quote(f'_k_{name}')}")
        inner.append(f"{judge.decimal_texts.get(name, 'NULL')} AS {quote(f'_t_{name}')}")
        outer.append(f"{quote(f'_t_{name}') if name in judge.decimal_texts else given} AS {quote(f'_g_{name}')}")
        outer += [f"{typed(given, judge.given_types[name], column)} AS {quote(name)}", quote(f"_k_{name}")]
        if name in judge.query.can_fail:
            outer.append(f"{mapped_name} IS NULL AS {quote(f'_f_{name}')}")
    if judge.query.where is not None:
        outer.append("_m_where.v AS _where, _m_where IS NULL AS _where_failed" if judge.query.where_can_fail else "_m_where AS _where")
    return f"SELECT {', '.join(outer)} FROM (SELECT {', '.join(inner)} FROM ({decoded}))"


def warning_counts(judge: Judge, relation: str) -> str:
    """SQL that counts, over rows of the table, how many fail each warning rule: one row with a column a rule."""
    counts = ", ".join(f"count(*) FILTER (WHERE {failing(judge, rule)}) AS {quote(rule.id)}" for rule in judge.contract.warning_rules)
    return f"SELECT {counts} FROM {relation}"


def _outcome(judge: Judge) -> str:
    broken = "_decode_failure IS NOT NULL" + (" OR _where_failed" if judge.query.where_can_fail else "")
    kept = "TRUE" if judge.query.where is None else "coalesce(_where, FALSE)"
    fails = " OR ".join(f"({condition.fails})" for condition in conditions(judge)) or "FALSE"
    bound, turned_away = late(judge), batch_rejected(judge)
    # random() keeps the optimiser from pushing a filter on the outcome below the typing, which would then be computed twice.
    return (
        f"CASE WHEN {broken} THEN 'rejected' WHEN NOT {kept} THEN 'filtered' WHEN {fails} THEN 'rejected' "
        f"WHEN {bound.fails if bound else 'FALSE'} THEN 'late' WHEN {turned_away.fails if turned_away else 'FALSE'} THEN 'rejected' "
        "WHEN random() < 0 THEN NULL ELSE 'valid' END"
    )


def _score(judge: Judge) -> str:
    warnings = judge.contract.warning_rules
    if not warnings:
        return "1.0::DOUBLE"
    failed = " + ".join(f"CAST({failing(judge, rule)} AS INTEGER)" for rule in warnings)
    return f"1.0::DOUBLE - CAST({failed} AS DOUBLE) / {judge.checks}::DOUBLE"


def _guarded(expression: str, *, can_fail: bool) -> str:
    return f"TRY(struct_pack(v := {expression}))" if can_fail else f"({expression})"
