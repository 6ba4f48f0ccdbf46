"""The part of JSON Schema (draft 2020-12) that the published schema of a report uses.

Reading a report needs no validator package this way; the tests compare every answer with a full one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

_Schema = Mapping[str, Any]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_integer(value: Any) -> bool:
    return _is_number(value) and (isinstance(value, int) or value.is_integer())


_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": _is_number,
    "integer": _is_integer,
}


def violation(value: Any, schema: _Schema, root: _Schema, where: str = "report") -> str | None:
    """The first way in which a parsed JSON `value` breaks `schema`, as "place: reason"; None if it is valid.

    `root` is the document whose `$defs` the references mean. Unknown keywords are ignored, as the standard says.
    """
    if "$ref" in schema and (found := violation(value, referred(schema, root), root, where)):
        return found
    if "anyOf" in schema:
        tried = [violation(value, one, root, where) for one in schema["anyOf"]]
        return None if None in tried else tried[0]
    if reason := _scalar_violation(value, schema):
        return f"{where}: {reason}"
    if isinstance(value, dict):
        return _object_violation(value, schema, root, where)
    if isinstance(value, list):
        return _array_violation(value, schema, root, where)
    return None


def referred(schema: _Schema, root: _Schema) -> _Schema:
    """What a `$ref` of the form "#/$defs/name" stands for."""
    target: _Schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    return target


def matches(pattern: str, value: str) -> bool:
    """True if `pattern` is found; its final `$` means the very end, as in ECMAScript (Python's lets a line feed by)."""
    return _searcher(pattern)(value) is not None


@lru_cache(maxsize=256)
def _searcher(pattern: str) -> Callable[[str], Any]:
    return re.compile(re.sub(r"\$$", r"\\Z", pattern)).search


def _scalar_violation(value: Any, schema: _Schema) -> str | None:
    types = schema.get("type", ())
    types = (types,) if isinstance(types, str) else types
    if types and not any(_TYPES[name](value) for name in types):
        return f"is not of type {' or '.join(types)}"
    if "const" in schema and (value != schema["const"] or isinstance(value, bool)):
        return f"is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        return f"is not one of {' '.join(schema['enum'])}"
    if isinstance(value, str):
        return _text_violation(value, schema)
    if _is_number(value) and not schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf):
        return "is out of range"
    return None


def _text_violation(value: str, schema: _Schema) -> str | None:
    if len(value) > schema.get("maxLength", math.inf):
        return f"is longer than {schema['maxLength']} characters"
    if "pattern" in schema and not matches(schema["pattern"], value):
        return f"{value[:40]!a} does not have the form {schema['pattern']}"
    return None


def _object_violation(value: Mapping[str, Any], schema: _Schema, root: _Schema, where: str) -> str | None:
    if missing := [name for name in schema.get("required", ()) if name not in value]:
        return f"{where}: has no {missing[0]!r}"
    if len(value) > schema.get("maxProperties", math.inf):
        return f"{where}: has more than {schema['maxProperties']} entries"
    found = (_entry_violation(name, item, schema, root, where) for name, item in value.items())
    return next(filter(None, found), None)


def _entry_violation(name: str, item: Any, schema: _Schema, root: _Schema, where: str) -> str | None:
    allowed = schema.get("properties", {}).get(name, schema.get("additionalProperties", True))
    if allowed is False:
        return f"{where}: {name[:40]!a} has no place here"
    if reason := _scalar_violation(name, schema.get("propertyNames", {})):
        return f"{where}: the name {name[:40]!a} {reason}"
    return None if allowed is True else violation(item, allowed, root, f"{where}.{ascii(name[:40])[1:-1]}")


def _array_violation(value: Sequence[Any], schema: _Schema, root: _Schema, where: str) -> str | None:
    if len(value) > schema.get("maxItems", math.inf):
        return f"{where}: has more than {schema['maxItems']} entries"
    found = (violation(item, schema.get("items", {}), root, f"{where}[{at}]") for at, item in enumerate(value))
    return next(filter(None, found), None)


# --- many documents ---------------------------------------------------------------------------------------------------

_Check = Callable[[Any], bool]
_KINDS = (str, dict, list, int, float, bool, type(None))
"""The types that a JSON parser gives."""


def compiled(schema: _Schema, root: _Schema) -> _Check:
    """A function that tells whether a parsed JSON value is valid, as `violation(...) is None` does, but many times
    faster: for thousands of documents, of which `violation` then explains the few that are not."""
    return _compiled(schema, root, {})


def _compiled(schema: _Schema, root: _Schema, known: dict[str, _Check]) -> _Check:
    if "$ref" in schema:
        meant = _reference(schema["$ref"], schema, root, known)
        rest = {name: item for name, item in schema.items() if name not in ("$ref", "description", "$defs")}
        own = _compiled(rest, root, known) if rest else _always
        return meant if own is _always else lambda value: meant(value) and own(value)
    if "anyOf" in schema:
        either = [_compiled(one, root, known) for one in schema["anyOf"]]
        return lambda value: any(check(value) for check in either)
    makers: dict[Any, Callable[..., _Check]] = {dict: _object_check, list: _array_check}
    by_kind = {kind: makers.get(kind, _scalar_check)(kind, schema, root, known) for kind in _KINDS}
    return lambda value: by_kind[type(value)](value)


def _reference(name: str, schema: _Schema, root: _Schema, known: dict[str, _Check]) -> _Check:
    """What a `$ref` stands for, compiled once; a schema that refers to itself is looked up when a value is checked."""
    if name not in known:
        known[name] = lambda value: known[name](value)
        known[name] = _compiled(referred(schema, root), root, known)
    return known[name]


def _always(_value: Any) -> bool:
    return True


def _never(_value: Any) -> bool:
    return False


def _has_type(kind: type, schema: _Schema) -> bool:
    types = schema.get("type", tuple(_TYPES))
    names = (types,) if isinstance(types, str) else types
    return any(_TYPES[name](kind()) for name in names)


def _scalar_check(kind: type, schema: _Schema, _root: _Schema, _known: dict[str, _Check]) -> _Check:
    if not _has_type(kind, schema):
        return _never
    if kind is str and not schema.keys() & {"enum", "const"}:
        return _text_check(schema)
    whole_only = kind is float and _scalar_violation(0.5, {"type": schema.get("type", ())}) is not None
    if not schema.keys() & {"enum", "const", "minimum", "maximum"} and not whole_only:
        return _always
    return lambda value: _scalar_violation(value, schema) is None


def _text_check(schema: _Schema) -> _Check:
    limit = schema.get("maxLength", math.inf)
    if "pattern" not in schema:
        return (lambda value: len(value) <= limit) if "maxLength" in schema else _always
    found = _searcher(schema["pattern"])
    return lambda value: len(value) <= limit and found(value) is not None


def _object_check(_kind: type, schema: _Schema, root: _Schema, known: dict[str, _Check]) -> _Check:
    if not _has_type(dict, schema):
        return _never
    own = {name: _compiled(one, root, known) for name, one in schema.get("properties", {}).items()}
    rest = schema.get("additionalProperties", True)
    other = _compiled(rest, root, known) if isinstance(rest, dict) else _always if rest else _never
    name_ok = _scalar_check(str, schema["propertyNames"], root, known) if "propertyNames" in schema else None
    required, limit = frozenset(schema.get("required", ())), schema.get("maxProperties", math.inf)

    def check(value: Any) -> bool:
        if len(value) > limit or not required <= value.keys():
            return False
        if name_ok is not None and not all(map(name_ok, value)):
            return False
        return all(own.get(name, other)(item) for name, item in value.items())

    return check


def _array_check(_kind: type, schema: _Schema, root: _Schema, known: dict[str, _Check]) -> _Check:
    if not _has_type(list, schema):
        return _never
    limit = schema.get("maxItems", math.inf)
    item_ok = _compiled(schema["items"], root, known) if schema.get("items") else _always
    return lambda value: len(value) <= limit and all(map(item_ok, value))
