"""A function call and the rule that gives its meaning. Belongs here: what all functions share. Does not belong here: any function."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn

from sqlglot import exp

from lakehouse_platform.contracts.types import ColumnType, parse_type
from lakehouse_platform.engine.operators import cast_to, condition, unify
from lakehouse_platform.engine.terms import Context, Term

_SIGNATURE = re.compile(r"(!?)(\w+)\((.*?)\) (\S+): (.*)")


@dataclass(frozen=True)
class Call:
    """A call in its place; `arguments` are not translated yet, as some mean more than their value."""

    context: Context
    node: exp.Expr
    name: str
    arguments: Sequence[exp.Expr]

    def term(self, index: int, target: ColumnType | None = None) -> Term:
        """An argument, brought to a type where one is given."""
        found = self.context.plain(self.arguments[index])
        return found if target is None else cast_to(self.context, self.node, found, target)

    def terms(self) -> list[Term]:
        """All arguments."""
        return [self.term(index) for index in range(len(self.arguments))]

    def unified(self) -> tuple[Term, ...]:
        """All arguments, brought to their common type."""
        return unify(self.context, self.node, self.terms())

    def condition(self, index: int) -> Term:
        """An argument that is true or false."""
        return condition(self.context, self.arguments[index])

    def constant(self, index: int) -> str | int:
        """The value of an argument that must be a literal."""
        found = self.context.plain(self.arguments[index]).constant
        if found is None:
            self.refuse(f"argument {index + 1} of {self.name} is not a literal", "write it as a literal")
        return found

    def expect(self, least: int, most: int | None = None) -> None:
        """Refuse another number of arguments."""
        count = len(self.arguments)
        if not least <= count <= (least if most is None else most):
            self.refuse(f"{self.name} has {count} arguments", f"give it {least}" + (f" to {most}" if most else ""))

    def aggregate(self, sql: str) -> str:
        """An aggregate's text with the FILTER and OVER that stand behind the call."""
        return sql + self.context.suffix

    def refuse(self, message: str, mend: str) -> NoReturn:
        """Raise the one mistake that this call is."""
        self.context.refuse(self.node, message, mend)


@dataclass(frozen=True)
class FunctionRule:
    """What a function means. A row function works on one row; an aggregate on many; a window function only with OVER."""

    build: Callable[[Call], Term]
    kind: Literal["row", "aggregate", "window", "generator"] = "row"


def call(context: Context, node: exp.Expr) -> Term:
    """The rule of syntax for a call by name. Refuses a name that is not known, as it would pass on unchanged and mean what it likes."""
    name = node.name.lower()
    rule = context.language.functions.get(name)
    if rule is None:
        context.refuse(node, *unsupported(name))
    if context.suffix and rule.kind not in ("aggregate", "window"):
        context.refuse(node, f"{name} is neither an aggregate nor a window function", "take FILTER or OVER away")
    if rule.kind == "window" and "OVER" not in context.suffix:
        context.refuse(node, f"{name} needs a window", "add OVER (…)")
    return rule.build(Call(context, node, name, node.expressions))


def unsupported(name: str) -> tuple[str, str]:
    """What is wrong with a call of a function that is not known, and the mend."""
    message = f"the function {name} is not supported: both engines must give the same answer"
    return message, "use a supported function (docs/engines.md), or CAST(x AS type) for a cast"


def signatures(text: str) -> Mapping[str, FunctionRule]:
    """Functions by a line each: `name(type, type) result: DuckDB text with {0}, {1}`.

    `!` before the name marks one that can fail. `$0` as a result is the type of the first argument, `any` takes each type as it is,
    and a name on several lines is chosen by the number of its arguments.
    """
    overloads: dict[str, list[tuple[bool, list[str], str, str]]] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        match = _SIGNATURE.fullmatch(line)
        assert match is not None, line
        kinds = [kind.strip() for kind in match[3].split(",") if kind.strip()]
        overloads.setdefault(match[2], []).append((bool(match[1]), kinds, match[4], match[5]))
    return {name: FunctionRule(_by_signature(lines)) for name, lines in overloads.items()}


def _by_signature(lines: list[tuple[bool, list[str], str, str]]) -> Callable[[Call], Term]:
    def build(called: Call) -> Term:
        for can_fail, kinds, result, template in lines:
            if len(kinds) == len(called.arguments):
                terms = [called.term(index, None if kind == "any" else parse_type(kind)) for index, kind in enumerate(kinds)]
                target = terms[int(result[1:])].type if result.startswith("$") else parse_type(result)
                return Term(template.format(*(term.sql for term in terms)), target, can_fail or any(term.can_fail for term in terms))
        counts = " or ".join(str(len(kinds)) for _, kinds, _, _ in lines)
        called.refuse(f"{called.name} has {len(called.arguments)} arguments", f"give it {counts}")

    return build
