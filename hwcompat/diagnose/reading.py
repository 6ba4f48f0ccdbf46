"""Files of other people's programs -> text and flat settings with their lines. Nothing in a file is run or expanded.

A file is read whole only below a stated size. YAML is read node by node: no object of any class is made, an alias is
followed only within a count, depth is bounded, and every value keeps its line.
"""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hwcompat.errors import DataError

MOST_BYTES = 2 * 2**20
MOST_NODES = 200_000
MOST_DEPTH = 64
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


class Document(NamedTuple):
    """A parsed file: `values` by dotted path ("fp16.enabled"), with the line of each and the text it was written as."""

    values: Mapping[str, Any]
    lines: Mapping[str, int]
    written: Mapping[str, str]
    text: str

    def top(self) -> tuple[str, ...]:
        """The keys of the outermost mapping."""
        return tuple(key for key in self.values if "." not in key)


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """The text of a regular file of at most `most` bytes; UTF-8, or UTF-16 where a mark says so. DataError."""
    data = read_bytes(path, most)
    encoding = next((name for mark, name in _BOMS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text in UTF-8: {error.reason}", "save it as UTF-8") from None


def read_bytes(path: Path, most: int) -> bytes:
    """The bytes of a regular file; DataError for a folder, a device, a missing or a larger file."""
    size = file_size(path)
    if size > most:
        raise DataError(f"{path} has {size} bytes, more than the {most} that are read", "hand in a smaller part of it")
    try:
        with path.open("rb") as handle:
            return handle.read(most + 1)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}", "check the path and your rights") from None


def file_size(path: Path) -> int:
    """Bytes of a regular file; DataError for anything else (a pipe or a device might never end)."""
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {getattr(error, 'strerror', error)}", "check the path") from None
    if not stat.S_ISREG(found.st_mode):
        raise DataError(f"{path} is no regular file", "name a file")
    return found.st_size


def read_document(path: Path) -> Document:
    """A YAML or JSON file of settings, flattened. DataError where it is neither, or no mapping."""
    text = read_text(path)
    if path.suffix.lower() == ".json" or text.lstrip()[:1] == "{":
        return _json(path, text)
    return _yaml(path, text)


def _json(path: Path, text: str) -> Document:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no JSON: {_short(error)}", "correct that place") from None
    if not isinstance(parsed, dict):
        raise DataError(f"{path} holds no settings: its outermost value is no object", "name the client's own file")
    values = dict(_flat(parsed, ""))
    return Document(values, _json_lines(text, values), {}, text)


def _flat(value: Any, name: str, depth: int = 0) -> Iterator[tuple[str, Any]]:
    if name:
        yield name, value
    if isinstance(value, dict) and depth < MOST_DEPTH:
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key), depth + 1)


def _json_lines(text: str, values: Mapping[str, Any]) -> dict[str, int]:
    """The line of each key: JSON's reader keeps none, so the quoted key is looked for after that of its parent."""
    places: dict[str, int] = {}
    for name in values:
        parent, _, last = name.rpartition(".")
        found = re.compile(re.escape(json.dumps(last)) + r"\s*:").search(text, places.get(parent, 0))
        if found:
            places[name] = found.start()
    breaks = [at for at, sign in enumerate(text) if sign == "\n"]
    from bisect import bisect_left

    return {name: bisect_left(breaks, at) + 1 for name, at in places.items()}


# --- YAML -------------------------------------------------------------------------------------------------------------


def _yaml(path: Path, text: str) -> Document:
    import yaml

    try:
        _refuse_depth(yaml, text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        walk = _Walk(yaml)
        walk.mapping(node, "", 0) if isinstance(node, yaml.MappingNode) else None
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        raise DataError(f"{path} is no YAML that can be read: {_short(error)}", "correct that place") from None
    if not walk.values:
        raise DataError(f"{path} holds no settings: its outermost value is no mapping", "name the client's own file")
    return Document(walk.values, walk.lines, walk.written, text)


def _refuse_depth(yaml: Any, text: str) -> None:
    """Deep nesting costs the parser quadratic time, so it is counted beforehand, token by token."""
    depth = 0
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        name = type(token).__name__
        depth += name.endswith("StartToken") - name.endswith("EndToken")
        if depth > MOST_DEPTH + 2:
            raise ValueError(f"more than {MOST_DEPTH} levels")


class _Walk:
    """Visits each node once for each way that leads to it, and counts the visits."""

    def __init__(self, yaml: Any) -> None:
        self.yaml = yaml
        self.loader = yaml.SafeLoader("")
        self.left = MOST_NODES
        self.values: dict[str, Any] = {}
        self.lines: dict[str, int] = {}
        self.written: dict[str, str] = {}

    def mapping(self, node: Any, name: str | None, depth: int) -> dict[str, Any]:
        """`name` is the dotted path of the mapping, "" of the outermost; None in a list, where keys have no path."""
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                found = {**self._merged(value_node, name, depth), **found}
                continue
            key = str(self.value(key_node, None, depth + 1))
            inner = None if name is None else f"{name}.{key}" if name else key
            if inner is not None:
                self.lines[inner] = key_node.start_mark.line + 1
            found[key] = self.value(value_node, inner, depth + 1)
        return found

    def _merged(self, node: Any, name: str | None, depth: int) -> dict[str, Any]:
        parts = node.value if isinstance(node, self.yaml.SequenceNode) else [node]
        maps = [self.mapping(part, name, depth + 1) for part in parts if isinstance(part, self.yaml.MappingNode)]
        return {key: value for part in reversed(maps) for key, value in part.items()}

    def value(self, node: Any, name: str | None, depth: int) -> Any:
        """The plain value of a node; a tag that asks for an object leaves the text it was written as."""
        self.left -= 1
        if self.left < 0 or depth > MOST_DEPTH:
            raise ValueError(f"more than {MOST_NODES} values or {MOST_DEPTH} levels")
        if isinstance(node, self.yaml.MappingNode):
            found: Any = self.mapping(node, name, depth)
        elif isinstance(node, self.yaml.SequenceNode):
            found = [self.value(each, None, depth + 1) for each in node.value]
        else:
            found = self._scalar(node)
            if name is not None:
                self.written[name] = node.value if node.style is None else repr(node.value)
        if name is not None:
            self.values[name] = found
        return found

    def _scalar(self, node: Any) -> Any:
        if node.tag not in self.yaml.SafeLoader.yaml_constructors:
            return node.value
        try:
            return self.loader.construct_object(node)
        except self.yaml.YAMLError:
            return node.value


def _short(error: BaseException) -> str:
    mark = getattr(error, "problem_mark", None)
    text = " ".join(str(getattr(error, "problem", None) or error).split())[:160]
    return f"line {mark.line + 1}: {text}" if mark else text or type(error).__name__


def number(value: Any) -> float | None:
    """`value` as a number; also text such as "1e-3", which YAML 1.1 does not take for one. None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None
