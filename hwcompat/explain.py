"""A Recommendation in full: what decided each setting, what was considered and lost, how to change the answer.

Only tells what the decision itself returned. Pure text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from textwrap import wrap
from typing import Any

from .model import CAPABILITIES, Pin, Recommendation, Setting
from .wording import ascii_line, gpu_words

WIDTH = 110
_PINS = ("torch", "cuda", "torchvision", "torchaudio", "index_url")


def explanation(rec: Recommendation) -> str:
    """The whole story as plain ASCII, section by section; empty sections are left out."""
    sections = (
        ("", [_subject(rec)]),
        ("Repair first", _commands(rec.repair)),
        ("Beware", _numbered(rec.warnings)),
        ("Evidence, strongest first", _numbered(rec.evidence)),
        ("Settings", _settings(rec)),
        ("What is believed of each precision", _verdicts(rec)),
        ("The torch build", _pin(rec, rec.pin) if rec.pin else ["none was chosen"]),
        ("Cautions", _cautions(rec)),
        ("Next", _commands(rec.next_steps)),
    )
    told = [_section(title, list(lines)) for title, lines in sections]
    return "\n".join(text for text in told if text)


def _section(title: str, lines: list[str]) -> str:
    body = "".join(f"{line}\n" for line in lines)
    return f"{title}\n{body}" if title and lines else body


def _subject(rec: Recommendation) -> str:
    machine = ", ".join(gpu_words(gpu) for gpu in rec.gpus) or rec.device
    facts = [" ".join(filter(None, (rec.os, rec.arch))), rec.driver and f"driver {rec.driver}"]
    facts += [rec.python and f"Python {rec.python}", rec.date]
    return ", ".join([machine, *(ascii_line(fact) for fact in facts if fact)])


def _commands(lines: Iterable[str]) -> Iterator[str]:
    """Never folded: they are there to be copied."""
    return (f"  {number}. {ascii_line(line)}" for number, line in enumerate(lines, 1))


def _numbered(sentences: Iterable[str]) -> Iterator[str]:
    for number, sentence in enumerate(sentences, 1):
        yield from _folded(f"  {number}. ", sentence)


def _folded(start: str, sentence: str) -> list[str]:
    """`sentence` after `start`, continued under its own first word; commands and links are never broken."""
    text = " ".join(ascii_line(sentence).split())
    return wrap(
        text, WIDTH, initial_indent=start, subsequent_indent=" " * len(start), break_long_words=False,
        break_on_hyphens=False,
    ) or [start.rstrip()]  # fmt: skip


def _settings(rec: Recommendation) -> Iterator[str]:
    for name, setting in rec.settings.items():
        if name not in _PINS:
            yield from _setting(name, setting)


def _setting(name: str, setting: Setting) -> Iterator[str]:
    yield f"  {name}: {_value(setting.value)}"
    yield from _folded("    because     ", setting.because)
    for text in setting.considered:
        yield from _folded("    considered  ", text)
    for text in setting.change:
        yield from _folded("    to change   ", text)


def _value(value: Any) -> str:
    return {True: "true", False: "false", None: "null"}.get(value) or ascii_line(str(value))


def _verdicts(rec: Recommendation) -> Iterator[str]:
    for name in CAPABILITIES:
        if name in rec.verdicts:
            verdict = rec.verdicts[name]
            yield from _folded(f"  {name:<9} ", f"{verdict.value}: {'; '.join(verdict.because) or 'nothing known'}")


def _pin(rec: Recommendation, pin: Pin) -> Iterator[str]:
    yield f"  torch {pin.torch}+{pin.tag}" + (" (installed)" if pin.installed else "")
    for text in pin.because:
        yield from _folded("    because     ", text)
    for text in pin.rejected:
        yield from _folded("    considered  ", text)
    for text in rec.settings["torch"].change if "torch" in rec.settings else ():
        yield from _folded("    to change   ", text)


def _cautions(rec: Recommendation) -> Iterator[str]:
    for caution in rec.cautions:
        remedy = f"; instead: {caution.workaround}" if caution.workaround else ""
        source = f" ({caution.source})" if caution.source else ""
        yield from _folded("  - ", f"{caution.operation}: {caution.detail}{remedy}{source}")
