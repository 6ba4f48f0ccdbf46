"""The elements of the lists of a large JSON object, one after the other: memory holds one element at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from hwcompat.errors import DataError

CHUNK = 2**18
MOST_ELEMENT = 16 * 2**20
"""Characters of one element: a polygon of a million points fits."""
_SPACE = re.compile(r"[ \t\r\n]*")
_SIGNS = re.compile(r'["\\\[\]{}]')


class Element(NamedTuple):
    section: str
    position: int
    line: int
    value: Any


def elements(path: Path, wanted: Collection[str]) -> Iterator[Element]:
    """The elements of the lists named `wanted` of the outermost object. DataError for what is no such JSON."""
    try:
        with path.open(encoding="utf-8-sig") as handle:
            yield from _Reader(handle).read(wanted)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}", "check the path") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no JSON of annotations: {error}", "hand in an intact file") from None


class _Reader:
    def __init__(self, handle: TextIO) -> None:
        self.handle, self.text, self.at, self.line, self.ended = handle, "", 0, 1, False
        self.decoder = json.JSONDecoder()

    def read(self, wanted: Collection[str]) -> Iterator[Element]:
        self._expect("{")
        if self._peek() == "}":
            return
        while True:
            key = self._value()
            self._expect(":")
            if key in wanted and self._peek() == "[":
                yield from self._list(str(key))
            else:
                self._skip()
            if self._peek() != ",":
                self._expect("}")
                return
            self._expect(",")

    def _list(self, section: str) -> Iterator[Element]:
        self._expect("[")
        if self._peek() == "]":
            self._expect("]")
            return
        index = 0
        while True:
            self._peek()
            line = self.line
            yield Element(section, index, line, self._value())
            index += 1
            if self._peek() != ",":
                self._expect("]")
                return
            self._expect(",")

    def _more(self) -> bool:
        """Read on; what was used is forgotten. False at the end of the file."""
        piece = self.handle.read(max(CHUNK, len(self.text) - self.at))
        self.text = self.text[self.at :] + piece
        self.at = 0
        self.ended = not piece
        return bool(piece)

    def _move(self, to: int) -> None:
        self.line += self.text.count("\n", self.at, to)
        self.at = to

    def _peek(self) -> str:
        """The next sign that is no space; empty at the end."""
        while True:
            found = _SPACE.match(self.text, self.at)
            self._move(found.end() if found else self.at)
            if self.at < len(self.text):
                return self.text[self.at]
            if not self._more():
                return ""

    def _expect(self, sign: str) -> None:
        if self._peek() != sign:
            raise ValueError(f"line {self.line}: {sign!r} expected")
        self._move(self.at + 1)

    def _value(self) -> Any:
        """One whole value; more is read until it is whole, up to MOST_ELEMENT."""
        self._peek()
        while True:
            try:
                value, end = self.decoder.raw_decode(self.text, self.at)
                if end < len(self.text) or self.ended or not self._more():
                    self._move(min(end, len(self.text)))
                    return value
            except ValueError:
                if self.ended or len(self.text) - self.at > MOST_ELEMENT or not self._more():
                    raise ValueError(f"line {self.line}: no value, or one beyond {MOST_ELEMENT} characters") from None

    def _skip(self) -> None:
        """Pass over one value without keeping it: a list by its elements, an object of any size sign by sign."""
        if self._peek() == "[":
            for _ in self._list(""):
                pass
            return
        if self._peek() != "{":
            self._value()
            return
        depth, quoted = 0, False
        while True:
            for found in _SIGNS.finditer(self.text, self.at):
                if found.start() < self.at:
                    continue  # escaped
                sign = found[0]
                if sign == "\\" and found.end() == len(self.text):
                    self._move(found.start())
                    break
                if sign == "\\":
                    self._move(found.end() + 1)
                    continue
                self._move(found.end())
                quoted = quoted != (sign == '"')
                depth += 0 if quoted or sign == '"' else 1 if sign in "[{" else -1
                if depth == 0 and not quoted:
                    return
            else:
                self._move(len(self.text))
            if not self._more():
                raise ValueError(f"line {self.line}: the file ends within a value")
