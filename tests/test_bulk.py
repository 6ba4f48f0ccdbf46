"""Reading many lines at once answers exactly what reading them one by one answers."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from test_matrix import HEADER, ROW, any_row, line

from hwcompat import bulk, matrix

_bad_lines = st.sampled_from(
    [b"", b",,,", b"\r", b'"', b'x,"', b"\xff", b"a\x00b", b"\xc2\x85", b"a\rb", b"a,b", b'"a""b",c', b"\xef\xbb\xbf"]
)
_good_lines = st.builds(lambda row: matrix.to_text([row]).split("\n", 1)[1].rstrip("\n").encode(), any_row)
_lines = st.lists(
    _good_lines | _bad_lines | st.binary(max_size=30).map(lambda raw: raw.replace(b"\n", b" ")), max_size=8
)


def one_by_one(lines: list[bytes], header: str) -> tuple:
    layout = matrix._layout(tuple(header.split(",")))
    found: tuple[list, list, list] = ([], [], list(matrix._layout_warnings(layout, "f")))
    matrix._parse_one_by_one(lines, 2, layout, "f", found)
    return tuple(map(tuple, found))


@settings(max_examples=200, deadline=None)
@given(_lines, st.sampled_from([HEADER, f"{HEADER},power_w", "fp16,gpu", "gpu"]), st.sampled_from([b"\n", b"\r\n"]))
def test_a_file_reads_the_same_at_once_and_line_by_line(lines: list[bytes], header: str, end: bytes):
    lines = [raw.removesuffix(b"\r") + end[:-1] for raw in lines]
    parsed = matrix._parse_lines(lines, matrix._layout(tuple(header.split(","))), "f")
    assert (parsed.records, parsed.unread, parsed.warnings) == one_by_one(lines, header)


def test_one_bad_line_among_thousands_is_named_and_costs_only_itself():
    lines = [line(ROW._replace(report_id=f"{n:016x}")).encode() for n in range(3 * bulk.CHUNK)]
    lines[2 * bulk.CHUNK + 7] = b"x"
    parsed = matrix._parse("\n".join([HEADER, ""]).encode() + b"\n".join(lines), "f")
    assert len(parsed.records) == len(lines) - 1
    assert parsed.warnings == (f"f:{2 * bulk.CHUNK + 9}: line: 1 cells under {len(HEADER.split(','))} columns",)


def test_a_quote_that_is_never_closed_swallows_no_other_line():
    lines = [b'"' + line(ROW).encode(), line(ROW).encode() + b'"', line(ROW).encode()]
    parsed = matrix._parse_lines(lines, matrix._layout(tuple(HEADER.split(","))), "f")
    assert len(parsed.records) == 1
    assert len(parsed.unread) == 2


def test_columns_of_more_values_than_are_remembered_are_read_right(monkeypatch):
    monkeypatch.setattr(bulk, "_KNOWN_LIMIT", 10)
    monkeypatch.setattr(bulk, "CHUNK", 16)
    rows = [ROW._replace(report_id=f"{n:016x}") for n in range(100)]
    text = matrix.to_text(rows)
    assert [row for row, _ in matrix._parse(text.encode(), "f").records] == rows


def test_equal_cells_are_one_string_in_memory():
    first, second = (row for row, _ in matrix._parse(f"{HEADER}\n{line(ROW)}\n{line(ROW)}\n".encode(), "f").records)
    assert all(one is other for one, other in zip(first, second, strict=True))
