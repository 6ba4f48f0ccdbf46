"""`hwcompat matrix digests`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hwcompat.console import give, json_option, output_option, say

from ._rows import chosen_rows

if TYPE_CHECKING:
    from hwcompat.digests import Disagreement
    from hwcompat.model import Row


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@json_option
@output_option
def digests(files: tuple[Path, ...], as_json: bool, output: Path | None) -> int:
    """Tell which rows of one key (card, driver, build ...) hold different digests; exit 1 if any do."""
    from hwcompat import digests as rules
    from hwcompat import matrix as matrices
    from hwcompat import merging

    rows = merging.standing(chosen_rows(files))
    found = rules.disagreements(rows)
    if as_json:
        give(json.dumps([_disagreement_json(one, matrices.cells) for one in found], indent=2), output)
    else:
        give("\n".join(line for one in found for line in _disagreement_lines(one)) or "no disagreement", output)
    holding = sum(bool(row.exact_digest or row.fingerprint_digest) for row in rows)
    say(f"{holding} rows hold digests, {len(found)} keys disagree")
    return 1 if found else 0


def _disagreement_json(one: Disagreement, cells: Callable[[Row], dict[str, str]]) -> dict[str, Any]:
    rows = {"rows": [cells(row) for row in one.rows], "suspects": [row.report_id for row in one.suspects]}
    return {"kind": one.kind, "key": dict(one.key), "golden": one.golden, **rows}


def _disagreement_lines(one: Disagreement) -> list[str]:
    key = " ".join(value for value in one.key.values() if value)
    golden = f"most agree on {one.golden}" if one.golden else "no majority: more rows of this key are needed"
    lines = [f"{one.kind} digests of {key} differ; {golden}"]
    for row in one.rows:
        mark = "suspect" if one.golden and row in one.suspects else "       "
        digest = getattr(row, f"{one.kind}_digest")
        lines.append(f"  {mark}  {digest}  {row.date}  {row.contributor or 'anonymous'}  {row.report_id}")
    if one.golden:
        lines.append("  next, on the suspect: hwcompat probe --level full")
    return lines
