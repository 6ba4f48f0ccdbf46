"""What the emitters share: the header of comments, YAML scalars, and comparing a client's version."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from hwcompat.errors import MachineError
from hwcompat.model import Recommendation
from hwcompat.wording import ascii_line, gpu_words

WIDTH = 110
"""Columns of a comment."""

_DEVICE_WORDS = {"cpu": "CPU", "mps": "Apple GPU (mps)"}


def comments(sentences: Iterable[str]) -> str:
    """Each sentence as `# ...` lines of bounded width, continuation lines indented."""
    return "".join(f"# {line}\n" for sentence in sentences for line in _folded(" ".join(ascii_line(sentence).split())))


def _folded(sentence: str) -> Iterator[str]:
    line = ""
    for word in sentence.split(" "):
        if line.strip() and len(line) + len(word) >= WIDTH:
            yield line
            line = "   "
        line = f"{line} {word}" if line else word
    yield line


def provenance(rec: Recommendation) -> list[str]:
    """What the answer is for, what it rests on, and what to beware of."""
    subject = ", ".join(gpu_words(gpu) for gpu in rec.gpus) or _DEVICE_WORDS.get(rec.device, rec.device)
    system = " ".join(word for word in (rec.os, rec.arch) if word)
    driver = f", driver {rec.driver}" if rec.driver else ""
    return [
        *(f"repair first: {sentence}" for sentence in rec.repair),
        f"for: {subject}{f' on {system}' if system else ''}{driver}" + (f"; {rec.date}" if rec.date else ""),
        *(f"evidence: {sentence}" for sentence in rec.evidence),
        *(f"warning: {sentence}" for sentence in rec.warnings),
    ]


def scalar(value: Any) -> str:
    """A YAML scalar that every loader reads back with the same type: booleans bare, text always quoted."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    escaped = ascii_line(str(value)).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def require_trainable(rec: Recommendation) -> None:
    """A client's file without settings would train with the client's own defaults, so there is none. MachineError."""
    if not rec.trainable:
        reason = rec.warnings[0] if rec.warnings else "do not train on this card with this build"
        raise MachineError(reason, "install another build or use another card, then: hwcompat probe")


def release(version: str | None) -> tuple[int, ...] | None:
    """(8, 4, 80) of "8.4.80" or "8.4.80.post1"; None for None or for what is no version."""
    numbers = []
    for part in (version or "").lstrip("v").split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers) or None
