"""Merging rows: the laws, what is a re-submission and what is not, what is withdrawn."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_matrix import ROW, any_row

from hwcompat import matrix, merging
from hwcompat.model import Row

A, B, C = ("00000000000000aa", "00000000000000bb", "00000000000000cc")

# Few values, so that copies, re-submissions, contradictions and withdrawals of a few reports meet.
_few = {
    "report_id": st.sampled_from(["", A, B, C, f"{B} {A}", f"{A} {C}", "reported-1"]),
    "supersedes": st.sampled_from(["", "", A, f"{C} {B}"]),
    "retracted": st.sampled_from(["", "", "broken fan"]),
    "contributor": st.sampled_from(["", "ann", "bob"]),
    "source": st.sampled_from(["measured", "measured", "reported", ""]),
    "date": st.sampled_from(["", "2026-11-20", "2026-11-21"]),
    "fp32_tflops": st.sampled_from(["", "5", "5.12"]),
    "fp16": st.sampled_from(["ok", "faulty"]),
    "url": st.sampled_from(["", "https://example.org/1"]),
    "note": st.sampled_from(["", "hot", "cold"]),
}
close_row = st.builds(lambda cells: ROW._replace(**cells), st.fixed_dictionaries(_few))
row_lists = st.lists(close_row | any_row, max_size=6)


@example([ROW._replace(supersedes="\r")])
@given(row_lists)
def test_merging_with_itself_changes_nothing(rows: list[Row]):
    once = merging.merge(rows)
    assert merging.merge(once) == merging.merge(once, once) == merging.merge(rows, rows) == once


@given(row_lists, row_lists)
def test_the_order_of_merging_does_not_matter(a: list[Row], b: list[Row]):
    assert merging.merge(a, b) == merging.merge(b, a) == merging.merge(reversed([*a, *b]))


@settings(max_examples=400)
@given(row_lists, row_lists, row_lists)
def test_merging_in_groups_does_not_matter(a: list[Row], b: list[Row], c: list[Row]):
    merge = merging.merge
    assert merge(merge(a, b), c) == merge(a, merge(b, c)) == merge(a, b, c)


@given(row_lists)
def test_a_merged_collection_is_written_as_it_is(rows: list[Row]):
    """So the laws hold for files too: writing joins nothing that merging kept apart."""
    once = merging.merge(map(matrix.clean_row, rows))
    assert matrix.merge(once) == once


@given(row_lists)
def test_no_report_verdict_or_voice_is_lost(rows: list[Row]):
    def said(all_rows):
        return {
            (one, row.contributor, row.retracted, row.fp16, row.failures, row.exact_digest)
            for row in all_rows
            for one in merging.report_ids(row) or [row]
        }

    assert said(merging.merge(rows)) == said(rows)


def again(report_id: str = B, **cells: str) -> Row:
    return ROW._replace(report_id=report_id, **cells)


def test_a_resubmission_is_no_new_row_and_one_observation_more():
    newer = again(date="2026-11-22", fp32_tflops="5.13", note="second run")
    (row,) = merging.merge([ROW], [newer], [ROW])
    assert row == newer._replace(report_id=f"{A} {B}")
    assert merging.report_ids(row) == (A, B)
    assert merging.merge([row], [ROW]) == (row,)


@pytest.mark.parametrize(
    "difference",
    [
        {"fp16": "ok"},
        {"failures": ""},
        {"exact_digest": "f" * 16},
        {"driver": "560.1"},
        {"torch": "2.7.0+cu124"},
        {"pci_subsystem": "1458:3fc7"},
        {"contributor": "bob"},
        {"level": "quick"},
        {"suite": "2"},
        {"retracted": "broken fan"},
    ],
    ids=lambda cells: next(iter(cells)),
)
def test_what_says_something_else_or_comes_from_somebody_else_is_a_row_of_its_own(difference: dict[str, str]):
    assert len(merging.merge([ROW], [again(**difference)])) == 2


def test_reports_of_users_are_never_folded():
    told = ROW._replace(source="reported", report_id="reported-1", url="https://example.org/1")
    assert len(merging.merge([told], [told._replace(report_id="reported-2")])) == 2
    assert len(merging.merge([told], [told])) == 1


def test_the_list_of_reports_is_bounded_and_fits_into_its_cell():
    many = [again(f"{n:016x}") for n in range(1000)]
    (row,) = merging.merge(many)
    assert len(merging.report_ids(row)) == 120
    assert len(row.report_id) <= merging.MAX_CELL == matrix.COLUMNS[Row._fields.index("report_id")].limit
    assert merging.merge(merging.merge(many[:500]), merging.merge(many[300:])) == (row,)


@given(st.lists(st.text("abc", min_size=1, max_size=900), max_size=5), st.lists(st.text("ab", min_size=1), max_size=5))
def test_bounding_does_not_depend_on_the_order_of_arrival(long: list[str], short: list[str]):
    rows = [again(text) for text in [*long, *short]]
    merge = merging.merge
    assert merge(merge(rows[:3]), rows[3:]) == merge(rows[:3], merge(rows[3:])) == merge(rows)


def test_a_row_added_to_a_file_joins_its_like_and_leaves_the_others_alone(tmp_path):
    path = tmp_path / "x.csv"
    others = [again(C, fp16="ok", failures=""), again("00000000000000dd", fp16="ok", failures="")]
    matrix.write_rows(path, [ROW, *others])
    matrix.append_row(path, again(date="2026-11-22"), fold=True)
    assert set(matrix.read_rows(path)[0]) == {again(f"{A} {B}", date="2026-11-22"), *others}
    before = path.read_bytes()
    matrix.append_row(path, again(date="2026-11-22"), fold=True)
    assert path.read_bytes() == before


@settings(max_examples=30, deadline=None)
@given(st.lists(close_row, max_size=4), st.lists(close_row, max_size=4))
def test_rows_added_together_give_what_adding_each_gives(present: list[Row], rows: list[Row]):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)  # a busy disk makes the examples wait, and none of them needs it
        each, together = Path(folder, "each.csv"), Path(folder, "together.csv")
        for path in (each, together):
            matrix.write_rows(path, present)
        for row in rows:
            matrix.append_row(each, row, fold=True)
        matrix.append_rows(together, rows, fold=True)
        assert each.read_bytes() == together.read_bytes()


# --- what counts ------------------------------------------------------------------------------------------------------


@given(st.permutations([ROW, again(A, retracted="broken fan"), again(B)]))
def test_a_retraction_wins_whatever_the_order_of_arrival(rows: list[Row]):
    assert [row.report_id for row in merging.standing(rows)] == [B]
    (left,) = merging.standing(merging.merge(*([row] for row in rows)))
    assert left.report_id == B


def test_a_superseded_row_stays_in_history_and_leaves_judgement():
    better = again(fp16="ok", failures="", supersedes=A)
    assert merging.merge([ROW], [better]) == tuple(sorted([ROW, better]))
    assert merging.standing([ROW, better]) == (better,)
    assert merging.standing([better, ROW]) == (better,)


def test_what_was_replaced_stays_replaced_when_its_replacement_is_retracted():
    assert merging.standing([ROW, again(supersedes=A, retracted="typed wrong")]) == ()


def test_a_row_does_not_replace_itself():
    row = ROW._replace(supersedes=A)
    assert merging.standing([row]) == (row,)


def test_of_a_row_that_stands_for_several_reports_the_valid_ones_count_without_its_speeds():
    both = ROW._replace(report_id=f"{A} {B}")
    (left,) = merging.standing([both, again(A, retracted="broken fan")])
    assert left == ROW._replace(report_id=B, fp32_tflops="")


@given(row_lists)
def test_what_stands_stands_alone(rows: list[Row]):
    once = merging.standing(rows)
    assert merging.standing(once) == once or any(row.supersedes for row in once)
    assert not any(row.retracted for row in once)


@given(row_lists)
def test_merging_changes_nothing_about_which_reports_count(rows: list[Row]):
    def counting(all_rows):
        return {one for row in merging.standing(all_rows) for one in merging.report_ids(row)}

    assert counting(merging.merge(rows)) == counting(rows)


def test_a_row_folded_with_the_one_that_it_replaces_keeps_it_replaced():
    first, second = again("bb"), again("aa", supersedes="bb")
    (folded,) = merging.merge([first, second])
    assert folded.report_id == "aa bb"
    (left,) = merging.standing([folded])
    assert left.report_id == "aa"
    assert merging.merge([folded]) == (folded,)


def test_rows_that_replace_each_other_are_both_gone_before_and_after():
    rows = [again("aa", supersedes="bb"), again("bb", supersedes="aa")]
    assert merging.standing(rows) == merging.standing(merging.merge(rows)) == ()


def test_a_row_that_names_itself_loses_nothing_when_it_is_folded():
    rows = [again("aa", supersedes="aa"), again("bb")]
    (folded,) = merging.merge(rows)
    assert (folded.report_id, folded.supersedes) == ("aa bb", "")
