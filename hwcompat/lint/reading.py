"""A file -> its lines and cells, in bounded memory, whatever the file holds."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from hwcompat.matrix import MAX_LINE

MAX_FILE = 2 * 2**30
"""Bytes. A million rows are about 400 MB; git hosts refuse files of 100 MB."""
MAX_ROWS = 5_000_000
BOM = b"\xef\xbb\xbf"
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
"""As the reader of the matrix: control characters, direction overrides, lone surrogates, a BOM inside."""
_CHUNK = 1 << 20
_WIDE = re.compile("(?:\x00[\x00-\x7f]|[\x00-\x7f]\x00){4}")


class Line(NamedTuple):
    """A line without its line feed. `excess`: bytes of an overlong line that were not kept."""

    number: int
    content: bytes
    ended: bool  # by a line feed
    excess: int = 0


class BadLineError(Exception):
    """Why a line cannot be split: column (or "line"), what stands there, what is wrong, what to do, which rule."""

    def __init__(self, column: str, value: str, problem: str, rule: str, advice: str) -> None:
        super().__init__(problem)
        self.column, self.value, self.problem, self.rule, self.advice = column, value, problem, rule, advice


class TooLargeError(Exception):
    """More than MAX_FILE bytes came, from a pipe or device that does not say its size."""


def lines_of(file: BinaryIO, limit: int = MAX_FILE) -> Iterator[Line]:
    """Every line; of one longer than MAX_LINE only the first MAX_LINE bytes are kept, the rest is counted.

    TooLargeError after `limit` bytes, so that a pipe without end has one.
    """
    number = total = 0
    while content := file.readline(MAX_LINE + 2):
        number += 1
        total += len(content)
        if content.endswith(b"\n"):
            yield Line(number, content[:-1], True)
        elif len(content) < MAX_LINE + 2:
            yield Line(number, content, False)
        else:
            excess, ended = _skip_rest(file, limit - total)
            total += excess
            yield Line(number, content[:MAX_LINE], ended, len(content) - MAX_LINE + excess)
        if total > limit:
            raise TooLargeError


def _skip_rest(file: BinaryIO, most: int) -> tuple[int, bool]:
    skipped = 0
    while skipped <= most and (chunk := file.readline(_CHUNK)):
        skipped += len(chunk)
        if chunk.endswith(b"\n"):
            return skipped, True
    return skipped, False


def cells_of(line: Line, header: tuple[str, ...] = ()) -> list[str]:
    """The cells of a line without its carriage return. BadLineError if it is too long, not text, or not CSV."""
    length = len(line.content) + line.excess
    if length > MAX_LINE:
        raise BadLineError(
            "line", "", f"{length} bytes, the limit is {MAX_LINE}", "lines_are_short", "shorten the note and failures"
        )
    return split(_text(line, header))


def _text(line: Line, header: tuple[str, ...]) -> str:
    content = line.content.removesuffix(b"\r")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        at = _column_at(content[: error.start].decode("utf-8"), header)
        raise BadLineError(
            at, f"byte 0x{content[error.start]:02x}", f"not UTF-8 at byte {error.start + 1} of the line",
            "files_are_utf8", "save the file as UTF-8",
        ) from None  # fmt: skip
    if not text.isprintable() and (found := CONTROL.search(text)):
        wide = "this looks like UTF-16: " if _WIDE.search(text) else ""
        raise BadLineError(
            _column_at(text[: found.start()], header), "", f"control character U+{ord(found[0]):04X}",
            "cells_are_printable", f"{wide}save the file as UTF-8 text and take the character out",
        )  # fmt: skip
    return text


def _column_at(before: str, header: tuple[str, ...]) -> str:
    """The column in which a line goes on after `before`."""
    try:
        at = len(next(csv.reader([CONTROL.sub(" ", before) + "x"], strict=False))) - 1
    except (csv.Error, StopIteration):
        return "line"
    return header[at] if at < len(header) else "line"


def split(text: str) -> list[str]:
    """The cells of one line of text. BadLineError for quotes that do not pair."""
    if '"' not in text:
        return text.split(",")
    try:
        return next(csv.reader([text], strict=True))
    except (csv.Error, StopIteration) as error:
        raise BadLineError(
            "line",
            "",
            f"broken quotes: {error}",
            "quotes_pair",
            'write a quote inside a cell as "", the cell in quotes',
        ) from None


def joined(cells: list[str] | tuple[str, ...]) -> str:
    """The line that a matrix file holds for these cells: quotes only where needed."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()
