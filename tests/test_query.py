"""Filters and orders over rows: each equals the plain loop one would write instead."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from hwcompat import columns, lint, matrix, query
from hwcompat.errors import UsageError
from hwcompat.model import CAPABILITIES, VERDICTS, Row
from hwcompat.query import Filter

TORCHES = ("", "1.13.1+cu117", "2.5.1+cu124", "2.6.0+cu124", "2.6.0+cpu", "2.60.0", "2.10.0+cu126")
TAGS = ("", "cpu", "cu117", "cu118", "cu124", "cu126", "cu130", "rocm6.2", "xpu", "mps")
CARDS = (
    ("NVIDIA GeForce GTX 1660 Ti", "TU116", "10de:2182", "7.5"),
    ("GTX 1660 SUPER", "", "", ""),
    ("Tesla T4", "TU104", "10de:1eb8", "7.5"),
    ("AMD Instinct MI210", "", "1002:740f", "gfx90a"),
    ("", "", "", ""),
)
verdicts = st.sampled_from(("", "", *VERDICTS))


@st.composite
def realistic(draw: st.DrawFn) -> Row:
    gpu, chip, pci_id, capability = draw(st.sampled_from(CARDS))
    return Row(
        gpu=gpu,
        chip=chip,
        pci_id=pci_id,
        compute_capability=capability,
        torch=draw(st.sampled_from(TORCHES)),
        cuda=draw(st.sampled_from(TAGS)),
        os=draw(st.sampled_from(("", "linux", "windows", "macos", "wsl"))),
        fp32=draw(verdicts),
        fp16=draw(verdicts),
        amp_fp16=draw(verdicts),
        fp16_tflops=draw(st.sampled_from(("", "9.5", "10", "1.5e-05", "65.1"))),
        driver=draw(st.sampled_from(("", "552.22", "570.86", "99.9"))),
        source=draw(st.sampled_from(("measured", "reported"))),
        date=draw(st.sampled_from(("", "2024-12-31", "2025-01-01", "2026-04-30"))),
        report_id=draw(st.text("0123456789abcdef", min_size=16, max_size=16)),
    )


many_rows = st.lists(realistic(), max_size=12)
some_capabilities = st.lists(st.sampled_from(("fp32", "fp16", "amp_fp16")), max_size=2, unique=True).map(tuple)
filters = st.builds(
    Filter,
    gpu=st.sampled_from(("", "1660", "gtx1660ti", "tu1", "10DE", "T4")),
    chip=st.sampled_from(("", "TU116", "tu104", "TU1")),
    torch=st.sampled_from(("", "2.6", "2", "2.6.0+cu124", ">=2.6", ">=2.5,<2.10", "!=2.6", "==1.13.1")),
    cuda=st.sampled_from(("", "cu124", "cu12", "cpu", "rocm", "12", "12.4", ">=12.6", "<12")),
    capability=some_capabilities,
    verdict=st.lists(st.sampled_from(("faulty", "ok", "fp16=faulty", "fp32=ok")), max_size=2).map(tuple),
    source=st.sampled_from(("", "measured", "reported")),
    os=st.sampled_from(("", "linux", "wsl")),
    since=st.sampled_from(("", "2025", "2025-01", "2025-01-01", "2026-05-01")),
)


# --- the same, said another way ---------------------------------------------------------------------------------------


def squeezed(text: str) -> str:
    words = text.lower().replace("-", " ").split()
    return "".join(word for word in words if word not in ("nvidia", "geforce", "tesla", "amd", "instinct"))


def is_named(row: Row, text: str) -> bool:
    names = [name for name in (row.gpu, row.chip, row.pci_id) if name]
    return any(text.lower() in name.lower() or squeezed(text) in squeezed(name) for name in names)


def version_fits(version: str, wanted: str) -> bool:
    if not version[:1].isdigit():
        return False
    if wanted[0].isdigit() and "+" in wanted:
        return version == wanted
    specifier = f"=={wanted}.*" if wanted[0].isdigit() else wanted
    return Version(version).public in SpecifierSet(specifier)


def tag_fits(tag: str, wanted: str) -> bool:
    if wanted[0].isalpha():
        return tag.startswith(wanted)
    return tag.startswith("cu") and version_fits(f"{tag[2:-1]}.{tag[-1]}", wanted)


def naive(row: Row, wanted: Filter) -> bool:
    within = wanted.capability or CAPABILITIES
    held = {name: getattr(row, name) for name in CAPABILITIES if getattr(row, name)}
    checks = [
        not wanted.gpu or is_named(row, wanted.gpu),
        not wanted.chip or row.chip.lower() == wanted.chip.lower(),
        not wanted.torch or version_fits(row.torch, wanted.torch),
        not wanted.cuda or (row.cuda != "" and tag_fits(row.cuda, wanted.cuda)),
        not wanted.capability or any(name in held for name in wanted.capability),
        wanted.source in ("", row.source),
        wanted.os in ("", row.os),
        not wanted.since or row.date >= (wanted.since + "-01-01")[:10],
    ]
    for text in wanted.verdict:
        name, _, verdict = text.rpartition("=")
        checks.append(any(held.get(one) == verdict for one in ([name] if name else within)))
    return all(checks)


@settings(max_examples=300, deadline=None)
@given(many_rows, filters)
def test_a_filter_equals_a_loop_that_asks_every_row(rows: list[Row], wanted: Filter):
    assert query.select(rows, wanted) == [row for row in rows if naive(row, wanted)]


def quoted(row: Row) -> str:
    return query.csv_text([row]).split("\n", 1)[1].replace("TU116", '"TU116"').rstrip("\n")


_lines = st.lists(
    st.builds(lambda row, note: quoted(row._replace(note=note)), realistic(), st.sampled_from(("", 'a, "b"', "é")))
    | realistic().map(quoted)
    | realistic().map(lambda row: quoted(row).replace(",", " ,"))
    | st.sampled_from(("", ",,", "x", '"', 'TU116,"', "faulty,faulty", "a\x00b", "\ufffd")),
    max_size=10,
)


@settings(max_examples=200, deadline=None)
@given(_lines, filters, st.sampled_from((Row._fields, Row._fields[::-1], ("gpu", "fp16", "power"))), st.booleans())
def test_lines_left_unread_would_not_have_been_selected(lines: list[str], wanted: Filter, header: tuple, crlf: bool):
    content = ("\r\n" if crlf else "\n").join([",".join(header), *lines]).encode().replace(b"\xef\xbf\xbd", b"\xff")
    every = matrix._parse(content, "f")
    some = matrix._parse(content, "f", query.conditions(wanted))
    assert query.select([row for row, _ in some.records], wanted) == query.select(
        [row for row, _ in every.records], wanted
    )
    assert set(some.warnings) <= set(every.warnings)


@pytest.mark.parametrize("field", [name for name in Filter._fields if name not in ("capability", "verdict")])
@settings(max_examples=60, deadline=None)
@given(rows=many_rows, wanted=filters)
def test_each_field_alone_equals_the_loop(field: str, rows: list[Row], wanted: Filter):
    alone = Filter(**{field: getattr(wanted, field)})
    assert query.select(rows, alone) == [row for row in rows if naive(row, alone)]


@given(many_rows, filters)
def test_filtering_twice_changes_nothing_and_an_empty_filter_keeps_all(rows: list[Row], wanted: Filter):
    once = query.select(rows, wanted)
    assert query.select(once, wanted) == once
    assert query.select(rows, Filter()) == rows


@pytest.mark.parametrize(
    ("wanted", "cards"),
    [
        (Filter(capability=("7.5",)), {"NVIDIA GeForce GTX 1660 Ti", "Tesla T4"}),
        (Filter(capability=("sm_75",)), {"NVIDIA GeForce GTX 1660 Ti", "Tesla T4"}),
        (Filter(capability=("gfx90a",)), {"AMD Instinct MI210"}),
        (Filter(capability=("sm_120",)), set()),
    ],
)
def test_a_compute_capability_is_understood_too(wanted: Filter, cards: set[str]):
    rows = [Row(gpu=gpu, compute_capability=capability) for gpu, _, _, capability in CARDS]
    assert {row.gpu for row in query.select(rows, wanted)} == cards


@pytest.mark.parametrize(
    "wanted",
    [
        Filter(torch="newest"),
        Filter(torch="2..6"),
        Filter(torch=">=2.x"),
        Filter(cuda="CUDA 12"),
        Filter(cuda=">>12"),
        Filter(capability=("fp17",)),
        Filter(verdict=("bad",)),
        Filter(verdict=("fp99=ok",)),
        Filter(verdict=("=ok",)),
        Filter(since="yesterday"),
        Filter(since="2026-13"),
        Filter(since="2026-02-30"),
    ],
)
def test_a_filter_that_cannot_be_meant_is_refused(wanted: Filter):
    with pytest.raises(UsageError):
        query.select([], wanted)


# --- order ------------------------------------------------------------------------------------------------------------


@given(many_rows, st.sampled_from(("date", "torch", "fp16_tflops", "driver", "cuda", "gpu")), st.booleans())
def test_sorting_puts_unknown_last_and_loses_nothing(rows: list[Row], name: str, down: bool):
    found = query.ordered(rows, f"-{name}" if down else name)
    assert sorted(found) == sorted(rows)
    known = [getattr(row, name) for row in found]
    assert "" not in known[: len([value for value in known if value])]
    if name == "fp16_tflops":
        numbers = [float(value) for value in known if value]
        assert numbers == sorted(numbers, reverse=down)


def test_versions_sort_as_versions_and_several_columns_by_the_first():
    rows = [Row(torch="2.9.0", gpu="b"), Row(torch="2.10.0", gpu="b"), Row(torch="2.9.0", gpu="a")]
    assert [(row.torch, row.gpu) for row in query.ordered(rows, "-torch,gpu")] == [
        ("2.10.0", "b"),
        ("2.9.0", "a"),
        ("2.9.0", "b"),
    ]
    with pytest.raises(UsageError, match="no column 'colour'"):
        query.ordered(rows, "colour")


@given(many_rows)
def test_csv_in_an_order_of_its_own_holds_the_same_rows(rows: list[Row]):
    ordered = query.ordered(rows, "-date")
    parsed = matrix._parse(query.csv_text(ordered).encode(), "f")
    assert [row for row, _ in parsed.records] == ordered
    assert not parsed.warnings


# --- columns ----------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=200)), max_size=5))
def test_plain_columns_line_up_in_printable_ascii(rows: list[tuple[str, str]]):
    lines = columns.plain(["name", "value"], rows).split("\n")
    assert len(lines) == len(rows) + 1
    assert all(line.isascii() and (not line or line.isprintable()) for line in lines)
    start = lines[0].index("value")
    assert all(line[start - 2 : start].strip() == "" for line in lines)


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def row_file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    rows = [
        Row(gpu="NVIDIA GeForce GTX 1660 Ti", chip="TU116", torch="2.6.0+cu124", cuda="cu124", fp16="faulty"),
        Row(gpu="Tesla T4", chip="TU104", torch="2.5.1+cu124", cuda="cu124", fp16="ok", date="2026-01-02"),
        Row(gpu="[bold]\u202fC\u00f6rd[/]", fp16="ok", retracted="loose riser", date="2025-01-02"),
    ]
    matrix.write_rows(path, [row._replace(source="measured", report_id=f"{n:016x}") for n, row in enumerate(rows)])
    return path


def test_a_line_of_a_row_names_the_chip_only_where_it_is_known():
    from hwcompat.commands.matrix_show import row_line

    told = Row(gpu="GTX 1660 SUPER", source="reported", url="https://example.org/1")
    assert "  GTX 1660 SUPER  " in row_line(told)
    assert "  GTX 1660 SUPER [TU116]  " in row_line(told._replace(chip="TU116"))


def test_show_filters_sorts_and_limits(run_matrix, row_file: Path):
    shown = run_matrix("show", str(row_file), "--verdict", "fp16=faulty")
    assert shown.stdout.splitlines() == [
        "----------  measured  NVIDIA GeForce GTX 1660 Ti [TU116]  2.6.0+cu124 cu124  fp16=faulty"
    ]
    table = json.loads(run_matrix("show", str(row_file), "--json", "--sort=-date", "--limit", "2").stdout)
    assert [cells["date"] for cells in table] == ["2026-01-02", "2025-01-02"]
    assert run_matrix("show", str(row_file), "--csv").stdout == row_file.read_text(encoding="utf-8")
    limited = run_matrix("show", str(row_file), "--limit", "1")
    assert len(limited.stdout.splitlines()) == 1
    assert "1 of 3 rows shown" in limited.stderr


def test_show_says_what_was_withdrawn_in_plain_ascii(run_matrix, row_file: Path):
    shown = run_matrix("show", str(row_file), "--since", "2025", "--torch", "2.5")
    assert shown.stdout.count("\n") == 1
    everything = run_matrix("show", str(row_file)).stdout
    assert everything.isascii()
    assert "[retracted: loose riser]" in everything


def test_show_tells_a_file_without_a_match_from_one_without_a_usable_row(run_matrix, row_file: Path, tmp_path: Path):
    assert run_matrix("show", str(row_file), "--chip", "GH100").stdout == "no row\n"
    older = tmp_path / "older.csv"
    older.write_text("gpu,chip\nTesla T4,TU104\n", encoding="utf-8")
    done = run_matrix("show", str(older), "--chip", "GH100")
    assert (done.returncode, done.stdout) == (0, "no row\n")
    older.write_text("gpu,chip\nx,y,z\n", encoding="utf-8")
    assert run_matrix("show", str(older), "--chip", "GH100").returncode == 4
    older.write_text("name\nTesla T4\n", encoding="utf-8")
    assert run_matrix("show", str(older), "--chip", "GH100").returncode == 4


@pytest.mark.parametrize("wrong", [("--torch", "x"), ("--sort", "colour"), ("--verdict", "bad"), ("--limit", "0")])
def test_show_refuses_what_cannot_be_meant(run_matrix, row_file: Path, wrong: tuple[str, str]):
    done = run_matrix("show", str(row_file), *wrong)
    assert done.returncode == 2
    assert not done.stdout
    assert "Traceback" not in done.stderr


def test_rows_of_one_card_and_build_are_told_together_with_counts_and_age(run_matrix, tmp_path: Path):
    path = tmp_path / "rows.csv"
    row = Row(gpu="Tesla T4", chip="TU104", os="linux", torch="2.6.0+cu124", cuda="cu124", source="measured", fp16="ok")
    row = row._replace(level="standard", date="2026-01-02")
    rows = [row._replace(report_id=f"{n:016x}", contributor=f"c{n}") for n in range(3)]
    rows.append(row._replace(report_id="a" * 16, fp16="faulty", contributor="d"))
    rows.append(row._replace(report_id="b" * 16, fp16="faulty", retracted="overclocked"))
    rows.append(row._replace(report_id="c" * 16, torch="2.5.1"))
    matrix.write_rows(path, rows)
    lines = run_matrix("show", str(path), "--together").stdout.splitlines()
    assert lines[0].split() == ["card", "os", "torch", "cuda", "fp16"]
    assert any(re.search(r"2\.6\.0  cu124  ok \(1 faulty, 3 ok\) \d+d !$", line) for line in lines)
    assert any(re.search(r"2\.5\.1  cu124  ok 1x \d+d$", line) for line in lines)
    assert len(lines) == 3
    found = json.loads(run_matrix("show", str(path), "--together", "--json", "--torch", "2.6").stdout)
    assert [one["torch"] for one in found] == ["2.6.0"]
    fp16 = found[0]["capabilities"]["fp16"]
    assert fp16["counts"] == {"faulty": 1, "ok": 3}
    assert fp16["newest"] == "2026-01-02"
    assert fp16["contradicted"]
    assert run_matrix("show", str(path), "--together", "--csv").returncode == 2


@given(many_rows)
def test_every_row_is_in_exactly_one_group(rows: list[Row]):
    groups = query.together(rows)
    assert sorted(row for group in groups.values() for row in group) == sorted(rows)


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminal in Python's library on Windows")
def test_on_a_terminal_the_rows_are_a_table_and_cells_are_no_markup(command: list[str], row_file: Path):
    import pty

    parent, child = pty.openpty()
    env = dict(os.environ, PYTHONPATH=str(Path(__file__).resolve().parents[1]), COLUMNS="150", TERM="dumb")
    done = subprocess.Popen([*command, "matrix", "show", str(row_file)], stdout=child, stderr=subprocess.PIPE, env=env)
    os.close(child)
    text = _everything(parent)
    assert done.wait() == 0
    done.stderr.close()
    assert "[bold]" in text
    lines = [line for line in text.splitlines() if "fp16" in line or "TU1" in line]
    place = lines[0].index("chip")
    assert all(line[place : place + 3] == "TU1" for line in lines[1:])


def _everything(terminal: int) -> str:
    found = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # Linux says so when the other end is closed
            part = b""
        if not part:
            os.close(terminal)
            return found.decode()
        found += part


def test_the_rows_of_the_benchmark_are_the_same_each_time_and_valid():
    path = Path(__file__).resolve().parents[1] / "scripts" / "bench_matrix.py"
    spec = importlib.util.spec_from_file_location("bench_matrix", path)
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    rows = sorted(bench.synthetic_rows(300))
    assert rows == sorted(bench.synthetic_rows(300))
    parsed = matrix._parse(query.csv_text(rows).encode(), "f")
    assert [row for row, _ in parsed.records] == rows
    assert lint.check_rows(rows, lint.Rules(lint.read_facts("2099-01-01"))) == ()
