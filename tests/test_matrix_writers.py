"""Many processes that append to one matrix file, and sudden ends in the middle of it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from hwcompat import matrix, store
from hwcompat.errors import MachineError, UsageError
from hwcompat.model import Row

ROOT = Path(__file__).resolve().parents[1]
ROW = Row(gpu="NVIDIA A10", chip="GA102", source="measured", report_id="00000000000000aa")

APPEND = """
import sys
from dataclasses import replace
from pathlib import Path
from hwcompat import matrix
from hwcompat.model import Row
start, count = int(sys.argv[2]), int(sys.argv[3])
for number in range(start, start + count):
    row = Row(gpu="NVIDIA A10", chip="GA102", source="measured", report_id=f"{number:016x}", note="x" * 500)
    matrix.append_row(Path(sys.argv[1]), row)
    print(number, flush=True)
"""


def appender(path: Path, start: int, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", APPEND, str(path), str(start), str(count)]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_twenty_processes_that_append_at_once_lose_nothing(tmp_path: Path):
    path = tmp_path / "results" / "ga102.csv"
    writers = [appender(path, 5 * number, 5) for number in range(20)]
    errors = [writer.communicate()[1] for writer in writers]
    assert errors == [""] * 20
    rows, warnings = matrix.read_rows(path)
    assert warnings == ()
    assert [int(row.report_id, 16) for row in rows] == list(range(100))


APPEND_MANY = """
import sys
from pathlib import Path
from hwcompat import matrix
from hwcompat.model import Row
for first in range(int(sys.argv[2]), int(sys.argv[2]) + 40, 10):
    ids = range(first, first + 10)
    rows = [Row(gpu="g", source="measured", report_id=f"{n:016x}", torch=sys.argv[3 + n % 2]) for n in ids]
    matrix.append_rows(Path(sys.argv[1]), rows, fold=True)
"""


def test_two_processes_that_append_many_rows_at_once_lose_nothing(tmp_path: Path):
    path = tmp_path / "results" / "ga102.csv"
    words = [sys.executable, "-c", APPEND_MANY, str(path)]
    writers = [subprocess.Popen([*words, str(start), "2.6.0", "2.7.0"], cwd=ROOT) for start in (0, 40)]
    assert [writer.wait() for writer in writers] == [0, 0]
    rows, warnings = matrix.read_rows(path)
    assert warnings == ()
    assert {row.torch: [int(one, 16) for one in row.report_id.split()] for row in rows} == {
        "2.6.0": list(range(0, 80, 2)),
        "2.7.0": list(range(1, 80, 2)),
    }


def test_rows_are_added_all_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "x.csv"
    matrix.append_rows(path, [])
    assert not path.exists()
    with pytest.raises(UsageError):
        matrix.append_rows(path, [ROW, ROW._replace(fp16="marvellous")])
    assert not path.exists()
    matrix.append_rows(path, [ROW, ROW._replace(fp16="ok", report_id="00000000000000bb")])
    assert len(matrix.read_rows(path)[0]) == 2
    monkeypatch.setattr(store, "write_bytes_atomic", pytest.fail)
    assert matrix.append_rows(path, [ROW]) == ()


def test_a_kill_at_any_moment_loses_at_most_the_row_being_written(tmp_path: Path):
    path, said = tmp_path / "ga102.csv", []
    matrix.write_rows(path, [Row(gpu="NVIDIA A10", source="measured", report_id=f"{n:016x}") for n in range(2000)])
    for attempt, delay in enumerate((0.0, 0.02, 0.05, 0.08, 0.13)):
        start = 10_000 * (attempt + 1)
        writer = appender(path, start, 10_000)
        assert writer.stdout is not None
        said.append(int(writer.stdout.readline()))
        time.sleep(delay)
        writer.kill()
        said.extend(int(word) for word in writer.communicate()[0].split("\n")[:-1])
        rows, warnings = matrix.read_rows(path)
        found = {int(row.report_id, 16) for row in rows}
        assert warnings == ()
        assert {*range(2000), *said} <= found
        assert max(found) <= max(said) + 1
    matrix.append_row(path, ROW)
    assert list(tmp_path.glob(".*.tmp")) == []


def test_the_litter_of_a_killed_writer_is_swept_and_nothing_else(tmp_path: Path):
    path = tmp_path / "x.csv"
    for name in (".x.csv.00ff.tmp", ".y.csv.00ff.tmp", "x.csv.tmp"):
        (tmp_path / name).write_text("half", encoding="utf-8")
    matrix.append_row(path, ROW)
    assert not (tmp_path / ".x.csv.00ff.tmp").exists()
    assert (tmp_path / ".y.csv.00ff.tmp").exists()
    assert (tmp_path / "x.csv.tmp").exists()


def test_an_append_that_changes_nothing_does_not_touch_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "x.csv"
    matrix.append_row(path, ROW)
    monkeypatch.setattr(store, "write_bytes_atomic", pytest.fail)
    assert matrix.append_row(path, ROW) == ()


def test_a_folder_that_cannot_be_written_is_a_machine_error(tmp_path: Path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(MachineError):
        matrix.append_row(tmp_path / "file" / "results" / "x.csv", ROW)
