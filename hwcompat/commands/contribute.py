"""`hwcompat contribute`: show what would be published of a report, then write it to a checkout or fill in an issue."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hwcompat.console import give, json_option, output_option, say
from hwcompat.errors import DataError, UsageError

if TYPE_CHECKING:
    from hwcompat.contribute import Contribution, Edit, Link, Words
    from hwcompat.model import Report


@click.command()
@click.option(
    "--report",
    "report_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A report file. Default: the last run on this machine.",
)
@click.option("--id", "report_id", metavar="ID", help="A recorded report by its id.")
@click.option(
    "--checkout",
    type=click.Path(file_okay=False, path_type=Path),
    help="A checkout of hwcompat to write the row to. Default: this folder if it is one.",
)
@click.option("--contributor", default="", metavar="NAME", help="Your GitHub name, published with the row.")
@click.option("-y", "--yes", is_flag=True, help="Write without asking.")
@click.option("--dry-run", is_flag=True, help="Say what would be written and write nothing.")
@json_option
@output_option
def contribute(
    report_file: Path | None, report_id: str | None, checkout: Path | None, contributor: str, **options: Any
) -> int:
    """Offer this machine's row to the public matrix; shows every cell first, sends nothing itself."""
    from hwcompat import api
    from hwcompat import contribute as rules

    if report_file and report_id:
        raise UsageError("--report and --id both name a report", "leave out one of them")
    run = _named_report(report_file) if report_file else api.recorded_run(report_id)
    offer = api.contribution(run, contributor)
    folder = _checkout(checkout)
    _show(offer, run)
    if folder is None:
        return _give_link(offer, rules.issue_link(offer.rows), options["as_json"], options["output"])
    planned = rules.edits(folder / "matrix", offer.rows)
    written = _written(planned, options["yes"], options["dry_run"])
    texts = rules.words(offer.rows, offer.new_cards)
    if options["as_json"]:
        give(_json(offer, _checkout_facts(planned, texts, folder, written)), options["output"])
    elif written or options["dry_run"] or all(edit.there for edit in planned):
        give(_checkout_text(planned, texts, folder), options["output"])
    return 0


def _named_report(path: Path) -> Report:
    from hwcompat import report as reports

    return reports.read_report(path)


def _checkout(named: Path | None) -> Path | None:
    from hwcompat import contribute as rules

    if named is None:
        return here if rules.is_checkout(here := Path.cwd()) else None
    if not rules.is_checkout(named):
        raise DataError(f"{named} is not a checkout of hwcompat", "name the folder that holds its pyproject.toml")
    return named.absolute()


def _show(offer: Contribution, run: Report) -> None:
    """Every cell to stderr, before anything is asked, written or linked."""
    from hwcompat import contribute as rules

    say(f"of report {run.id} this would be published under CC0-1.0, and nothing else:", *rules.shown(offer.rows))
    say(*[f"no row of {reason}" for reason in offer.left_out])
    say(*[f"a new card, welcome: {text}" for text in offer.new_cards])
    if any(not row.level for row in offer.rows):
        say("not every core check ran: such a row can show a fault, it clears none")


# --- into a checkout --------------------------------------------------------------------------------------------------


def _written(planned: Sequence[Edit], yes: bool, dry_run: bool) -> bool:
    """Write if that was agreed to; says what happened."""
    from hwcompat import contribute as rules

    say(*[f"{edit.path}: {'has this row already' if edit.there else 'gets a row'}" for edit in planned])
    if all(edit.there for edit in planned):
        say("nothing changed")
        return False
    if dry_run or not (yes or _agreed()):
        say("nothing was written")
        return False
    rules.write(planned)
    say("written; nothing was committed or sent (a commit adds the name and address of your git settings)")
    return True


def _agreed() -> bool:
    if not _can_ask():
        say("nobody can be asked here: add --yes to write")
        return False
    return click.confirm("write this to the checkout?", err=True)


def _can_ask() -> bool:
    return sys.stdin.isatty()


def _checkout_text(planned: Sequence[Edit], texts: Words, folder: Path) -> str:
    from hwcompat import contribute as rules

    return "\n".join(
        (
            "# commit message",
            texts.commit_message,
            "",
            "# pull request",
            texts.subject,
            "",
            texts.body,
            "",
            "# to copy, in the checkout",
            *rules.git_lines(planned, texts, folder),
        )
    )


def _checkout_facts(planned: Sequence[Edit], texts: Words, folder: Path, written: bool) -> dict[str, Any]:
    return {
        "files": [{"path": edit.path.relative_to(folder).as_posix(), "there": edit.there} for edit in planned],
        "written": written,
        "commit_message": texts.commit_message,
        "pull_request": {"title": texts.subject, "body": texts.body},
    }


# --- as an issue ------------------------------------------------------------------------------------------------------


def _give_link(offer: Contribution, link: Link, as_json: bool, output: Path | None) -> int:
    from hwcompat import matrix as matrices

    say("open the link and send the form" if link.filled else "the row is too long for a link: paste it into the form")
    say("GitHub shows the name that you are signed in with")
    csv = matrices.to_text(offer.rows)
    if as_json:
        give(_json(offer, {"issue": link.url, "filled": link.filled, "csv": csv}), output)
    else:
        give(f"{link.url}\n\n{csv}", output)
    return 0


def _json(offer: Contribution, facts: dict[str, Any]) -> str:
    from hwcompat import matrix as matrices

    rows = [matrices.cells(row) for row in offer.rows]
    return json.dumps({"rows": rows, "left_out": offer.left_out, "new_cards": offer.new_cards, **facts}, indent=2)
