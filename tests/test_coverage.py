"""Counts of rows equal plain counting; the wanted list loses exactly what a new row measures."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_query import realistic

from hwcompat import coverage, matrix, merging, tables
from hwcompat.model import Row

KNOWN = tables.load_tables()


@settings(deadline=None)
@given(st.lists(realistic(), max_size=10))
def test_counts_equal_plain_counting(rows: list[Row]):
    counted = coverage.coverage(rows)
    assert counted.rows == counted.measured + counted.reported == len(rows)
    for values in counted.by.values():
        assert sum(values.values()) == len(rows)
        assert list(values.values()) == sorted(values.values(), reverse=True)
    for chip, count in counted.by["chip"].items():
        assert count == len([row for row in rows if (row.chip or "unknown") == chip])
    dates = sorted(row.date for row in rows if row.date)
    assert (counted.oldest, counted.newest) == ((dates[0], dates[-1]) if dates else ("", ""))


def test_withdrawn_rows_count_nowhere_else():
    row = Row(gpu="x", chip="TU116", source="measured", report_id="a" * 16, contributor="ann")
    counted = coverage.coverage([row, row._replace(report_id="b" * 16, retracted="loose riser")])
    assert (counted.rows, counted.withdrawn, counted.observations, counted.contributors) == (1, 1, 1, 1)
    assert counted.by["chip"] == {"TU116": 1}


def test_a_row_of_two_reports_is_two_observations():
    row = Row(gpu="x", chip="TU116", source="measured", report_id=f"{'a' * 16} {'b' * 16}")
    assert coverage.coverage([row]).observations == 2


@pytest.mark.parametrize(
    ("version", "release"),
    [("2.6.0+cu124", "2.6"), ("2.10.1", "2.10"), ("2.0.0", "2.0"), ("2", "2.0"), ("2.3.0a0+git", "2.3"), ("", "")],
)
def test_the_minor_release_of_a_version(version: str, release: str):
    assert coverage.minor(version) == release


def entry(rows: list[Row], chip: str) -> coverage.Wanted | None:
    return next((one for one in coverage.wanted(rows, KNOWN) if one.chip == chip), None)


def test_without_any_row_every_chip_that_a_build_serves_is_wanted_common_cards_first():
    lacking = coverage.wanted([], KNOWN)
    served = {c.chip for c in KNOWN.cards if coverage.releases_for([c], KNOWN)}
    assert {one.chip for one in lacking} == served
    assert len(lacking) == len(served)
    assert lacking[0].segment == "geforce"
    assert all(1 <= len(one.torch) <= coverage.CURRENT for one in lacking)
    assert all(one.torch == tuple(sorted(one.torch, key=tables.tablerows.version_key, reverse=True)) for one in lacking)


def test_a_measured_row_takes_its_release_off_the_list_and_a_reported_or_withdrawn_one_does_not():
    before = entry([], "TU116")
    row = Row(gpu="NVIDIA GeForce GTX 1660", chip="TU116", torch=f"{before.torch[0]}.0+cu126", source="measured")
    row = row._replace(report_id="a" * 16)
    after = entry([row], "TU116")
    assert after.torch == before.torch[1:]
    assert after.measured == 1
    assert entry([row._replace(retracted="loose riser")], "TU116") == before
    assert entry([row._replace(source="reported")], "TU116").torch == before.torch
    every = [row._replace(torch=f"{release}.0", report_id=f"{n:016x}") for n, release in enumerate(before.torch)]
    assert entry(every, "TU116") is None


def test_what_people_report_on_comes_first_and_a_name_of_several_chips_counts_for_each_in_part():
    rows = [Row(gpu="Tesla P40", source="reported", report_id=f"reported-{n}") for n in range(3)]
    assert coverage.wanted(rows, KNOWN)[0].chip == "GP102"
    assert coverage.wanted(rows, KNOWN)[0].reports == 3
    chips = {card.chip for card in tables.find_cards("NVIDIA GeForce GTX 1650", KNOWN)}
    shared = [Row(gpu="NVIDIA GeForce GTX 1650", source="reported", report_id="reported-1")]
    found = [one for one in coverage.wanted(shared, KNOWN) if one.reports]
    assert {one.chip for one in found} == chips
    assert sum(one.reports for one in found) == pytest.approx(1, abs=0.02)


def test_the_order_of_the_rows_does_not_matter():
    rows = list(matrix.load_rows(KNOWN.folders)[0])
    assert coverage.wanted(rows, KNOWN) == coverage.wanted(rows[::-1], KNOWN)
    assert coverage.coverage(rows) == coverage.coverage(rows[::-1])
    assert coverage.coverage(rows).rows == len(merging.standing(rows))


def test_the_command_prints_lines_and_json(command: list[str], tmp_path: Path):
    path = tmp_path / "rows.csv"
    matrix.write_rows(path, [Row(gpu="Tesla T4", chip="TU104", source="measured", report_id="a" * 16, os="linux")])
    env = dict(os.environ, PYTHONPATH=str(Path(__file__).resolve().parents[1]))

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [*command, "matrix", "stats", str(path), *arguments], env=env, capture_output=True, text=True, check=True
        )
        return done.stdout

    text = run("--limit", "2")
    assert "1 rows count (1 measured, 0 reported)" in text
    assert "by chip: TU104 1" in text
    assert text.isascii()
    listed = text.splitlines()
    start = next(at for at, line in enumerate(listed) if line.startswith("chip "))
    assert len(listed[start:]) == 4
    found = json.loads(run("--json"))
    assert found["by"]["os"] == {"linux": 1}
    assert next(one for one in found["wanted"] if one["chip"] == "TU104")["measured"] == 1
