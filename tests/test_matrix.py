"""The matrix files: the laws of merging, every kind of broken line, where a row is filed."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hwcompat import export, matrix
from hwcompat.errors import MachineError, UsageError
from hwcompat.model import CAPABILITIES, VERDICTS, Row

NAMES = list(Row._fields)
HEADER = ",".join(NAMES)
ROW = Row(
    gpu="NVIDIA GeForce GTX 1660 Ti",
    pci_id="10de:2182",
    chip="TU116",
    compute_capability="7.5",
    vram_gb="6",
    driver="552.22",
    os="windows",
    arch="x86_64",
    python="3.11.7",
    torch="2.6.0+cu124",
    cuda="cu124",
    fp32="ok",
    fp16="faulty",
    fp32_tflops="5.12",
    failures="conv.forward:float16:fail conv.wgrad:float16:fail",
    exact_digest="0123456789abcdef",
    source="measured",
    date="2026-11-21",
    level="standard",
    report_id="00000000000000aa",
)


def line(row: Row) -> str:
    return ",".join(getattr(row, name) for name in NAMES)


def file_of(tmp_path: Path, *lines: str | bytes, end: bytes = b"\n") -> Path:
    path = tmp_path / "x.csv"
    path.write_bytes(b"".join((one if isinstance(one, bytes) else one.encode()) + end for one in lines))
    return path


# --- strategies -------------------------------------------------------------------------------------------------------

_text = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ["=1+1", "nan", "NA", '"', ",", "-", " x "]
)
_cells = {
    "text": _text,
    "verdict": st.sampled_from(["", *VERDICTS]),
    "number": st.sampled_from(["", "0", "5.12", "1200", "1.5e-05"]),
    "digest": st.sampled_from(["", "0123456789abcdef"]),
    "date": st.sampled_from(["", "2026-11-21"]),
    "pci": st.sampled_from(["", "10de:2182"]),
    "failures": st.sampled_from(["", "conv.forward:float16:fail"]),
}


def _cell(column: matrix.Column) -> st.SearchStrategy[str]:
    return st.sampled_from(["", *column.words]) if column.words else _cells[column.kind]


any_row = st.builds(Row, **{column.name: _cell(column) for column in matrix.COLUMNS})
# Few values, so that rows of one report meet rows that differ in a fact, in an edited cell, or not at all.
close_row = st.builds(
    lambda report_id, fp16, note, contributor, retracted: ROW._replace(
        report_id=report_id, fp16=fp16, note=note, contributor=contributor, retracted=retracted
    ),
    st.sampled_from(["", "00000000000000aa", "00000000000000bb"]),
    st.sampled_from(["ok", "faulty"]),
    st.sampled_from(["", "hot"]),
    st.sampled_from(["", "ann"]),
    st.sampled_from(["", "broken fan"]),
)
rows_list = st.lists(close_row | any_row, max_size=6)


# --- merging ----------------------------------------------------------------------------------------------------------


@example([ROW._replace(supersedes="0"), ROW._replace(supersedes="0\r")])
@given(rows_list)
def test_merging_with_itself_changes_nothing(rows: list[Row]):
    once = matrix.merge(rows)
    assert matrix.merge(once, once) == once
    assert matrix.merge(rows, rows) == once


@given(rows_list, rows_list)
def test_the_order_of_merging_does_not_matter(a: list[Row], b: list[Row]):
    assert matrix.merge(a, b) == matrix.merge(b, a) == matrix.merge(reversed([*a, *b]))


@given(rows_list, rows_list, rows_list)
def test_merging_in_groups_does_not_matter(a: list[Row], b: list[Row], c: list[Row]):
    assert matrix.merge(matrix.merge(a, b), c) == matrix.merge(a, matrix.merge(b, c)) == matrix.merge(a, b, c)


def test_a_report_that_arrives_twice_is_one_row_even_with_another_note():
    assert len(matrix.merge([ROW], [ROW._replace(note="hot", url="https://x")])) == 1


@given(st.permutations([ROW, ROW._replace(supersedes="aa bb", note="a"), ROW._replace(url="https://x", note="hot")]))
def test_what_people_added_to_one_report_is_joined_whatever_the_order(rows: list[Row]):
    joined = ROW._replace(supersedes="aa bb", url="https://x", note="hot")
    assert matrix.merge(*([row] for row in rows)) == (joined,)


@pytest.mark.parametrize("other", [{"contributor": "ann"}, {"retracted": "broken fan"}], ids=["voice", "retraction"])
def test_a_voice_and_a_retraction_are_never_joined_away(other: dict[str, str]):
    assert len(matrix.merge([ROW], [ROW._replace(**other)])) == 2


def test_rows_of_one_report_that_disagree_both_stay_so_that_no_failure_is_hidden():
    assert len(matrix.merge([ROW], [ROW._replace(fp16="ok", failures="")])) == 2


def test_rows_without_a_report_id_are_the_same_only_if_every_cell_is():
    one = ROW._replace(report_id="")
    assert len(matrix.merge([one, one], [one._replace(note="hot")])) == 2


# --- writing and reading back -----------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(st.lists(any_row, max_size=5))
def test_what_is_written_is_read_back_and_written_again_to_the_same_bytes(tmp_path_factory, rows: list[Row]):
    path = tmp_path_factory.getbasetemp() / "round-trip.csv"
    matrix.write_rows(path, rows)
    first = path.read_bytes()
    found, warnings = matrix.read_rows(path)
    assert warnings == ()
    assert found == matrix.merge(row for row in map(matrix.clean_row, rows) if row != Row())
    matrix.write_rows(path, reversed(rows))
    assert path.read_bytes() == first
    assert b"\r" not in first
    assert not first.startswith(b"\xef\xbb\xbf")


@given(st.text(max_size=300) | st.sampled_from(sorted(matrix._MISSING)), st.sampled_from([20, 200]))
def test_a_cleaned_cell_is_valid_short_and_stays_as_it_is(text: str, limit: int):
    cell = matrix.clean(text, limit)
    assert matrix.clean(cell, limit) == cell
    assert not cell or matrix.problem(matrix.Column("note", "text", limit), cell) is None
    assert not matrix._CONTROL.search(cell)
    cell.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'=1"),
        ("NaN", "nonfinite"),
        ("None", ""),
        ("N/A", ""),
        ("nan loss", "nan loss"),
        ("a\r\nb\x00c\u202ed", "a b c d"),
        ("\ud800x", "x"),
    ],
)
def test_cells_are_cleaned_on_the_way_in(text: str, cell: str):
    assert matrix.clean(text) == cell


def test_pandas_reads_no_written_cell_as_missing(tmp_path: Path):
    """Every word pandas takes for "no value" is stopped; this list is pandas' own."""
    from pandas._libs.parsers import STR_NA_VALUES

    assert {word.lower() for word in STR_NA_VALUES if word} <= matrix._MISSING


def test_the_longest_valid_line_is_below_the_limit_of_a_line(tmp_path: Path):
    wide = [("\U0001f600" * column.limit)[: column.limit] if column.kind == "text" else "" for column in matrix.COLUMNS]
    row = Row(*wide)._replace(failures=" ".join(["a:b:fail"] * 910))
    matrix.write_rows(tmp_path / "x.csv", [row])
    assert matrix.read_rows(tmp_path / "x.csv") == ((row,), ())


def test_every_text_column_of_the_row_has_its_verdict_or_kind():
    kinds = {column.name: column for column in matrix.COLUMNS}
    assert list(kinds) == NAMES
    assert {name for name, column in kinds.items() if column.kind == "verdict"} == set(CAPABILITIES)
    assert all(kinds[name].words == VERDICTS for name in CAPABILITIES)
    assert {name for name, column in kinds.items() if column.kind == "number"} == set(matrix.NUMBERS)


@pytest.mark.parametrize("change", [{"fp16": "broken"}, {"date": "21.11.2026"}, {"vram_gb": "six"}, {"pci_id": "2182"}])
def test_a_row_that_could_not_be_read_back_is_never_written(tmp_path: Path, change: dict[str, str]):
    with pytest.raises(UsageError, match=next(iter(change))):
        matrix.append_row(tmp_path / "x.csv", ROW._replace(**change))
    assert list(tmp_path.glob("x.csv")) == []


# --- broken files -----------------------------------------------------------------------------------------------------

BROKEN = {
    "verdict": (line(ROW._replace(fp16="brokn")), "fp16", "brokn"),
    "number": (line(ROW._replace(fp32_tflops="5,1".replace(",", ";"))), "fp32_tflops", "5;1"),
    "infinite": (line(ROW._replace(vram_gb="inf")), "vram_gb", "inf"),
    "date": (line(ROW._replace(date="2026-13-01")), "date", "2026-13-01"),
    "os": (line(ROW._replace(os="Linux")), "os", "'Linux'"),
    "bare nan": (line(ROW._replace(note="nan")), "note", "nonfinite"),
    "bare NA": (line(ROW._replace(note="NA")), "note", "missing"),
    "formula": (line(ROW._replace(gpu="=cmd|' /C calc'!A0")), "gpu", "formula"),
    "failures": (line(ROW._replace(failures="conv.forward float16")), "failures", "not a failures"),
    "few cells": ("a,b,c", "line", "3 cells under"),
    "many cells": (line(ROW) + ",x", "line", "cells under"),
    "open quote": ('"' + line(ROW), "line", "quotes"),
    "text after a quote": ('"a"b' + line(ROW)[1:], "line", "quotes"),
    "NUL": (line(ROW._replace(driver="55\x002")), "driver", "U+0000"),
    "quoted NUL": (line(ROW).replace("552.22", '"5,\x00"'), "driver", "U+0000"),
    "carriage return": (line(ROW._replace(note="a\rb")), "note", "U+000D"),
    "latin-1": (line(ROW._replace(note="caf_")).encode().replace(b"caf_", b"caf\xe9"), "line", "UTF-8"),
    "1 MB line": (line(ROW._replace(note="x" * 2**20)), "line", "bytes long"),
    "long cell": (line(ROW._replace(gpu="x" * 201)), "gpu", "longer than 200"),
    "conflict mark": ("<<<<<<< HEAD", "line", "1 cells under"),
}


@pytest.mark.parametrize(("bad", "column", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_line_is_a_warning_with_its_place_and_costs_no_other_row(
    tmp_path: Path, bad, column: str, reason: str
):
    path = file_of(tmp_path, HEADER, line(ROW), bad, line(ROW._replace(report_id="00000000000000bb")))
    rows, warnings = matrix.read_rows(path)
    assert [row.report_id for row in rows] == ["00000000000000aa", "00000000000000bb"]
    assert len(warnings) == 1
    assert warnings[0].startswith(f"{path}:3: {column}: ")
    assert reason in warnings[0]
    assert "\n" not in warnings[0]


@pytest.mark.parametrize(("bad", "column", "reason"), BROKEN.values(), ids=BROKEN)
def test_appending_keeps_a_broken_line_byte_for_byte(tmp_path: Path, bad, column: str, reason: str):
    raw = bad if isinstance(bad, bytes) else bad.encode()
    path = file_of(tmp_path, HEADER, raw, line(ROW))
    for report_id in ("00000000000000bb", "00000000000000cc"):
        (warning,) = matrix.append_row(path, ROW._replace(report_id=report_id))
        assert column in warning
    assert path.read_bytes().split(b"\n").count(raw) == 1
    assert len(matrix.read_rows(path)[0]) == 3


@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"], ids=["plain", "BOM"])
def test_files_saved_by_other_programs_are_read(tmp_path: Path, start: bytes, end: bytes):
    path = file_of(tmp_path, start + HEADER.encode(), line(ROW), "", "," * (len(NAMES) - 1), end=end)
    assert matrix.read_rows(path) == ((ROW,), ())
    matrix.append_row(path, ROW)
    assert path.read_bytes() == f"{HEADER}\n{line(ROW)}\n".encode()


def test_a_last_line_without_its_end_is_a_line(tmp_path: Path):
    path = tmp_path / "x.csv"
    path.write_text(f"{HEADER}\n{line(ROW)}", encoding="utf-8")
    assert matrix.read_rows(path) == ((ROW,), ())


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe" + f"{HEADER}\n".encode("utf-16-le"), b"\x00" * 100, b"a;b;c\n1;2;3\n", b"gpu,gpu\nx,y\n", b"\xff\n"],
    ids=["UTF-16", "zeros", "semicolons", "twice", "bytes"],
)
def test_a_file_without_a_readable_header_is_one_warning_and_loses_nothing(tmp_path: Path, content: bytes):
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    rows, warnings = matrix.read_rows(path)
    assert rows == ()
    assert len(warnings) == 1
    assert warnings[0].startswith(f"{path}:1: ")
    matrix.append_row(path, ROW)
    assert content in path.read_bytes() + b"\n"
    assert matrix.read_rows(path)[0] == (ROW,)


OLD_NAMES = [name for name in NAMES if name not in ("supersedes", "retracted")]
NEW = ROW._replace(report_id="00000000000000bb")


def test_a_line_that_was_not_read_never_fits_the_columns_that_a_new_row_brings(tmp_path: Path):
    stray = ROW.gpu + "," * (len(NAMES) - 1)  # two cells too many
    path = file_of(tmp_path, ",".join(OLD_NAMES), stray)
    assert matrix.read_rows(path)[0] == ()
    matrix.append_row(path, NEW)
    assert matrix.read_rows(path)[0] == (NEW,)
    assert path.read_bytes().splitlines()[0] == ",".join(OLD_NAMES).encode()
    assert stray.encode() in path.read_bytes()
    before = path.read_bytes()
    with pytest.raises(MachineError, match="cannot be read"):
        matrix.append_row(path, NEW._replace(supersedes="00000000000000aa"))
    assert path.read_bytes() == before


def test_a_line_that_was_not_read_keeps_its_columns_in_their_order(tmp_path: Path):
    swapped = {"note": "fp32", "fp32": "note"}
    names = [swapped.get(name, name) for name in NAMES]
    bad = ROW._replace(fp32="maybe", note="ok")  # with the columns in order fp32 would be "ok"
    path = file_of(tmp_path, ",".join(names), ",".join(getattr(bad, name) for name in names))
    raw = path.read_bytes().splitlines()[1]
    matrix.append_row(path, NEW)
    assert matrix.read_rows(path)[0] == (NEW,)
    assert raw in path.read_bytes()


def test_unknown_and_missing_columns_are_tolerated_with_a_warning(tmp_path: Path):
    path = file_of(tmp_path, "gpu,power_w,fp16", "NVIDIA A10,150,ok")
    rows, warnings = matrix.read_rows(path)
    assert rows == (Row(gpu="NVIDIA A10", fp16="ok"),)
    assert f"{path}:1: power_w: unknown column, ignored" in warnings
    assert f"{path}:1: pci_id: column is missing, taken as empty" in warnings
    assert len(warnings) == 1 + len(NAMES) - 2 - 2  # nobody is warned of supersedes and retracted


def test_a_file_written_before_rows_could_be_withdrawn_is_read_without_a_word(tmp_path: Path):
    names = [name for name in NAMES if name not in ("supersedes", "retracted")]
    path = file_of(tmp_path, ",".join(names), ",".join(getattr(ROW, name) for name in names))
    assert matrix.read_rows(path) == ((ROW,), ())
    matrix.append_row(path, ROW)
    assert path.read_text(encoding="utf-8") == f"{HEADER}\n{line(ROW)}\n"


def test_appending_keeps_the_columns_of_a_newer_version(tmp_path: Path):
    path = file_of(tmp_path, f"power_w,{HEADER}", f"150,{line(ROW)}")
    matrix.append_row(path, ROW._replace(report_id="00000000000000bb"))
    with path.open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    assert {row["report_id"]: row["power_w"] for row in found} == {"00000000000000aa": "150", "00000000000000bb": ""}


def test_a_file_that_cannot_be_read_is_a_warning(tmp_path: Path):
    (tmp_path / "results" / "dir.csv").mkdir(parents=True)
    matrix.write_rows(tmp_path / "results" / "good.csv", [ROW])
    rows, warnings = matrix.read_folder(tmp_path)
    assert rows == (ROW,)
    assert len(warnings) == 1
    assert "dir.csv:1: file: cannot be read" in warnings[0]
    assert matrix.read_folder(tmp_path / "nowhere") == ((), ())


def test_several_folders_are_one_matrix(tmp_path: Path):
    other = ROW._replace(report_id="00000000000000bb")
    matrix.write_rows(tmp_path / "a" / "results" / "x.csv", [ROW])
    matrix.write_rows(tmp_path / "b" / "results" / "y.csv", [ROW, other])
    rows, warnings = matrix.load_rows([tmp_path / "a", tmp_path / "b", tmp_path / "none"])
    assert rows == (ROW, other)
    assert warnings == ()


# --- where a row belongs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "name"),
    [
        (ROW, "tu116.csv"),
        (ROW._replace(chip=""), "10de-2182.csv"),
        (ROW._replace(chip="", pci_id="", gpu="Apple M2 Pro"), "apple-m2-pro.csv"),
        (Row(gpu="Some CPU", chip="cpu"), "cpu.csv"),
        (ROW._replace(source="reported"), "reported.csv"),
        (ROW._replace(chip="reported"), "10de-2182.csv"),
        (ROW._replace(chip="con"), "10de-2182.csv"),
        (ROW._replace(chip="..", pci_id="../..", gpu="/"), "unknown.csv"),
        (Row(), "unknown.csv"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_row_is_filed_by_chip_then_pci_id_then_name(tmp_path: Path, row: Row, name: str):
    assert matrix.row_path(tmp_path, row) == tmp_path / "results" / name


@given(st.text() | st.sampled_from(["../x", "..\\x", "C:\\x", "/etc/passwd", "a\x00b", "LPT1", "x" * 9999]), st.text())
def test_no_cell_can_lead_out_of_the_folder(chip: str, pci_id: str):
    path = matrix.row_path(Path("m"), Row(chip=chip, pci_id=pci_id))
    assert path.parent == Path("m") / "results"
    assert set(path.stem) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-")
    assert 1 <= len(path.stem) <= 60


# --- pandas -----------------------------------------------------------------------------------------------------------


def test_a_frame_keeps_words_and_empty_cells_and_makes_numbers_floats():
    table = export.frame([ROW, Row(gpu="x", fp32="unknown")])
    assert list(table.columns) == NAMES
    assert table["fp16"].tolist() == ["faulty", ""]
    assert table["note"].tolist() == ["", ""]
    assert table["compute_capability"].tolist() == ["7.5", ""]
    assert table["vram_gb"].dtype == float
    assert table["fp32_tflops"][0] == 5.12
    assert table["fp32_tflops"].isna().tolist() == [False, True]


def test_cells_and_text_are_what_a_file_holds(tmp_path: Path):
    matrix.write_rows(tmp_path / "x.csv", [ROW])
    assert matrix.to_text([ROW]).encode() == (tmp_path / "x.csv").read_bytes()
    assert list(matrix.cells(ROW)) == NAMES
    assert Row(**matrix.cells(ROW)) == ROW


def test_a_frame_of_nothing_has_every_column():
    table = export.frame([])
    assert list(table.columns) == NAMES
    assert len(table) == 0
