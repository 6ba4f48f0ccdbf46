"""Where a row comes from: its id, its link, what it says of the run."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hwcompat.lint.findings import Complaint, Facts, row_rule

_IDS = {
    "measured": (re.compile(r"[0-9a-f]{16}"), "the 16 hex digits of the report"),
    "reported": (re.compile(r"reported-[0-9a-f]{12}"), "reported- and 12 hex digits"),
}
_REQUIRED = ("gpu", "os", "arch", "torch", "cuda", "date", "hwcompat", "suite", "report_id")


@row_rule("source")
def rows_have_a_source(facts: Facts, source: str) -> Iterator[Complaint]:
    """Every row says whether it was measured or reported."""
    if not source:
        yield Complaint("source", "", "empty", "write measured (by hwcompat probe) or reported (read somewhere)")


@row_rule("source", "report_id", remembered=False)
def report_ids_have_their_form(facts: Facts, source: str, report_id: str) -> Iterator[Complaint]:
    """A measured row carries the ids of its reports, sorted and each once, a reported one the hash over its cells."""
    if source in _IDS and report_id:
        form, what = _IDS[source]
        ids = report_id.split(" ") if source == "measured" else [report_id]
        if ids != sorted(set(ids)) or not all(map(form.fullmatch, ids)):
            yield Complaint("report_id", report_id, f"not {what}, as a {source} row has it", "restore the row's own id")


@row_rule("report_id", "supersedes")
def supersedes_names_other_reports(facts: Facts, report_id: str, supersedes: str) -> Iterator[Complaint]:
    """A row replaces rows of other reports, named by their ids, sorted and each once."""
    if supersedes:
        ids = supersedes.split(" ")
        if ids != sorted(set(ids)) or not all(any(form.fullmatch(one) for form, _ in _IDS.values()) for one in ids):
            yield Complaint("supersedes", supersedes, "not a sorted list of report ids", "name the ids of the old rows")
        elif own := {*ids} & {*report_id.split(" ")}:
            yield Complaint("supersedes", own.pop(), "the row's own id", "take it out, or give the new row an id")


@row_rule("source", "report_id", remembered=False)
def reported_rows_have_an_id(facts: Facts, source: str, report_id: str) -> Iterator[Complaint]:
    """A reported row has an id, so that it can be found, superseded and counted once."""
    if source == "reported" and not report_id:
        yield Complaint("report_id", "", "empty", "see matrix/README.md for how the id of a reported row is made")


@row_rule("source", "url")
def reported_rows_link_their_source(facts: Facts, source: str, url: str) -> Iterator[Complaint]:
    """What was read somewhere says where."""
    if source == "reported" and not url:
        yield Complaint("url", "", "a reported row without a link", "give the https address of the report")


@row_rule("source", *_REQUIRED, remembered=False)
def measured_rows_say_how_they_were_made(facts: Facts, source: str, *cells: str) -> Iterator[Complaint]:
    """A measured row names card, system, build, date, versions and report."""
    if source == "measured" and not all(cells):
        for name, value in zip(_REQUIRED, cells, strict=True):
            if not value:
                yield Complaint(name, "", "empty in a measured row", "take the row that hwcompat contribute prints")
