"""Rules from a contract's quality entries: library metrics and SQL, over a row or the table. Not here: demands of a property (constraints.py)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from open_data_contract_standard.model import DataQuality
from sqlglot import exp

from lakehouse_platform.contracts import sql_rules
from lakehouse_platform.contracts.constraints import failing, read_constraint
from lakehouse_platform.contracts.document import Document, Location
from lakehouse_platform.contracts.model import Bound, Column, Constraint, ConstraintKind, RowRule, Severity, TableRule
from lakehouse_platform.contracts.values import typed_value

_OPERATORS = (
    *("mustBe", "mustNotBe", "mustBeGreaterThan", "mustBeGreaterOrEqualTo"),
    *("mustBeLessThan", "mustBeLessOrEqualTo", "mustBeBetween", "mustNotBeBetween"),
)
_NONE_MAY_FAIL = (Bound("mustBe", (0.0,)), Bound("mustBeLessOrEqualTo", (0.0,)), Bound("mustBeLessThan", (1.0,)))
_DIMENSIONS = {
    "nullValues": "completeness",
    "missingValues": "completeness",
    "invalidValues": "conformity",
    "duplicateValues": "uniqueness",
    "rowCount": "completeness",
}
_KNOWN_DIMENSIONS = ("accuracy", "completeness", "conformity", "consistency", "coverage", "timeliness", "uniqueness")


@dataclass
class QualityReader:
    """Reads the quality entries of a schema object and of its columns into rules, collecting both kinds."""

    document: Document
    columns: Mapping[str, Column | None]
    row_rules: list[RowRule] = field(default_factory=list)
    table_rules: list[TableRule] = field(default_factory=list)

    def read(self, location: Location, entries: Sequence[DataQuality], column: Column | None) -> list[str]:
        """Read one level's entries, of a column or (None) of the table. Gives the texts of entries that only describe."""
        notes = []
        for index, entry in enumerate(entries):
            kind, place = entry.type or "library", (*location, index)
            if kind == "text":
                notes.append(entry.description or entry.name or "")
            elif kind in ("library", "sql"):
                self._read_rule(place, entry, column, kind)
            elif kind == "custom":
                message = f"a rule for the engine {entry.engine} is not judged"
                self.document.mistake(place, message, "write it as a library or an sql rule, or as type text if another tool judges it")
            else:
                self.document.mistake((*place, "type"), f"there is no rule of type {kind!r}", "use library, sql or text")
        return notes

    def _read_rule(self, place: Location, entry: DataQuality, column: Column | None, kind: str) -> None:
        rule = _Entry(self.document, place, entry, column)
        bound, identity, severity, dimension = rule.bound(), rule.identity(), rule.severity(), rule.dimension()
        query = self._sql(rule) if kind == "sql" else self._library(rule)
        if query is None or bound is None or identity is None:
            return
        judged = column or query.column
        name, text, line = judged.name if judged else None, entry.description or entry.name or "", self.document.line(place)
        if query.failing is not None and bound in _NONE_MAY_FAIL and not rule.is_percent:
            self.row_rules.append(RowRule(identity, query.failing, severity, dimension, name, text, line, query.constraints))
        else:
            measure = query.percent if rule.is_percent else query.count
            self.table_rules.append(TableRule(identity, measure, bound, severity, dimension, name, text, line))

    def _sql(self, rule: _Entry) -> Measure | None:
        try:
            text = sql_rules.normalised(rule.entry.query or "", rule.column.name if rule.column else None)
            tree = sql_rules.parsed(text)
            sql_rules.check_names(tree, self.columns)
            predicate = sql_rules.row_predicate(tree)
            if predicate is None:
                return Measure(text, text)
            column, constraints = self._stated(predicate)
            return Measure(text, text, predicate.sql("databricks", comments=False), constraints, column)
        except sql_rules.RuleQueryError as error:
            self.document.mistake((*rule.place, "query"), str(error), error.mend)
            return None

    def _stated(self, predicate: exp.Expr) -> tuple[Column | None, tuple[Constraint, ...]]:
        # A comparison with a number is a constraint as well, so that such a rule too is judged a second time without its SQL.
        name, kind, number = sql_rules.compared(predicate) or ("", None, 0)
        column = self.columns.get(name.lower())
        if column is None or kind is None:
            return None, ()
        try:
            return column, (Constraint(kind, (typed_value(number, column.type),)),)
        except ValueError:
            return None, ()  # a whole-number column compared with a fraction

    def _library(self, rule: _Entry) -> Measure | None:
        metric, column = rule.entry.metric, rule.column
        match metric:
            case "nullValues" | "missingValues" | "invalidValues" if column is not None:
                constraints = rule.constraints(column)
                return _judging(column, constraints) if constraints else None
            case "duplicateValues":
                names = [column.name] if column is not None else rule.listed("properties")
                unknown = [name for name in names if str(name).lower() not in self.columns]
                if names and not unknown:
                    return duplicates([str(name) for name in names], with_nulls=column is None)
                message = f"{unknown[0]} is no column here" if unknown else "duplicateValues of a table names no columns"
                rule.mistake("arguments", message, "list the columns under arguments: {properties: [...]}")
            case "rowCount" if column is None and not rule.is_percent:
                return Measure("SELECT COUNT(*) FROM ${table}", "")
            case None:
                rule.mistake("metric", "a library rule has no metric", f"set metric to one of {', '.join(_DIMENSIONS)}")
            case _ if metric in _DIMENSIONS:
                level = "a property" if column is None else "the schema object"
                rule.mistake("metric", f"{metric} has no meaning here", f"write the rule under {level}, in unit rows for rowCount")
            case _:
                rule.mistake("metric", f"there is no metric {metric!r}", f"use one of {', '.join(_DIMENSIONS)}")
        return None


@dataclass(frozen=True)
class Measure:
    """What a rule measures: as a number of rows, in percent of the rows, and (where it judges single rows) its predicate.

    `column` is the one that `constraints` are of.
    """

    count: str
    percent: str
    failing: str | None = None
    constraints: tuple[Constraint, ...] = ()
    column: Column | None = None


@dataclass(frozen=True)
class _Entry:
    """A quality entry with its place, and the parts that every kind of rule has."""

    document: Document
    place: Location
    entry: DataQuality
    column: Column | None

    @property
    def is_percent(self) -> bool:
        return (self.entry.unit or "rows").lower() in ("percent", "%")

    def mistake(self, name: str, message: str, mend: str) -> None:
        self.document.mistake((*self.place, name), message, mend)

    def bound(self) -> Bound | None:
        given = {name: getattr(self.entry, name) for name in _OPERATORS if getattr(self.entry, name) is not None}
        if len(given) != 1:
            self.document.mistake(self.place, f"the rule has {len(given) or 'no'} bounds", f"give exactly one of {', '.join(_OPERATORS)}")
            return None
        [(name, value)] = given.items()
        operands = value if isinstance(value, list) else [value]
        if any(isinstance(operand, bool) or not isinstance(operand, int | float) for operand in operands):
            self.mistake(name, f"{value!r} is no number", "compare with a number; write other comparisons into an sql rule's query")
            return None
        if len(operands) == 2 and operands[0] > operands[1]:
            self.mistake(name, f"nothing is between {operands[0]} and {operands[1]}", "write the smaller number first")
        return Bound(name, tuple(float(operand) for operand in operands))

    def identity(self) -> str | None:
        given = self.entry.id or self.entry.name
        if given is None and self.entry.type == "sql":
            self.document.mistake(self.place, "an sql rule has no id", "add an id; counts and quarantine are kept under it")
            return None
        if given is None:
            metric = re.sub(r"([A-Z])", lambda match: "_" + match[1].lower(), self.entry.metric or "rule")
            given = f"{self.column.name}_{metric}" if self.column else metric
        return re.sub(r"\W+", "_", given.strip() if self.entry.id else given.strip().lower(), flags=re.ASCII)

    def severity(self) -> Severity:
        given = self.entry.severity or Severity.ERROR
        if given not in set(Severity):
            self.mistake("severity", f"there is no severity {given!r}", "use error (rejects the row) or warning (lowers its score)")
            return Severity.ERROR
        return Severity(given)

    def dimension(self) -> str:
        given = self.entry.dimension or _DIMENSIONS.get(self.entry.metric or "", "conformity")
        if given not in _KNOWN_DIMENSIONS:
            self.mistake("dimension", f"the standard has no dimension {given!r}", f"use one of {', '.join(_KNOWN_DIMENSIONS)}")
        return given

    def listed(self, name: str) -> list[object]:
        value = (self.entry.arguments or {}).get(name)
        return value if isinstance(value, list) else []

    def constraints(self, column: Column) -> tuple[Constraint, ...]:
        arguments = self.entry.arguments or {}
        if self.entry.metric == "nullValues":
            return (Constraint(ConstraintKind.NOT_NULL),)
        if self.entry.metric == "missingValues":
            values = [value for value in self.listed("missingValues") if value is not None]
            missing = self._constraint(column, "missingValues", ConstraintKind.NONE_OF, values)
            return (Constraint(ConstraintKind.NOT_NULL), *missing)
        valid = self._constraint(column, "validValues", ConstraintKind.ONE_OF, [value for value in self.listed("validValues") if value is not None])
        pattern = self._constraint(column, "pattern", ConstraintKind.PATTERN, [arguments["pattern"]] if "pattern" in arguments else [])
        if not {"validValues", "pattern"} & arguments.keys():
            self.mistake("arguments", "invalidValues does not say what is valid", "add arguments: {validValues: [...]} or {pattern: ...}")
        return (*valid, *pattern)

    def _constraint(self, column: Column, name: str, kind: ConstraintKind, values: Sequence[object]) -> tuple[Constraint, ...]:
        if not values:
            return ()
        constraint = read_constraint(self.document, (*self.place, "arguments", name), column, kind, values)
        return () if constraint is None else (constraint,)


def duplicates(columns: Sequence[str], *, with_nulls: bool) -> Measure:
    """Values (or combinations of values) that occur more than once; nulls are equal to each other `with_nulls`, else they never count."""
    names = ", ".join(exp.column(name, quoted=True).sql("databricks") for name in columns)
    where = "" if with_nulls else " WHERE " + " AND ".join(f"{exp.column(name, quoted=True).sql('databricks')} IS NOT NULL" for name in columns)
    repeated = f"(SELECT COUNT(*) AS n FROM ${{table}}{where} GROUP BY {names})"
    count = "COUNT(CASE WHEN n > 1 THEN 1 END)"
    return Measure(f"SELECT {count} FROM {repeated}", f"SELECT {_percent(count, 'SUM(n)')} FROM {repeated}")


def _judging(column: Column, constraints: tuple[Constraint, ...]) -> Measure:
    predicate = exp.or_(*(failing(column, constraint) for constraint in constraints)).sql("databricks")
    count = f"COUNT(CASE WHEN {predicate} THEN 1 END)"
    return Measure(f"SELECT {count} FROM ${{table}}", f"SELECT {_percent(count, 'COUNT(*)')} FROM ${{table}}", predicate, constraints)


def _percent(part: str, whole: str) -> str:
    return f"COALESCE(100 * CAST({part} AS DOUBLE) / NULLIF({whole}, 0), 0)"
