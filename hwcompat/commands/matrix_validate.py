"""`hwcompat matrix validate`."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path

import click

from hwcompat.console import give, json_option, output_option, say
from hwcompat.errors import DataError

SHOWN = 1000


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--most", type=click.IntRange(1), default=SHOWN, show_default=True, help="Findings told of each file.")
@json_option
@output_option
def validate(files: tuple[Path, ...], most: int, as_json: bool, output: Path | None) -> int:
    """Check row FILES against every rule; exit 1 if anything is to be corrected, 4 if a file holds no usable row."""
    from hwcompat import lint
    from hwcompat.wording import ascii_line

    rules = lint.Rules(lint.read_facts(datetime.now(timezone.utc).date().isoformat()))
    told, useless, rows, errors, cards = [], "", 0, 0, 0
    for path in files:
        check = lint.FileCheck(path, rules)
        findings = check.findings()
        shown = list(islice(findings, most))
        if [finding.rule for finding in shown] == ["files_are_readable"]:
            raise DataError(f"{path} {shown[0].problem}", shown[0].advice)
        hidden = [finding.kind for finding in findings] if len(shown) == most else []
        if hidden:
            say(f"{path}: {len(hidden)} more findings; --most N tells more")
        new = sum(finding.kind == lint.NEW for finding in shown) + hidden.count(lint.NEW)
        errors, cards, rows = errors + len(shown) + len(hidden) - new, cards + new, rows + check.usable
        if shown and not check.usable and not any(finding.rule == "files_hold_rows" for finding in shown):
            useless = useless or f"{path} holds no usable row: {shown[0]}"
        told += shown
    if as_json:
        give(json.dumps([finding._asdict() for finding in told], indent=1), output)
    elif told:
        give("\n".join(ascii_line(str(finding)) for finding in told), output)
    say(f"{rows} rows usable, {errors} findings, {cards} new cards")
    if useless:
        raise DataError(useless, "correct that line; see matrix/README.md")
    return 1 if errors else 0
