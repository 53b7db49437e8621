"""Which time of an input a time of the query's result is made from, told from its syntax: its own day, yesterday's, the days of its week.

Belongs here: reading cuts and shifts of times, and the joins by them. Does not belong here: partitions (tables/), Dagster's mappings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from sqlglot import exp

from lakehouse_platform.contracts.types import DATE
from lakehouse_platform.engine.lineage import Schemas, in_driving, in_relation, times_read
from lakehouse_platform.engine.query import Query, definition_of, driving_table, table_name

_HOURS = {"hour": 1, "day": 24, "week": 7 * 24, "month": 31 * 24}
# What a cut to one of these may be followed by without another cut of the same time.
_NESTED = {"hour": ("hour", "day", "week", "month"), "day": ("day", "week", "month"), "week": ("week",), "month": ("month",)}
_OF_DAYS = ("day", "week", "month")
_FINER_THAN_HOURS = ("SECOND", "MINUTE", "MILLISECOND", "MICROSECOND")
_UNITS = {"DAY": "day", "DD": "day", "HOUR": "hour", "WEEK": "week", "MONTH": "month", "MM": "month", "MON": "month"}
_FLIPPED: dict[type[exp.Expr], type[exp.Expr]] = {exp.GT: exp.LT, exp.GTE: exp.LTE, exp.LT: exp.GT, exp.LTE: exp.GTE, exp.EQ: exp.EQ}


@dataclass(frozen=True)
class Span:
    """A length of time, forwards or back: calendar months and hours."""

    months: int = 0
    hours: int = 0

    def __add__(self, other: Span) -> Span:
        return Span(self.months + other.months, self.hours + other.hours)

    def __neg__(self) -> Span:
        return Span(-self.months, -self.hours)


@dataclass(frozen=True)
class TimeWindow:
    """How far the times that are read lie off those of a result: the first off the result's first, the end off the result's end; or a bit more."""

    first: Span
    end: Span


@dataclass(frozen=True)
class Partitioned:
    """A table's partitioned column, the unit of its partitions, and whether the column is a date."""

    column: str
    unit: str
    is_date: bool


@dataclass(frozen=True)
class _Time:
    """A column, cut to a unit (None: as it is), then shifted."""

    column: str
    cut: str | None = None
    shift: Span = Span()

    def is_whole(self, cut: str) -> bool:
        """Whether the shift is of whole units."""
        if self.shift.months:
            return cut in ("day", "hour") or (cut == "month" and not self.shift.hours)
        return self.shift.hours == 0 or (cut != "month" and self.shift.hours % _HOURS[cut] == 0)


@dataclass(frozen=True)
class _Reading:
    """The result's time over the driving input, whose columns `dates` are dates, and what is read."""

    output: _Time
    dates: frozenset[str]
    result: Partitioned
    source: Partitioned


def time_windows(query: Query, result: Partitioned, inputs: Mapping[str, Partitioned], schemas: Schemas) -> dict[str, TimeWindow]:
    """For each partitioned input where the query tells it, the window of its times that a time of the result is made from."""
    names = [name.lower() for name in query.outputs]
    if result.column.lower() not in names:
        return {}
    position = names.index(result.column.lower())
    found: dict[str, list[TimeWindow | None]] = {}
    seen: set[int] = set()
    for branch in _branches(query.tree):
        output = _time(in_driving(branch, branch.selects[position].alias_or_name, schemas))
        driving = driving_table(branch)
        columns = schemas.get(table_name(driving), {}) if driving is not None else {}
        dates = frozenset(name.lower() for name, kind in columns.items() if kind == DATE)
        for select in _driving_selects(branch):
            for relation, condition in _relations(select):
                base = _base(relation, seen)
                if base is None and condition is not None:
                    found |= {name: [None] for name in inputs if times_read(relation, name)}
                if base is None or table_name(base) not in inputs:
                    continue
                reading = _Reading(output, dates, result, inputs[table_name(base)]) if output is not None else None
                window = None if reading is None else _own(reading) if condition is None else _joined(select, relation, condition, reading, schemas)
                found.setdefault(table_name(base), []).append(window)
    elsewhere = [table for table in query.tree.find_all(exp.Table) if id(table) not in seen]
    if any(definition_of(table) is not None for table in elsewhere):
        return {}
    read = {table_name(table) for table in elsewhere}
    return {name: _hull(windows) for name, windows in found.items() if name not in read and _known(windows)}


def _known(windows: list[TimeWindow | None]) -> bool:
    return all(window is not None for window in windows)


def _hull(windows: list[TimeWindow | None]) -> TimeWindow:
    known = [window for window in windows if window is not None]
    return TimeWindow(min((each.first for each in known), key=_approximate), max((each.end for each in known), key=_approximate))


def _approximate(span: Span) -> int:
    return span.months * _HOURS["month"] + span.hours


def _branches(tree: exp.Expr) -> Iterator[exp.Query]:
    """The query itself, or the SELECTs that UNION and its like put together."""
    if isinstance(tree, exp.SetOperation):
        yield from _branches(tree.this)
        yield from _branches(tree.expression)
    elif isinstance(tree, exp.Query):
        yield tree


def _driving_selects(tree: exp.Expr) -> Iterator[exp.Select]:
    """The SELECTs from the outermost to the one that reads the driving table."""
    node: exp.Expr | None = tree
    while node is not None:
        if isinstance(node, exp.Select):
            from_ = node.args.get("from_")
            if from_ is not None:
                yield node
            node = from_.this if from_ is not None else None
        elif isinstance(node, exp.Table):
            node = definition_of(node)
        else:
            node = node.this if isinstance(node, exp.Subquery) else None


def _relations(select: exp.Select) -> Iterator[tuple[exp.Expr, exp.Expr | None]]:
    """What a SELECT reads, each with the condition that joins it; a join without one that can be read has FALSE."""
    first = select.args["from_"].this
    yield first, None
    for join in select.args.get("joins") or ():
        on, names = join.args.get("on"), [identifier.name for identifier in join.args.get("using") or ()]
        if names:
            aliases = (first.alias_or_name, join.this.alias_or_name)
            on = exp.and_(*(exp.EQ(this=exp.column(name, aliases[0]), expression=exp.column(name, aliases[1])) for name in names))
        is_plain = on is not None and join.args.get("side") not in ("RIGHT", "FULL") and not on.find(exp.Query)
        yield join.this, on if is_plain else exp.false()


def _base(relation: exp.Expr, seen: set[int]) -> exp.Table | None:
    """The one table that a relation is made of, row by row or by groups; None where more goes into it."""
    node: exp.Expr = relation
    while True:
        if isinstance(node, exp.Table):
            seen.add(id(node))
            definition = definition_of(node)
            if definition is None:
                return node
            node = definition
        elif isinstance(node, exp.Subquery):
            node = node.this
        elif isinstance(node, exp.Select) and node.args.get("from_") is not None:
            if node.args.get("joins") or node.find(exp.Window, exp.Limit, exp.Offset):
                return None
            node = node.args["from_"].this
        else:
            return None


def _own(reading: _Reading) -> TimeWindow | None:
    """The window of what the result's time itself is made from."""
    if reading.output.column.lower() != reading.source.column.lower():
        return None
    first = -reading.output.shift
    return TimeWindow(first, first + _beyond(reading.output, reading.result))


def _joined(select: exp.Select, relation: exp.Expr, on: exp.Expr, reading: _Reading, schemas: Schemas) -> TimeWindow | None:
    """The window that the conditions over the lookup's partitioned column and the time of the result leave."""
    output, result, source = reading.output, reading.result, reading.source
    firsts, ends = [], []
    for operator, lookup, driving in _comparisons(select, relation, on, schemas):
        if lookup.column.lower() != source.column.lower() or driving.column.lower() != output.column.lower():
            continue
        shift = driving.shift + -lookup.shift
        # Of whole days, what is less than one is at most the day before.
        is_of_days = source.is_date and lookup.is_whole("day") and (driving.cut in _OF_DAYS or driving.column.lower() in reading.dates)
        strict = Span(hours=24) if is_of_days and driving.is_whole("day") else Span()
        moved = replace(driving, shift=shift)
        aligned = driving.cut is None or (_is_nested(driving.cut, result.unit) and output.is_whole(driving.cut))
        aligned = aligned or (driving.cut is not None and _is_nested(driving.cut, source.unit) and moved.is_whole(driving.cut))
        below = Span() if aligned else Span(hours=-_HOURS[str(driving.cut)])
        above = Span() if lookup.cut is None or _is_nested(lookup.cut, source.unit) else Span(hours=_HOURS[lookup.cut])
        if operator in (exp.EQ, exp.GT, exp.GTE):
            firsts.append(-output.shift + shift + below + (strict if operator is exp.GT else Span()))
        if operator in (exp.EQ, exp.LT, exp.LTE):
            ends.append(-output.shift + shift + _beyond(output, result) + above + (-strict if operator is exp.LT else Span()))
    return TimeWindow(max(firsts, key=_approximate), min(ends, key=_approximate)) if firsts and ends else None


def _beyond(output: _Time, result: Partitioned) -> Span:
    """How far beyond a partition the times may lie that are cut into it."""
    if output.cut is None or (_is_nested(output.cut, result.unit) and output.is_whole(output.cut)):
        return Span()
    return Span(hours=_HOURS[output.cut])


def _is_nested(cut: str, unit: str) -> bool:
    return unit in _NESTED[cut]


def _comparisons(select: exp.Select, relation: exp.Expr, on: exp.Expr, schemas: Schemas) -> Iterator[tuple[type[exp.Expr], _Time, _Time]]:
    """The comparisons that hold for every joined pair of rows, as (operator, time of the lookup, time of the driving input)."""
    for part in on.flatten() if isinstance(on, exp.And) else [on]:
        node = part.unnest()
        if isinstance(node, exp.And):
            yield from _comparisons(select, relation, node, schemas)
        elif isinstance(node, exp.Between):
            low, high = exp.GTE(this=node.this, expression=node.args["low"]), exp.LTE(this=node.this, expression=node.args["high"])
            for each in (low, high):
                yield from _compared(select, relation, each, schemas)
        elif type(node) in _FLIPPED:
            yield from _compared(select, relation, node, schemas)


def _compared(select: exp.Select, relation: exp.Expr, node: exp.Expr, schemas: Schemas) -> Iterator[tuple[type[exp.Expr], _Time, _Time]]:
    operator = type(node)
    left, right = node.args["this"], node.args["expression"]
    for lookup, driving, how in ((left, right, operator), (right, left, _FLIPPED[operator])):
        times = _time(in_relation(relation, lookup, schemas)), _time(in_driving(select, driving, schemas))
        if times[0] is not None and times[1] is not None:
            yield how, times[0], times[1]


def _time(node: exp.Expr | None) -> _Time | None:
    """A Spark SQL expression as one column that is cut and shifted; None for any other."""
    match node:
        case exp.Paren():
            return _time(node.this)
        case exp.Column():
            return _Time(node.name) if len(node.parts) == 1 else None
        case exp.Cast() if node.is_type("date"):
            return _cut(_time(node.this), "day")
        case exp.Cast() if node.is_type("timestamp", "timestamptz"):
            return _time(node.this)
        case exp.Add() | exp.Sub():
            return _moved(_time(node.args["this"]), _span(node.args["expression"]), backwards=isinstance(node, exp.Sub))
        case exp.Anonymous():
            return _called(node)
    return None


def _called(node: exp.Anonymous) -> _Time | None:
    name, arguments = node.name.lower(), node.expressions
    if name in ("to_date", "date") and len(arguments) == 1:
        return _cut(_time(arguments[0]), "day")
    if len(arguments) != 2:
        return None
    first, second = arguments
    if name in ("date_add", "dateadd", "date_sub"):
        days = _whole(second)
        return _moved(_cut(_time(first), "day"), Span(hours=24 * days) if days is not None else None, backwards=name == "date_sub")
    if name == "add_months":
        months = _whole(second)
        return _moved(_cut(_time(first), "day"), Span(months=months) if months is not None else None)
    if name == "date_trunc" and isinstance(first, exp.Literal):
        return _truncated(_time(second), first.name)
    if name == "trunc" and isinstance(second, exp.Literal):
        return _truncated(_time(first), second.name)
    return None


def _truncated(time: _Time | None, unit: str) -> _Time | None:
    if unit.upper() in _FINER_THAN_HOURS:
        return time
    return _cut(time, _UNITS[unit.upper()]) if unit.upper() in _UNITS else None


def _cut(time: _Time | None, unit: str) -> _Time | None:
    if time is None or not time.is_whole(unit):
        return None
    if time.cut is None or _is_nested(time.cut, unit):
        return replace(time, cut=unit)
    return time if _is_nested(unit, time.cut) else None


def _moved(time: _Time | None, span: Span | None, *, backwards: bool = False) -> _Time | None:
    if time is None or span is None:
        return None
    return replace(time, shift=time.shift + (-span if backwards else span))


def _span(node: exp.Expr) -> Span | None:
    if not isinstance(node, exp.Interval):
        days = _whole(node)
        return Span(hours=24 * days) if days is not None else None
    count = _whole(node.this)
    unit = str(node.args.get("unit") or "").upper().removesuffix("S")
    if count is None or unit not in ("HOUR", "DAY", "WEEK", "MONTH"):
        return None
    return Span(months=count) if unit == "MONTH" else Span(hours=count * _HOURS[unit.lower()])


def _whole(node: exp.Expr | None) -> int | None:
    if isinstance(node, exp.Neg):
        inner = _whole(node.this)
        return None if inner is None else -inner
    if isinstance(node, exp.Literal) and node.name.lstrip("-").isdigit():
        return int(node.name)
    return None
