"""Functions of arrays, maps and structs, with lambdas where Spark has them, and explode."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from sqlglot import exp

from lakehouse_platform.contracts.types import BIGINT, BOOLEAN, DATE, INT, STRING, TIMESTAMP, ColumnType, array
from lakehouse_platform.engine.casts import common_type
from lakehouse_platform.engine.functions.call import Call, FunctionRule
from lakehouse_platform.engine.functions.text import map_of_json
from lakehouse_platform.engine.operators import cast_to, unify
from lakehouse_platform.engine.spelling import duckdb_type, literal, quote
from lakehouse_platform.engine.terms import INTERVALS, MONTHS, VOID, Term, failing

_JSON_BLANKS = " \t\n\r"


def _of(called: Call, index: int, name: str) -> Term:
    term = called.term(index)
    if term.type.name != name:
        called.refuse(f"argument {index + 1} of {called.name} is a {term.type}", f"give it {'an' if name == 'array' else 'a'} {name}")
    return term


def _body(called: Call, index: int, *types: ColumnType, of: tuple[str, ...] = ()) -> tuple[str, Term]:
    """A lambda's parameters as DuckDB spells them, and its body. `of`: DuckDB text that each parameter stands for, instead."""
    node = called.arguments[index]
    if not isinstance(node, exp.Lambda) or len(node.expressions) > len(types):
        called.refuse(f"argument {index + 1} of {called.name} is no lambda of {len(types)} values", "write it as (x) -> …")
    names = [parameter.name for parameter in node.expressions]
    spelt = of or tuple(quote(name) for name in names)
    parameters = {name.lower(): Term(sql, kind) for name, sql, kind in zip(names, spelt, types, strict=False)}
    return ", ".join(quote(name) for name in names), called.context.with_parameters(parameters).plain(node.this)


def _array(called: Call) -> Term:
    terms = called.unified()
    item = terms[0].type if terms else VOID
    if item == VOID:
        called.refuse("an array of nothing has no type", "CAST an element")
    return Term(f"[{', '.join(term.sql for term in terms)}]", array(item), any(term.can_fail for term in terms))


def _map(called: Call) -> Term:
    if not called.arguments or len(called.arguments) % 2:
        called.refuse("map has a key without a value, or nothing", "give it keys and values in turn")
    terms = called.terms()
    keys, values = unify(called.context, called.node, terms[::2]), unify(called.context, called.node, terms[1::2])
    kind = ColumnType("map", items=(keys[0].type, values[0].type))
    listed = [", ".join(term.sql for term in side) for side in (keys, values)]
    return Term(f"CAST(MAP([{listed[0]}], [{listed[1]}]) AS {duckdb_type(kind)})", kind, True)


def _struct(called: Call) -> Term:
    if called.name == "named_struct":
        names = [str(called.constant(index)) for index in range(0, len(called.arguments), 2)]
        terms = [called.term(index) for index in range(1, len(called.arguments), 2)]
    else:
        named = [argument.alias_or_name if isinstance(argument, exp.Alias | exp.Column) else "" for argument in called.arguments]
        names = [name or f"col{index}" for index, name in enumerate(named, start=1)]
        terms = [called.context.plain(argument.unalias()) for argument in called.arguments]
    kind = ColumnType("struct", items=tuple(term.type for term in terms), names=tuple(names))
    packed = ", ".join(f"{quote(name)} := {term.sql}" for name, term in zip(names, terms, strict=True))
    return Term(f"struct_pack({packed})", kind, any(term.can_fail for term in terms))


def _size(called: Call) -> Term:
    called.expect(1)
    term = called.term(0)
    if term.type.name not in ("array", "map"):
        called.refuse(f"{called.name} of a {term.type}", "give it an array or a map")
    name = "len" if term.type.name == "array" else "cardinality"
    return Term(f"CAST({name}({term.sql}) AS INTEGER)", INT, term.can_fail)


def _element_at(called: Call) -> Term:
    """element_at counts from 1, or from -1 at the end; get counts from 0 and gives null outside."""
    called.expect(2)
    holder = called.term(0)
    if holder.type.name == "map" and called.name != "get":
        key = called.term(1, holder.type.items[0])
        return Term(f"{holder.sql}[{key.sql}]", holder.type.items[1], holder.can_fail or key.can_fail)
    _of(called, 0, "array")
    index, item = called.term(1, INT), holder.type.items[0]
    can_fail = holder.can_fail or index.can_fail
    if called.name == "get":
        position = f"CASE WHEN {index.sql} >= 0 THEN {index.sql} + 1 END"
        return Term(f"{holder.sql}[{position}]", item, can_fail)
    outside = "NULL" if called.name == "try_element_at" else failing("array index out of bounds")
    wrong = f"WHEN {index.sql} = 0 THEN {failing('array index 0')} WHEN abs({index.sql}) > len({holder.sql}) THEN {outside}"
    return Term(f"{holder.sql}[CASE {wrong} ELSE {index.sql} END]", item, True)


def _map_part(called: Call) -> Term:
    called.expect(1)
    term = _of(called, 0, "map")
    key, value = term.type.items
    entry = ColumnType("struct", items=(key, value), names=("key", "value"))
    kind = array({"map_keys": key, "map_values": value, "map_entries": entry}[called.name])
    return Term(f"{called.name}({term.sql})", kind, term.can_fail)


def _map_filter(called: Call) -> Term:
    called.expect(2)
    if (without := _json_without_keys(called)) is not None:
        return without
    term = _of(called, 0, "map")
    entry = quote("entry")
    _, body = _body(called, 1, *term.type.items, of=(f"{entry}.key", f"{entry}.value"))
    kept = f"list_filter(map_entries({term.sql}), lambda {entry}: {body.sql})"
    return Term(f"map_from_entries({kept})", term.type, term.can_fail or body.can_fail)


def _json_without_keys(called: Call) -> Term | None:
    """`map_filter(from_json(text, 'MAP<STRING,STRING>'), (k, v) -> k NOT IN ('a', 'b'))`, read at half the cost.

    A JSON merge patch of nulls takes the keys away before the map is built: building maps is what costs. It makes an object of any value,
    so only objects pass.
    """
    decoded, kept = called.arguments
    body = kept.this if isinstance(kept, exp.Lambda) and len(kept.expressions) == 2 else None
    unwanted = body.this if isinstance(body, exp.Not) else None
    if not (isinstance(decoded, exp.Anonymous) and decoded.name.lower() == "from_json" and isinstance(unwanted, exp.In)):
        return None
    items = unwanted.expressions
    if unwanted.this.name != kept.expressions[0].name or not items or not all(isinstance(item, exp.Literal) and item.is_string for item in items):
        return None
    text = Call(called.context, decoded, "from_json", decoded.expressions).term(0, STRING)
    patch = literal(json.dumps(dict.fromkeys(item.name for item in items)))
    patched = f"CASE WHEN ltrim({text.sql}, {literal(_JSON_BLANKS)}) LIKE '{{%' THEN json_merge_patch({text.sql}, {patch}) END"
    return replace(called.context.plain(decoded), sql=map_of_json(patched))


def _transform_values(called: Call) -> Term:
    called.expect(2)
    term = _of(called, 0, "map")
    entry = quote("entry")
    _, body = _body(called, 1, *term.type.items, of=(f"{entry}.key", f"{entry}.value"))
    kind = ColumnType("map", items=(term.type.items[0], body.type))
    pairs = f"list_transform(map_entries({term.sql}), lambda {entry}: struct_pack(key := {entry}.key, value := {body.sql}))"
    return Term(f"map_from_entries({pairs})", kind, term.can_fail or body.can_fail)


def _map_from_entries(called: Call) -> Term:
    called.expect(1)
    term = _of(called, 0, "array")
    if len(term.type.items[0].items) != 2:
        called.refuse("map_from_entries of entries without key and value", "give it an array of structs of two fields")
    return Term(f"map_from_entries({term.sql})", ColumnType("map", items=term.type.items[0].items), True)


def _map_from_arrays(called: Call) -> Term:
    called.expect(2)
    keys, values = _of(called, 0, "array"), _of(called, 1, "array")
    kind = ColumnType("map", items=(keys.type.items[0], values.type.items[0]))
    return Term(f"MAP({keys.sql}, {values.sql})", kind, True)


def _map_contains_key(called: Call) -> Term:
    called.expect(2)
    term = _of(called, 0, "map")
    key = called.term(1, term.type.items[0])
    return Term(f"map_contains({term.sql}, {key.sql})", BOOLEAN, term.can_fail or key.can_fail)


def _filter(called: Call) -> Term:
    """filter, exists and forall."""
    called.expect(2)
    term = _of(called, 0, "array")
    names, body = _body(called, 1, term.type.items[0])
    if called.name == "filter":
        return Term(f"list_filter({term.sql}, lambda {names}: {body.sql})", term.type, term.can_fail or body.can_fail)
    judged = f"list_transform({term.sql}, lambda {names}: {body.sql})"
    settled, otherwise = ("true", "false") if called.name == "exists" else ("false", "true")
    has_null = f"len(list_filter({judged}, lambda judged: judged IS NULL)) > 0"
    found = f"CASE WHEN list_contains({judged}, {settled}) THEN {settled} WHEN {has_null} THEN NULL ELSE {otherwise} END"
    return Term(f"(CASE WHEN {term.sql} IS NOT NULL THEN {found} END)", BOOLEAN, term.can_fail or body.can_fail)


def _transform(called: Call) -> Term:
    called.expect(2)
    term = _of(called, 0, "array")
    names, body = _body(called, 1, term.type.items[0])
    return Term(f"list_transform({term.sql}, lambda {names}: {body.sql})", array(body.type), term.can_fail or body.can_fail)


def _array_contains(called: Call) -> Term:
    called.expect(2)
    term = _of(called, 0, "array")
    item = called.term(1, term.type.items[0])
    found = f"list_contains({term.sql}, {item.sql})"
    # Spark cannot tell when an element is null and the value was not found.
    unsure = f"WHEN len(list_filter({term.sql}, lambda e: e IS NULL)) > 0 THEN NULL"
    missing = f"WHEN {term.sql} IS NULL OR {item.sql} IS NULL THEN NULL"
    return Term(f"(CASE {missing} WHEN {found} THEN true {unsure} ELSE false END)", BOOLEAN, term.can_fail or item.can_fail)


def _array_join(called: Call) -> Term:
    called.expect(2)
    term, separator = called.term(0, array(STRING)), called.term(1, STRING)
    return Term(f"COALESCE(array_to_string({term.sql}, {separator.sql}), CASE WHEN {term.sql} IS NOT NULL THEN '' END)", STRING, term.can_fail)


def _array_sort(called: Call) -> Term:
    called.expect(1)
    term = _of(called, 0, "array")
    nulls = "NULLS FIRST" if called.name == "sort_array" else "NULLS LAST"
    return Term(f"list_sort({term.sql}, 'ASC', '{nulls}')", term.type, term.can_fail)


def _array_extreme(called: Call) -> Term:
    called.expect(1)
    term = _of(called, 0, "array")
    name = "list_max" if called.name == "array_max" else "list_min"
    return Term(f"{name}({term.sql})", term.type.items[0], term.can_fail)


def _slice(called: Call) -> Term:
    called.expect(3)
    term, start, length = _of(called, 0, "array"), called.constant(1), called.constant(2)
    if int(start) < 1 or int(length) < 0:
        called.refuse("slice from before the first element", "start at 1 or later, with a length of 0 or more")
    return Term(f"{term.sql}[{start}:{int(start) + int(length) - 1}]", term.type, term.can_fail)


def _flatten(called: Call) -> Term:
    called.expect(1)
    term = _of(called, 0, "array")
    if term.type.items[0].name != "array":
        called.refuse(f"flatten of a {term.type}", "give it an array of arrays")
    holds_null = f"len(list_filter({term.sql}, lambda e: e IS NULL)) > 0"
    return Term(f"(CASE WHEN NOT ({holds_null}) THEN flatten({term.sql}) END)", term.type.items[0], term.can_fail)


def _sequence(called: Call) -> Term:
    called.expect(2, 3)
    first, last = called.terms()[:2]
    both = common_type(first.type, last.type)
    if both is None or both not in (INT, BIGINT, DATE, TIMESTAMP):
        called.refuse(f"a sequence from {first.type} to {last.type}", "CAST both to INT, BIGINT, DATE or TIMESTAMP")
    begin, end = (cast_to(called.context, called.node, term, both) for term in (first, last))
    if len(called.arguments) == 2:
        one = "INTERVAL 1 DAY" if both in (DATE, TIMESTAMP) else "1"
        towards = f"CASE WHEN {begin.sql} <= {end.sql} THEN {one} ELSE -{one} END"
        return Term(f"CAST(generate_series({begin.sql}, {end.sql}, {towards}) AS {duckdb_type(array(both))})", array(both), can_fail=True)
    step = called.term(2)
    if (both in (DATE, TIMESTAMP)) != (step.type in INTERVALS):
        called.refuse(f"a sequence of {both} by {step.type}", "step dates by an INTERVAL and numbers by a number")
    if step.type == MONTHS:
        return _months(called, begin, end, step)
    if not isinstance(step.constant, int) or not step.constant:
        called.refuse("a sequence whose step is no literal, or 0", "write the step as a number or an INTERVAL")
    listed = f"CAST(generate_series({begin.sql}, {end.sql}, {step.sql}) AS {duckdb_type(array(both))})"
    away = f"{begin.sql} {'>' if step.constant > 0 else '<'} {end.sql}"
    return Term(
        f"{listed}[1:CASE WHEN {away} THEN {failing('the sequence steps away from its end')} ELSE 2147483647 END]", array(both), can_fail=True
    )


def _months(called: Call, begin: Term, end: Term, step: Term) -> Term:
    """A sequence by months, each counted from the beginning: DuckDB goes from one to the next, and never back from the 29th to the 31st."""
    months = int(step.constant or 0)
    if months < 1:
        called.refuse("a sequence by months that does not go up", "turn it round")
    kind = duckdb_type(begin.type)
    counts = f"range(0, date_diff('month', {begin.sql}, {end.sql}) // {months} + 1)"
    listed = f"list_transform({counts}, lambda n: CAST({begin.sql} + to_months(CAST(n * {months} AS INTEGER)) AS {kind}))"
    return Term(f"list_filter({listed}, lambda day: day <= {end.sql})", array(begin.type), can_fail=True)


def _explode(called: Call) -> Term:
    called.expect(1)
    term = _of(called, 0, "array")
    return Term(f"unnest({term.sql})", term.type.items[0], term.can_fail)


FUNCTIONS: Mapping[str, FunctionRule] = {
    "array": FunctionRule(_array),
    "map": FunctionRule(_map),
    **dict.fromkeys(("struct", "named_struct"), FunctionRule(_struct)),
    **dict.fromkeys(("size", "cardinality", "array_size"), FunctionRule(_size)),
    **dict.fromkeys(("element_at", "try_element_at", "get"), FunctionRule(_element_at)),
    **dict.fromkeys(("map_keys", "map_values", "map_entries"), FunctionRule(_map_part)),
    "map_filter": FunctionRule(_map_filter),
    "transform_values": FunctionRule(_transform_values),
    "map_from_entries": FunctionRule(_map_from_entries),
    "map_from_arrays": FunctionRule(_map_from_arrays),
    "map_contains_key": FunctionRule(_map_contains_key),
    **dict.fromkeys(("filter", "exists", "forall"), FunctionRule(_filter)),
    "transform": FunctionRule(_transform),
    "array_contains": FunctionRule(_array_contains),
    "array_join": FunctionRule(_array_join),
    **dict.fromkeys(("sort_array", "array_sort"), FunctionRule(_array_sort)),
    **dict.fromkeys(("array_max", "array_min"), FunctionRule(_array_extreme)),
    "slice": FunctionRule(_slice),
    "flatten": FunctionRule(_flatten),
    "sequence": FunctionRule(_sequence),
    "explode": FunctionRule(_explode, "generator"),
}
