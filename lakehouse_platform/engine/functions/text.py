"""Functions of text: cutting, padding, searching, regular expressions, JSON, hashes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lakehouse_platform.contracts.types import STRING, ColumnType, array, parse_type
from lakehouse_platform.engine.functions.call import Call, FunctionRule, signatures
from lakehouse_platform.engine.operators import regex_literal
from lakehouse_platform.engine.patterns import replacement
from lakehouse_platform.engine.spelling import literal
from lakehouse_platform.engine.terms import Term

_SIMPLE = """
upper(string) string: upper({0})
ucase(string) string: upper({0})
lower(string) string: lower({0})
lcase(string) string: lower({0})
length(string) int: CAST(length({0}) AS INTEGER)
char_length(string) int: CAST(length({0}) AS INTEGER)
character_length(string) int: CAST(length({0}) AS INTEGER)
len(string) int: CAST(length({0}) AS INTEGER)
octet_length(string) int: CAST(strlen({0}) AS INTEGER)
ltrim(string) string: ltrim({0}, ' ')
rtrim(string) string: rtrim({0}, ' ')
btrim(string) string: trim({0}, ' ')
btrim(string, string) string: trim({0}, {1})
reverse(string) string: reverse({0})
startswith(string, string) boolean: starts_with({0}, {1})
endswith(string, string) boolean: suffix({0}, {1})
contains(string, string) boolean: contains({0}, {1})
instr(string, string) int: CAST(instr({0}, {1}) AS INTEGER)
locate(string, string) int: CAST(instr({1}, {0}) AS INTEGER)
replace(string, string) string: CASE WHEN {1} = '' THEN {0} ELSE replace({0}, {1}, '') END
replace(string, string, string) string: CASE WHEN {1} = '' THEN {0} ELSE replace({0}, {1}, {2}) END
left(string, int) string: CASE WHEN {1} <= 0 THEN left({0}, 0) ELSE left({0}, {1}) END
right(string, int) string: CASE WHEN {1} <= 0 THEN left({0}, 0) ELSE right({0}, {1}) END
ascii(string) int: CAST(CASE WHEN {0} = '' THEN 0 ELSE unicode({0}) END AS INTEGER)
md5(string) string: md5({0})
unhex(string) binary: TRY(from_hex({0}))
"""


def _substring(called: Call) -> Term:
    called.expect(2, 3)
    text, start = called.term(0, STRING), called.term(1, parse_type("int"))
    can_fail = text.can_fail or start.can_fail
    # Spark counts a start of 0 as 1; a start before the text eats from the length.
    if isinstance(start.constant, int) and start.constant > 0 and len(called.arguments) == 2:
        return Term(f"substring({text.sql}, {start.sql})", STRING, can_fail)
    length = called.term(2, parse_type("int")) if len(called.arguments) == 3 else Term("2147483647", parse_type("int"), constant=2**31 - 1)
    can_fail = can_fail or length.can_fail
    if isinstance(start.constant, int) and start.constant > 0 and isinstance(length.constant, int) and length.constant >= 0:
        return Term(f"substring({text.sql}, {start.sql}, {length.sql})", STRING, can_fail)
    begin = f"(CASE WHEN {start.sql} > 0 THEN CAST({start.sql} AS BIGINT) WHEN {start.sql} = 0 THEN 1 ELSE length({text.sql}) + {start.sql} + 1 END)"
    end = f"({begin} + {length.sql} - 1)"
    cut = f"{text.sql}[greatest({begin}, 1):{end}]"
    return Term(f"(CASE WHEN {end} < 1 OR {length.sql} <= 0 THEN left({text.sql}, 0) ELSE {cut} END)", STRING, can_fail)


def _pad(called: Call) -> Term:
    called.expect(2, 3)
    text, length = called.term(0, STRING), called.term(1, parse_type("int"))
    filler = called.term(2, STRING) if len(called.arguments) == 3 else Term("' '", STRING, constant=" ")
    if not isinstance(filler.constant, str) or not filler.constant:
        called.refuse(f"{called.name} with a filler that is no literal, or empty", "write the filler as a text in quotes")
    sql = f"{called.name}({text.sql}, greatest({length.sql}, 0), {filler.sql})"
    return Term(sql, STRING, text.can_fail or length.can_fail)


def _concat(called: Call) -> Term:
    if not called.arguments:
        return Term("''", STRING)
    terms = called.terms()
    if any(term.type.name == "array" for term in terms):
        unified = called.unified()
        parts = " || ".join(term.sql for term in unified)
        return Term(f"({parts})", unified[0].type, any(term.can_fail for term in unified))
    texts = [called.term(index, STRING) for index in range(len(terms))]
    return Term("(" + " || ".join(term.sql for term in texts) + ")", STRING, any(term.can_fail for term in texts))


def _concat_ws(called: Call) -> Term:
    if len(called.arguments) < 2:
        called.refuse("concat_ws has nothing to join", "give it a separator and values")
    texts = [called.term(index, STRING) for index in range(len(called.arguments))]
    return Term(f"concat_ws({', '.join(term.sql for term in texts)})", STRING, any(term.can_fail for term in texts))


def _regexp_replace(called: Call) -> Term:
    called.expect(3)
    text = called.term(0, STRING)
    with_what = called.constant(2)
    pattern = regex_literal(called.context, called.arguments[1])
    return Term(f"regexp_replace({text.sql}, {pattern}, {literal(replacement(str(with_what)))}, 'g')", STRING, text.can_fail)


def _regexp_extract(called: Call) -> Term:
    called.expect(2, 3)
    text = called.term(0, STRING)
    group = int(called.constant(2)) if len(called.arguments) == 3 else 1
    pattern = regex_literal(called.context, called.arguments[1])
    groups = re.compile(str(called.constant(1))).groups
    if not 0 <= group <= groups:
        called.refuse(f"the regular expression has {groups} groups, not {group}", "name a group that it has; 0 is the whole match")
    return Term(f"regexp_extract({text.sql}, {pattern}, {group})", STRING, text.can_fail)


def _regexp_like(called: Call) -> Term:
    called.expect(2)
    text = called.term(0, STRING)
    return Term(f"regexp_matches({text.sql}, {regex_literal(called.context, called.arguments[1])})", parse_type("boolean"), text.can_fail)


def _split(called: Call) -> Term:
    called.expect(2)
    text, separator = called.term(0, STRING), called.constant(1)
    pattern = regex_literal(called.context, called.arguments[1])
    if not separator:
        called.refuse("split by an empty text", "name a separator")
    plain = re.fullmatch(r"(\\?[^\w\\]|\w)+", str(separator)) and not re.search(r"(?<!\\)[.^$*+?()\[\]{}|]", str(separator))
    if plain:
        return Term(f"string_split({text.sql}, {literal(str(separator).replace(chr(92), ''))})", array(STRING), text.can_fail)
    return Term(f"string_split_regex({text.sql}, {pattern})", array(STRING), text.can_fail)


def _split_part(called: Call) -> Term:
    called.expect(3)
    text, separator, part = called.term(0, STRING), called.term(1, STRING), called.constant(2)
    if part == 0:
        called.refuse("split_part counts from 1", "name the part from 1, or from -1 at the end")
    return Term(f"split_part({text.sql}, {separator.sql}, {part})", STRING, text.can_fail or separator.can_fail)


def _translate(called: Call) -> Term:
    called.expect(3)
    text, old, new = called.term(0, STRING), called.constant(1), called.constant(2)
    return Term(f"translate({text.sql}, {literal(str(old))}, {literal(str(new))})", STRING, text.can_fail)


def _sha2(called: Call) -> Term:
    called.expect(2)
    text = called.term(0, STRING)
    if called.constant(1) not in (0, 256):
        called.refuse("sha2 of a length other than 256", "use sha2(x, 256)")
    return Term(f"sha256({text.sql})", STRING, text.can_fail)


def _conv(called: Call) -> Term:
    called.expect(3)
    text = called.term(0, STRING)
    if (called.constant(1), called.constant(2)) != (16, 10):
        called.refuse("conv between bases other than 16 and 10", "use conv(x, 16, 10)")
    digits = f"regexp_extract({text.sql}, '^ *([0-9a-fA-F]{{1,16}})', 1)"
    number = f"CAST(CASE WHEN {digits} = '' THEN '0' ELSE '0x' || {digits} END AS UBIGINT)"
    return Term(f"(CASE WHEN {text.sql} <> '' THEN CAST({number} AS VARCHAR) END)", STRING, text.can_fail)


def _from_json(called: Call) -> Term:
    called.expect(2)
    text, schema = called.term(0, STRING), str(called.constant(1))
    try:
        target = parse_type(schema)
    except ValueError as error:
        called.refuse(f"the schema of from_json: {error}", "write it as a type, such as MAP<STRING,STRING>")
    if target != ColumnType("map", items=(STRING, STRING)):
        called.refuse(f"from_json to {target}", "use MAP<STRING,STRING> and cast the values, or get_json_object")
    return Term(map_of_json(text.sql), target, text.can_fail)


def map_of_json(text: str) -> str:
    """DuckDB's map of a JSON object; null for other JSON, for no JSON, and where a key stands twice."""
    return f"CAST(TRY(from_json({text}, '\"MAP(VARCHAR, VARCHAR)\"')) AS MAP(VARCHAR, VARCHAR))"


def _get_json_object(called: Call) -> Term:
    called.expect(2)
    text, path = called.term(0, STRING), str(called.constant(1))
    if not re.fullmatch(r"\$(\.\w+|\[\d+\])*", path):
        called.refuse(f"the path {path!r}", "write it as $.name.name[0]")
    return Term(f"TRY(json_extract_string({text.sql}, {literal(path)}))", STRING, text.can_fail)


FUNCTIONS: Mapping[str, FunctionRule] = {
    **signatures(_SIMPLE),
    **dict.fromkeys(("substring", "substr"), FunctionRule(_substring)),
    **dict.fromkeys(("lpad", "rpad"), FunctionRule(_pad)),
    "concat": FunctionRule(_concat),
    "concat_ws": FunctionRule(_concat_ws),
    "regexp_replace": FunctionRule(_regexp_replace),
    "regexp_extract": FunctionRule(_regexp_extract),
    **dict.fromkeys(("regexp_like", "regexp", "rlike"), FunctionRule(_regexp_like)),
    "split": FunctionRule(_split),
    "split_part": FunctionRule(_split_part),
    "translate": FunctionRule(_translate),
    "sha2": FunctionRule(_sha2),
    "conv": FunctionRule(_conv),
    "from_json": FunctionRule(_from_json),
    "get_json_object": FunctionRule(_get_json_object),
}
