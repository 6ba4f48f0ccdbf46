"""Exports read back to the same rows; SQL answers what filters answer, and reads and writes nothing else."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_matrix import ROW, any_row
from test_query import many_rows

from hwcompat import export, matrix, query, sql, tables
from hwcompat.errors import MachineError, UsageError
from hwcompat.matrix import NUMBERS
from hwcompat.model import Row
from hwcompat.query import Filter

FORMATS = (".parquet", ".sqlite", ".csv", ".json")


def values(row: Row) -> list[str | float | None]:
    """A row as the formats with types hold it."""
    named = zip(row._fields, row, strict=True)
    return [float(cell) if cell and name in NUMBERS else cell or None for name, cell in named]


def read_parquet(path: Path) -> list[list[str | float | None]]:
    from pyarrow import parquet

    table = parquet.read_table(path)
    assert tuple(table.column_names) == Row._fields
    assert [str(kind) for kind in table.schema.types] == ["double" if n in NUMBERS else "string" for n in Row._fields]
    return [list(record.values()) for record in table.to_pylist()]


def read_sqlite(path: Path) -> list[list[str | float | None]]:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT * FROM rows ORDER BY rowid")
        assert tuple(column[0] for column in found.description) == Row._fields
        return [list(record) for record in found]


# --- export -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", FORMATS)
@settings(max_examples=25, deadline=None)
@given(rows=st.lists(any_row.map(matrix.clean_row), max_size=5))
def test_an_export_reads_back_to_the_rows(tmp_path_factory, ending: str, rows: list[Row]):
    path = tmp_path_factory.getbasetemp() / f"rows{ending}"
    rows = [row for row in rows if row != Row()]
    merged = matrix.merge(rows)
    assert export.export(rows, path) == len(merged)
    if ending == ".csv":
        assert matrix.read_rows(path) == (merged, ())
    elif ending == ".json":
        assert [Row(**cells) for cells in json.loads(path.read_text(encoding="ascii"))] == list(merged)
    else:
        read = read_parquet if ending == ".parquet" else read_sqlite
        assert read(path) == [values(row) for row in merged]


@pytest.mark.parametrize("ending", FORMATS)
def test_the_same_rows_in_any_order_are_the_same_bytes(tmp_path: Path, ending: str):
    rows = [ROW._replace(report_id=f"{n:016x}") for n in range(50)]
    first, second = tmp_path / f"a{ending}", tmp_path / f"b{ending}"
    export.export(rows, first)
    export.export([*reversed(rows), rows[0]], second)
    assert first.read_bytes() == second.read_bytes()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_sqlite_finds_a_card_by_its_index(tmp_path: Path):
    export.export([ROW], tmp_path / "rows.sqlite")
    with closing(sqlite3.connect(tmp_path / "rows.sqlite")) as connection:
        for name in export.INDEXED:
            [plan] = connection.execute(f"EXPLAIN QUERY PLAN SELECT * FROM rows WHERE {name} = 'x'")
            assert f"USING INDEX rows_{name}" in plan[-1]
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_an_ending_that_is_no_format_and_a_folder_that_cannot_be_written(tmp_path: Path):
    with pytest.raises(UsageError, match=r"rows\.xlsx"):
        export.export([ROW], tmp_path / "rows.xlsx")
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError):
        export.export([ROW], tmp_path / "file" / "rows.json")


@pytest.mark.parametrize("package", ["pyarrow", "duckdb"])
def test_a_missing_extra_is_named_with_the_line_that_installs_it(monkeypatch, package: str):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MachineError) as caught:
        sql.ask("select 1", [ROW], {}, 10)
    assert package in caught.value.message
    project = Path(__file__).resolve().parents[1].joinpath("pyproject.toml").read_text(encoding="utf-8")
    [wanted] = re.findall(r"^query = (\[.*\])$", project, re.MULTILINE)
    assert caught.value.hint == "python -m pip install " + " ".join(f'"{each}"' for each in json.loads(wanted))


# --- sql --------------------------------------------------------------------------------------------------------------


def ids(statement: str, rows: list[Row]) -> list[str]:
    return sorted(row[0] for row in sql.ask(statement, rows, {}, 1000).rows)


@settings(max_examples=25, deadline=None)
@given(many_rows)
def test_sql_answers_what_the_filters_answer(rows: list[Row]):
    cases = {
        "fp16 = 'faulty'": Filter(verdict=("fp16=faulty",)),
        "'ok' in (fp32, tf32, fp16, bf16, fp8, amp_fp16, amp_bf16, memory)": Filter(verdict=("ok",)),
        "chip = 'TU116'": Filter(chip="TU116"),
        "date >= '2025-01-01'": Filter(since="2025"),
        "os = 'wsl' and source = 'measured'": Filter(os="wsl", source="measured"),
        "torch like '2.6.%' or torch = '2.6' or torch like '2.6+%'": Filter(torch="2.6"),
        "cuda like 'cu12%'": Filter(cuda="cu12"),
        "fp16 is not null": Filter(capability=("fp16",)),
    }
    for where, wanted in cases.items():
        # Some rows of an example are equal in every cell: compared as lists, none may be lost.
        expected = sorted(row.report_id for row in query.select(rows, wanted))
        assert ids(f"select report_id from rows where {where}", rows) == expected


@settings(max_examples=20, deadline=None)
@given(st.lists(any_row.map(matrix.clean_row), max_size=4))
def test_every_cell_arrives_in_the_database(rows: list[Row]):
    answer = sql.ask("from rows", rows, {}, 100)
    assert answer.names == Row._fields
    assert [list(row) for row in answer.rows] == [values(row) for row in rows]


def test_numbers_are_numbers_and_the_other_tables_are_there():
    known = tables.load_tables()
    others = {**sql.table_files(known.folders), "faults": sql.fault_table(known)}
    assert {"gpus", "torch_builds", "cuda_drivers", "faults"} <= set(others)
    joined = "select max(r.fp32_tflops) + 1, max(g.architecture) from rows r join gpus g on g.chip = r.chip"
    assert sql.ask(joined, [ROW], others, 10).rows == ((6.12, "Turing"),)
    assert sql.ask("select count(*) from faults", [], others, 10).rows == ((len(known.faults),),)
    assert sql.ask("select count(*) from gpus", [], others, 10).rows[0][0] >= len(known.cards)


FORBIDDEN = [
    "select * from read_text('{file}')",
    "select * from read_blob('{file}')",
    "select * from read_csv('{file}')",
    "select * from read_csv_auto('{file}', header = false)",
    "select * from read_json('{file}')",
    "select * from read_parquet('{file}')",
    "select * from sniff_csv('{file}')",
    "select * from '{file}'",
    "select * from glob('{folder}/*')",
    "select * from query('select * from read_text(''{file}'')')",
    "select * from query_table('{file}')",
    "select * from read_csv('http://127.0.0.1:9/x')",
    "select * from read_text('s3://bucket/x')",
    "select * from loading",
    "select * from connection",
    "select * from sqlite_scan('{file}', 'x')",
    "select getenv('HOME')",
    "copy rows to '{folder}/out.csv'",
    "copy (select 1) to '{folder}/out.parquet' (format parquet)",
    "copy rows from '{file}'",
    "attach '{folder}/new.db'",
    "attach ':memory:' as other",
    "install httpfs",
    "load httpfs",
    "load '{file}'",
    "export database '{folder}/out'",
    "import database '{folder}'",
    "create table x (a int)",
    "create secret (type s3)",
    "insert into rows select * from rows",
    "update rows set fp16 = 'ok'",
    "delete from rows",
    "drop table rows",
    "set enable_external_access = true",
    "set memory_limit = '64GB'",
    "set variable x = 1",
    "reset lock_configuration",
    "pragma enable_profiling",
    "call pragma_version()",
    "explain analyze copy rows to '{folder}/out.csv'",
    "select 1; copy rows to '{folder}/out.csv'",
    "",
    "-- nothing",
    "selct 1",
    "select 'x",
    "select nothing from rows",
    "select 1 / 'a'",
    "select \x00",
    "select * from rows where " + "(" * 5000,
]


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_what_is_no_plain_select_or_leaves_the_matrix_is_refused_in_one_line(tmp_path: Path, statement: str):
    secret = tmp_path / "secret.csv"
    secret.write_text("a,b\n1,secret\n")
    before = sorted(tmp_path.iterdir())
    text = statement.replace("{file}", secret.as_posix()).replace("{folder}", tmp_path.as_posix())
    with pytest.raises(UsageError) as caught:
        sql.ask(text, [ROW], {}, 10)
    assert "\n" not in caught.value.message
    assert "secret\n" not in caught.value.message
    assert len(caught.value.message) < 400
    assert sorted(tmp_path.iterdir()) == before
    assert secret.read_text() == "a,b\n1,secret\n"


def test_a_query_that_never_ends_and_one_that_fills_the_memory_are_ended():
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
    with pytest.raises(UsageError, match="longer than"):
        sql.ask(endless, [], {}, 10, seconds=0.5)
    with pytest.raises(UsageError, match=r"[Oo]ut [Oo]f [Mm]emory"):
        sql.ask("select list(i) || list(i) from range(1000000000) t(i)", [], {}, 10, seconds=60)


def test_no_more_rows_come_out_than_were_asked_for():
    answer = sql.ask("select * from range(100000)", [], {}, 7)
    assert (len(answer.rows), answer.more) == (7, True)
    assert not sql.ask("select * from range(7)", [], {}, 7).more


def test_values_of_every_type_become_cells_and_json():
    statement = """select null, true, 1, 170141183460469231731687303715884105727, 1.5::decimal(4,2), 'nan'::double,
        date '2026-01-02', timestamp '2026-01-02 03:04:05', interval 1 day, 'x'::blob, [1, null], {'a': 1.0},
        map {'k': [date '2026-01-02']}, uuid()"""
    [row] = sql.ask(statement, [], {}, 10).rows
    plain = [sql.plain_value(value) for value in row]
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain[:8] == [
        *[None, True, 1, 170141183460469231731687303715884105727, 1.5, "nonfinite", "2026-01-02"],
        "2026-01-02T03:04:05",
    ]
    assert plain[10:13] == [[1, None], {"a": 1.0}, {"k": ["2026-01-02"]}]
    assert [sql.cell_text(value) for value in row[:3]] == ["", "true", "1"]


def test_a_folder_of_the_user_adds_lines_and_a_broken_table_is_named(tmp_path: Path):
    (tmp_path / "gpus.csv").write_text('name,chip,mine\n"X, 2",YY100,1\n', encoding="utf-8")
    (tmp_path / "no name.csv").write_text("a\n1\n", encoding="utf-8")
    found = sql.table_files([tmp_path])
    assert found == {"gpus": (["name", "chip", "mine"], [["X, 2", "YY100", "1"]])}
    other = tmp_path / "other"
    other.mkdir()
    (other / "GPUS.csv").write_text("name,NAME,,x\nZ,W,V\n", encoding="utf-8")
    both = sql.table_files([tmp_path, other])
    assert both["gpus"][1] == [["X, 2", "YY100", "1", ""], ["Z", "", "", "W"]]
    assert len(sql.ask("from gpus", [], both, 10).rows) == 2
    (tmp_path / "gpus.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(MachineError, match=r"gpus\.csv"):
        sql.table_files([tmp_path])


# --- the commands -----------------------------------------------------------------------------------------------------


@pytest.fixture
def row_file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    matrix.write_rows(path, [ROW, ROW._replace(report_id="00000000000000bb", fp16="ok", failures="", chip="TU117")])
    return path


def test_sql_as_lines_json_and_csv(run_matrix, row_file: Path):
    statement = "select chip, fp16, fp32_tflops from rows order by chip"
    lines = run_matrix("sql", statement, str(row_file))
    assert lines.stdout.splitlines() == ["chip   fp16    fp32_tflops", "TU116  faulty  5.12", "TU117  ok      5.12"]
    assert lines.stderr == ""
    found = json.loads(run_matrix("sql", statement, str(row_file), "--json").stdout)
    assert found[0] == {"chip": "TU116", "fp16": "faulty", "fp32_tflops": 5.12}
    text = run_matrix("sql", "select 'a,b' x, null y", "--csv").stdout
    assert list(csv.reader(io.StringIO(text))) == [["x", "y"], ["a,b", ""]]
    assert list(json.loads(run_matrix("sql", "select 1 a, 2 a", "--json").stdout)[0]) == ["a", "a_2"]
    cut = run_matrix("sql", "from rows", str(row_file), "--limit", "1")
    assert "only the first 1 rows" in cut.stderr


@pytest.mark.parametrize("statement", ["selct", "select * from read_text('/etc/passwd')", "drop table rows"])
def test_bad_sql_is_exit_2_with_one_line_and_a_hint(run_matrix, statement: str):
    done = run_matrix("sql", statement)
    assert done.returncode == 2
    assert done.stdout == ""
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["error", "what to do"]


@pytest.mark.parametrize("ending", FORMATS)
def test_export_writes_the_rows_that_a_filter_leaves(run_matrix, row_file: Path, tmp_path: Path, ending: str):
    out = tmp_path / f"out{ending}"
    done = run_matrix("export", str(out), str(row_file), "--verdict", "fp16=faulty")
    assert done.returncode == 0, done.stderr
    assert "wrote 1 rows" in done.stderr
    assert out.stat().st_size
    assert run_matrix("export", "out.xlsx", str(row_file)).returncode == 2


def test_the_commands_that_need_no_extra_import_none_of_it(row_file: Path, tmp_path: Path):
    code = (
        "import sys\nfrom hwcompat.cli import run\n"
        f"try:\n    run(['matrix', 'export', {str(tmp_path / 'x.sqlite')!r}, {str(row_file)!r}])\n"
        "except SystemExit as end:\n"
        "    print(end.code, [m for m in sys.modules if m in ('duckdb', 'pyarrow', 'pandas', 'torch', 'rich')])"
    )
    env = dict(os.environ, PYTHONPATH=str(Path(__file__).resolve().parents[1]))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert done.stdout.strip() == "0 []"
