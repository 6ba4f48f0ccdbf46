"""`hwcompat matrix merge`: what it writes, what it refuses, that nothing is lost on the way."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from test_matrix import HEADER, ROW, line
from test_merging import A, B, C, again, close_row

from hwcompat import cli, matrix, merging, store
from hwcompat.commands import matrix_merge
from hwcompat.errors import DataError
from hwcompat.model import Row


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli.main, ["matrix", "merge", *map(str, arguments)], standalone_mode=False)


def file(path: Path, *rows: Row) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    matrix.write_rows(path, rows)
    return path


def test_without_a_target_the_merged_rows_are_printed(tmp_path: Path):
    one, two = file(tmp_path / "a.csv", ROW), file(tmp_path / "b.csv", again(date="2026-11-22"))
    done = run(one, two)
    assert done.stdout == matrix.to_text([again(f"{A} {B}", date="2026-11-22")])
    assert done.stdout == run(two, one, one).stdout
    assert "1 rows of 2 reports; 0 of the rows are retracted or superseded" in done.stderr


def test_the_rows_of_the_target_are_kept(tmp_path: Path):
    target = file(tmp_path / "out.csv", ROW)
    other = again(fp16="ok", failures="")
    run(file(tmp_path / "b.csv", other), "-o", target)
    assert matrix.read_rows(target) == (merging.merge([ROW, other]), ())
    before = target.stat().st_mtime_ns
    assert "held everything already" in run(tmp_path / "b.csv", "-o", target).stderr
    assert target.stat().st_mtime_ns == before


@settings(max_examples=25, deadline=None)
@given(*[st.lists(close_row, max_size=3)] * 3)
def test_files_merge_to_the_same_bytes_in_every_order_and_grouping(tmp_path_factory, a, b, c):
    folder = tmp_path_factory.mktemp("laws")
    one, two, three = (file(folder / f"{n}.csv", *rows) for n, rows in enumerate((a, b, c)))
    left = file(folder / "left.csv")
    for sources in ((one, two), (three,), (one,)):
        matrix_merge._write(sources, left)
    right = file(folder / "right.csv")
    for sources in ((three, two), (left, one)):
        matrix_merge._write(sources, right)
    whole = file(folder / "whole.csv")
    matrix_merge._write((three, two, one), whole)
    assert left.read_bytes() == right.read_bytes() == whole.read_bytes()


def test_a_folder_gets_each_row_in_the_file_of_its_chip(tmp_path: Path):
    told = ROW._replace(source="reported", report_id="reported-1")
    source = file(tmp_path / "mixed.csv", ROW, again(chip="TU117"), told)
    run(source, "-o", tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out" / "results").glob("*.csv"))
    assert names == ["reported.csv", "tu116.csv", "tu117.csv"]
    flat = tmp_path / "flat"
    file(flat / "tu116.csv", again(C))
    run(tmp_path / "out", "-o", flat)
    assert sorted(path.name for path in flat.glob("*.csv")) == names
    assert matrix.read_rows(flat / "tu116.csv")[0] == (again(f"{A} {C}"),)


def test_a_row_in_the_wrong_file_moves_and_is_never_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    results = tmp_path / "out" / "results"
    wrong, right = file(results / "zz.csv", ROW), file(results / "tu116.csv", again(B))
    ids, write = [], store.write_bytes_atomic

    def spied(path: Path, content: bytes, **options) -> None:
        write(path, content, **options)
        ids.append({one for f in (wrong, right) for row in matrix.read_rows(f)[0] for one in merging.report_ids(row)})

    monkeypatch.setattr(store, "write_bytes_atomic", spied)
    run(tmp_path / "out", "-o", tmp_path / "out")
    assert ids
    assert all(found == {A, B} for found in ids)
    assert matrix.read_rows(wrong) == ((), ())
    assert matrix.read_rows(right)[0] == (again(f"{A} {B}"),)


def test_check_and_diff_write_nothing(tmp_path: Path):
    target, more = file(tmp_path / "a.csv", ROW), file(tmp_path / "b.csv", again(fp16="ok", failures=""))
    before = target.read_bytes()
    assert run(target, more, "--check").return_value == 1
    done = run(target, more, "--diff")
    assert done.return_value == 0
    assert f"+{line(again(fp16='ok', failures=''))}" in done.stdout
    assert f"would change: {target}" in done.stderr
    assert run(more, "-o", target, "--check", "--diff").return_value == 1
    assert run(target, target, "--check").return_value == 0
    assert run(more, "-o", tmp_path / "new", "--check").return_value == 1
    assert target.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.csv"]


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (f"{HEADER}\n{line(ROW)}\n{line(ROW)},\n", ":3: line: "),
        (f"{HEADER}\n{line(ROW._replace(fp16='perhaps'))}\n", ":2: fp16: "),
        (f"power_w,{HEADER}\n150,{line(ROW)}\n", ":1: power_w: unknown column"),
        ("a: &a [lol]\n", ":1: header: "),
        ("", ""),
    ],
    ids=["cells", "word", "newer", "yaml", "empty"],
)
def test_what_cannot_be_read_whole_is_refused_and_nothing_is_written(tmp_path: Path, content: str, place: str):
    source, target = tmp_path / "bad.csv", file(tmp_path / "out.csv", again(C))
    source.write_text(content, encoding="utf-8", newline="")
    before = target.read_bytes()
    done = run(source, "-o", target)
    if content:
        assert isinstance(done.exception, DataError)
        assert f"{source}{place}" in done.exception.message
    assert target.read_bytes() == before


def test_a_target_that_cannot_be_read_is_never_overwritten(tmp_path: Path):
    target = tmp_path / "out.csv"
    target.write_bytes(f"{HEADER}\nhalf a line".encode())
    assert isinstance(run(file(tmp_path / "a.csv", ROW), "-o", target).exception, DataError)
    assert target.read_bytes() == f"{HEADER}\nhalf a line".encode()


@pytest.mark.parametrize("name", ["nowhere.csv", "."])
def test_a_source_that_is_not_there_is_refused(tmp_path: Path, name: str):
    assert isinstance(run(tmp_path / name).exception, DataError)


def test_a_file_of_an_older_version_is_merged_without_a_word(tmp_path: Path):
    names = [name for name in Row._fields if name not in ("supersedes", "retracted", "vram_gb")]
    old = tmp_path / "old.csv"
    old.write_text(",".join(names) + "\n" + ",".join(getattr(ROW, name) for name in names) + "\n", encoding="utf-8")
    assert run(old).stdout == matrix.to_text([ROW._replace(vram_gb="")])


def test_two_writers_of_one_target_lose_nothing(tmp_path: Path):
    target = tmp_path / "out" / "results"
    sources = [file(tmp_path / f"{n}.csv", again(f"{n:016x}")) for n in range(8)]
    target.mkdir(parents=True)
    writers = [threading.Thread(target=matrix_merge._write, args=((one,), tmp_path / "out")) for one in sources]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    (row,) = matrix.read_rows(target / "tu116.csv")[0]
    assert len(merging.report_ids(row)) == 8
