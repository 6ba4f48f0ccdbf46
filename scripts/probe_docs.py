"""Writes docs/probes.md: for each probe the fault it hunts, the rule with its derivation, and the sources.

    python scripts/probe_docs.py [--check]

The text is that of the probes' own docstrings. --check changes nothing and exits 1 if the page is not up to date.
"""

from __future__ import annotations

import re
import sys
from itertools import groupby
from pathlib import Path

import generated_page

from hwcompat.probes import catalogue
from hwcompat.verdicts import CORE_EFFECT

PAGE = Path(__file__).parents[1] / "docs" / "probes.md"

INTRODUCTION = """\
# The probes

Generated from the probes' own docstrings by `scripts/probe_docs.py`; `hwcompat probe --list` prints the summaries, and
`hwcompat probe --list --only conv.forward` one of them whole. There are {count} probes in {families} families.

**Rules.** EXACT: the inputs are chosen so that every legal order of evaluation gives one bit pattern, and any other bit
is a fault. INTERVAL: the output, as rounded to its format, must lie within a bound that is derived where it stands.
FEATURE: legal variation, recorded and never a failure. SPEED: a ratio measured on the same card. There are no free
tolerances.

**Levels.** quick (seconds, one process), standard (the default), full (minutes). A level runs the probes of the levels
before it as well.

## From results to verdicts

A *core* probe decides about its precision; a failure of any other is a caution about that one operation.

| result of a core probe on default kernels | verdict of its precision at best | said |
|---|---|---|
{effects}
| pass, feature | ok | unless the speed says `slow`, or the card has no hardware for it: `emulated` |
| skipped | unknown, if nothing else was measured | |

A precision is `slow` only by a ratio against fp32 measured on the same card in the same run, with the whole interval
below 1; on a busy, noisy or throttled card it is unknown. bf16 without hardware (CUDA below 8.0, or a card that the
tables say has none) is `emulated`, never `ok`. AMP is never better than the kernels it runs.

"""


def page() -> str:
    """The whole page."""
    probes = catalogue.listing()
    families = {family: list(found) for family, found in groupby(probes, lambda probe: str(probe.id).split(".")[0])}
    effects = "\n".join(f"| {status} | {verdict} | {text} |" for status, (verdict, text) in CORE_EFFECT.items())
    parts = [INTRODUCTION.format(count=len(probes), families=len(families), effects=effects)]
    for family, found in families.items():
        parts.append(f"## {family}\n\n")
        parts += [entry(probe) for probe in found]
    return "".join(parts).rstrip("\n") + "\n"


def entry(probe: catalogue.Probe) -> str:
    """One probe's part of the page."""
    told = catalogue.described(probe)
    role = "core" if probe.core else "caution"
    facts = f"{probe.rule}, {probe.level}, {role}; {', '.join(probe.dtypes)}; {', '.join(probe.devices)}"
    lines = [f"### {probe.id}", "", f"*{facts}; version {probe.version}.* {_plain(told.summary)}", ""]
    for name in ("Hunts", "Rule", "Source"):
        lines += _part(probe.doc, name)
    return "\n".join(lines) + "\n"


def _part(doc: str, name: str) -> list[str]:
    """The lines of one part of a docstring: running text in paragraphs, indented lines (formulas) as they stand."""
    found = re.search(rf"^{name}: (.*?)(?=^(?:Hunts|Rule|Source): |\Z)", doc, flags=re.M | re.S)
    if not found:
        return []
    blocks = []
    for indented, group in groupby(found[1].strip().splitlines(), lambda line: line.startswith(" ")):
        lines = list(group)
        blocks.append(["```text", *(line[2:] for line in lines), "```"] if indented else [_plain(" ".join(lines))])
    blocks[0][0] = f"**{name}:** {blocks[0][0]}"
    return [line for block in blocks for line in (*block, "")]


def _plain(text: str) -> str:
    """Text that Markdown shows as it stands: formulas are full of asterisks, underscores and angle brackets.

    Code between backticks is left alone, since it shows backslashes; addresses become links.
    """
    return "".join(_piece(piece) for piece in re.split(r"(`[^`]*`|https?://[^\s,;]+)", text))


def _piece(piece: str) -> str:
    if piece.startswith("`"):
        return piece
    if piece.startswith(("http://", "https://")):
        address = piece.rstrip(".:)")
        return f"<{address}>{piece[len(address) :]}"
    return re.sub(r"([\\*_<>|~\[\]])", r"\\\1", piece)


if __name__ == "__main__":
    sys.exit(generated_page.main(PAGE, page, __doc__))
