"""Checks plain values against a type, with pydantic; a mistake is one line that names the key and the fix."""

import json
import math
import re
from functools import cache
from typing import Any

import yaml
from pydantic import PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from repobe.runs.values import whole

PLAINER = {  # pydantic's words, as patterns, and plainer ones
    r"^\w+ should": "should",
    r"an? (valid )?(dictionary|object)( or an instance of \w+)?": "a mapping of keys to values",
    r"a valid (tuple|array)": "a list",
    "a valid integer": "an integer",
    "a valid boolean": "true or false",
    "a valid string": "a text",
    "a valid": "a",
    " after validation, not 0": "",
}


@cache
def _adapter(kind: Any) -> TypeAdapter:
    return TypeAdapter(kind)


def checked(kind: Any, values: Any, where: str = "", strict: bool = False) -> Any:
    """`values` as `kind`, every number in its one spelling; ValueError, in one line, names the key and the fix.

    where: the place of the values in the file; messages put it before the key. strict: also refuse 1 for true and "7"
    for 7 if `kind` holds plain types such as int, as a method's Hyper does; the values must then be JSON's types.
    """
    try:
        adapter = _adapter(kind)
        return adapter.validate_json(json.dumps(values), strict=True) if strict else adapter.validate_python(values)
    except ValidationError as error:
        raise ValueError(_line(error.errors(include_url=False)[0], where, kind)) from None
    except PydanticUserError as error:
        raise ValueError(f"{where}: {str(error).splitlines()[0]}") from None


def _line(error: ErrorDetails, where: str, kind: Any) -> str:
    """One line about a mistake: the key, the value, what it should be."""
    loc = [part for part in error["loc"] if part != "[key]"]
    of_key = len(loc) < len(error["loc"])
    outer = [str(part) for part in ([where] if where else []) + (loc[:-1] if of_key else loc)]
    key, value, text = ".".join(outer) or "the top level", error["input"], error["msg"]
    if error["type"] == "value_error":
        return f"{key}: {text.removeprefix('Value error, ')}"
    if error["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        known = _known(_adapter(kind).json_schema(), loc[:-1])
        return f"{'.'.join(outer[:-1]) or 'the top level'}: unknown key {loc[-1]!r}; known here: {', '.join(known)}"
    if error["type"] in ("missing", "missing_argument"):
        return f"{'.'.join(outer[:-1]) or 'the top level'}: missing key {loc[-1]!r}{_meaning(kind, loc)}"
    for said, plainer in PLAINER.items():
        text = re.sub(said, plainer, text)
    return f"{key}: {_short(value)} {text}{_hint(error['type'], value)}"


def _meaning(kind: Any, loc: list) -> str:
    """The schema's description of a key, in brackets; empty if it has none."""
    schema = _adapter(kind).json_schema()
    said = _at(schema, loc[:-1])["properties"][loc[-1]].get("description")
    return f" ({said})" if said else ""


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _hint(kind: str, value: Any) -> str:
    """How to write a number that YAML reads as a text: 1e-3 needs a point, 1e5 a sign too, '7' no quotes."""
    if kind not in ("float_type", "int_type") or not isinstance(value, str):
        return ""
    try:
        number = float(value)
    except ValueError:
        return ""
    if not math.isfinite(number):
        return ""
    spelling = yaml.safe_dump(whole(number)).split()[0]
    if kind == "int_type":
        return f"; YAML reads this as a text, write {spelling}" if number.is_integer() else ""
    if power := re.fullmatch(r"([-+]?\d+)(\.\d*)?e([-+]?)(\d+)", value.strip(), re.IGNORECASE):
        spelling = f"{power[1]}{power[2] or '.0'}e{power[3] or '+'}{power[4]}"
    return f"; YAML reads this as a text, write {spelling}"


def _known(schema: dict, loc: list) -> list[str]:
    """The keys that a JSON schema knows at a place."""
    return list(_at(schema, loc)["properties"])


def _at(schema: dict, loc: list) -> dict:
    """The part of a JSON schema that describes a place."""
    node = schema
    for part in loc:
        node = _resolved(node, schema)
        named = [*node.get("patternProperties", {}).values(), node.get("additionalProperties"), node.get("items")]
        node = node.get("properties", {}).get(part) or next(inner for inner in named if inner)
    return _resolved(node, schema)


def _resolved(node: dict, schema: dict) -> dict:
    return schema["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
