"""Every rule for rows and row files finds what it is for, says where and what to do, and leaves clean rows alone."""

from __future__ import annotations

import io
import json
import random
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwcompat import lint, matrix
from hwcompat.errors import DataError
from hwcompat.lint import reading
from hwcompat.model import Row

TODAY = "2026-11-21"
ROOT = Path(__file__).resolve().parents[1]
CLEAN = Row(
    gpu="NVIDIA GeForce GTX 1660 Ti",
    pci_id="10de:2182",
    pci_subsystem="1458:3fc7",
    chip="TU116",
    compute_capability="7.5",
    vram_gb="6",
    driver="552.22",
    os="windows",
    arch="x86_64",
    python="3.11.7",
    torch="2.6.0+cu124",
    cuda="cu124",
    cudnn="9.1.0",
    fp32="ok",
    tf32="unsupported",
    fp16="faulty",
    bf16="emulated",
    fp8="unsupported",
    amp_fp16="faulty",
    amp_bf16="emulated",
    memory="ok",
    fp32_tflops="5.123",
    fp16_tflops="0.8",
    amp_fp16_speedup="0.4",
    bandwidth_gbs="250.1",
    failures="conv.forward:float16:fail conv.wgrad:float16:fail",
    exact_digest="0123456789abcdef",
    source="measured",
    date="2026-11-20",
    hwcompat="0.1.0",
    suite="1",
    level="standard",
    report_id="0123456789abcdef",
)
REPORTED = Row(
    gpu="GTX 1660 Ti",
    chip="TU116",
    torch="2.0",
    fp16="faulty",
    source="reported",
    url="https://example.org/issues/1?x=y#z",
    date="2026-01-02",
    report_id="reported-0123456789ab",
    note="a note, with a comma",
)
H200 = CLEAN._replace(
    gpu="NVIDIA H200",
    pci_id="10de:2335",
    pci_subsystem="",
    chip="GH100",
    compute_capability="9.0",
    vram_gb="140.4",
    os="linux",
    tf32="ok",
    fp16="ok",
    bf16="ok",
    fp8="ok",
    amp_fp16="ok",
    amp_bf16="ok",
    failures="",
    fp32_tflops="50",
    tf32_tflops="300",
    fp16_tflops="700",
    bf16_tflops="720",
    amp_fp16_speedup="5",
    amp_bf16_speedup="6",
    bandwidth_gbs="4300",
)
CPU = Row(
    gpu="AMD Ryzen 5 3600",
    chip="cpu",
    os="linux",
    arch="x86_64",
    python="3.11.7",
    torch="2.13.0+cpu",
    cuda="cpu",
    bf16="ok",
    fp32_tflops="1",
    bf16_tflops="0.01",
    source="measured",
    date="2026-11-20",
    hwcompat="0.1.0",
    suite="1",
    level="quick",
    report_id="00000000000000aa",
)


@pytest.fixture(scope="module")
def rules() -> lint.Rules:
    return lint.Rules(lint.read_facts(TODAY))


def found(rules: lint.Rules, row: Row) -> list[tuple[str, str, str]]:
    return [(finding.rule, finding.column, finding.kind) for finding in lint.check_rows([row], rules)]


# --- cells and rows ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row",
    [
        CLEAN,
        REPORTED,
        H200,
        CPU,
        H200._replace(gpu="NVIDIA H200 MIG 1g.18gb", vram_gb="16.0"),
        H200._replace(gpu="GRID T4-8C", pci_id="10de:1eb8", chip="TU104", compute_capability="7.5", vram_gb="8",
                      tf32="unsupported", bf16="emulated", amp_bf16="emulated", fp8="unsupported", fp32_tflops="",
                      fp16_tflops="60", bf16_tflops="", tf32_tflops="", bandwidth_gbs="", amp_bf16_speedup=""),
        H200._replace(gpu="NVIDIA GB200 MIG 1g.24gb", pci_id="", chip="", compute_capability="10.0", vram_gb="20"),
        H200._replace(gpu="NVIDIA GH200 480GB", pci_id="10de:2342", pci_subsystem="10de:1809", vram_gb="95.58"),
        H200._replace(torch="2.3.0a0+6ddf5cf85e.nv24.04", cuda="cu124", python="3.10.12"),
        CPU._replace(os="macos", arch="arm64", chip="", gpu="Apple M2", cuda="mps", torch="2.9.0"),
        REPORTED._replace(torch="1.4.0", gpu="", chip="", fp16=""),
        CLEAN._replace(failures="conv.forward:float16:fail conv.wgrad:float16:fail ..."),
        CLEAN._replace(supersedes="fedcba9876543210 reported-0123456789ab", retracted="the cooler was broken"),
        CLEAN._replace(report_id="0123456789abcdef fedcba9876543210"),
        CLEAN._replace(os="wsl"),
    ],
    ids=lambda row: f"{row.gpu or 'no card'} {row.torch} {row.source}",
)  # fmt: skip
def test_a_clean_row_is_clean(rules: lint.Rules, row: Row) -> None:
    assert found(rules, row) == []


# Rule, the column it names, and the cells of CLEAN (of another row: the last part) that break it.
BAD: list[tuple[str, str, dict[str, str], Row]] = [
    ("cells_are_short", "contributor", {"contributor": "a" * 201}, CLEAN),
    ("cells_are_short", "url", {"url": "https://example.org/" + "a" * 500}, CLEAN),
    ("cells_have_no_stray_spaces", "gpu", {"gpu": "NVIDIA  GeForce GTX 1660 Ti"}, CLEAN),
    ("cells_have_no_stray_spaces", "note", {"note": "a\u00a0b"}, CLEAN),
    ("cells_are_no_formulas", "note", {"note": "=cmd|' /C calc'!A0"}, CLEAN),
    ("cells_are_no_formulas", "contributor", {"contributor": "@sum"}, CLEAN),
    ("cells_are_no_formulas", "note", {"note": " +1"}, CLEAN),
    ("unknown_is_an_empty_cell", "note", {"note": "NaN"}, CLEAN),
    ("unknown_is_an_empty_cell", "level", {"level": "null"}, CLEAN),
    ("unknown_is_an_empty_cell", "driver", {"driver": "N/A"}, CLEAN),
    ("words_are_of_the_list", "fp16", {"fp16": "broken"}, CLEAN),
    ("words_are_of_the_list", "os", {"os": "Windows"}, CLEAN),
    ("words_are_of_the_list", "arch", {"arch": "amd64"}, CLEAN),
    ("words_are_of_the_list", "source", {"source": "rumour"}, REPORTED),
    ("words_are_of_the_list", "level", {"level": "deep"}, CLEAN),
    ("numbers_are_positive_and_finite", "amp_fp16_speedup", {"amp_fp16_speedup": "0"}, CLEAN),
    ("numbers_are_positive_and_finite", "amp_fp16_speedup", {"amp_fp16_speedup": "inf"}, CLEAN),
    ("numbers_are_positive_and_finite", "fp16_tflops", {"fp16_tflops": "5,1"}, CLEAN),
    ("numbers_are_positive_and_finite", "vram_gb", {"vram_gb": "6 GB"}, CLEAN),
    ("digests_are_sixteen_hex_digits", "exact_digest", {"exact_digest": "0123456789abcdeg"}, CLEAN),
    ("digests_are_sixteen_hex_digits", "fingerprint_digest", {"fingerprint_digest": "ab" * 32}, CLEAN),
    ("pci_ids_are_two_numbers", "pci_id", {"pci_id": "10DE:2182"}, CLEAN),
    ("pci_ids_are_two_numbers", "pci_subsystem", {"pci_subsystem": "3fc7"}, CLEAN),
    ("versions_have_their_form", "driver", {"driver": "newest"}, CLEAN),
    ("versions_have_their_form", "python", {"python": "2.7"}, CLEAN),
    ("versions_have_their_form", "torch", {"torch": "torch 2"}, CLEAN),
    ("versions_have_their_form", "cuda", {"cuda": "12.4"}, CLEAN),
    ("versions_have_their_form", "cudnn", {"cudnn": "v9"}, CLEAN),
    ("versions_have_their_form", "hwcompat", {"hwcompat": "new"}, CLEAN),
    ("versions_have_their_form", "suite", {"suite": "one"}, CLEAN),
    ("versions_have_their_form", "compute_capability", {"compute_capability": "sm_75"}, CLEAN),
    ("dates_are_days", "date", {"date": "2026-02-30"}, CLEAN),
    ("dates_are_days", "date", {"date": "20260102"}, CLEAN),
    ("dates_are_not_in_the_future", "date", {"date": "2026-11-22"}, CLEAN),
    ("urls_are_https", "url", {"url": "http://example.org/1"}, REPORTED),
    ("urls_are_https", "url", {"url": "javascript:alert(1)"}, REPORTED),
    ("urls_are_https", "url", {"url": "https://example.org/<script>"}, REPORTED),
    ("urls_are_https", "url", {"url": "https://user@example.org/"}, REPORTED),
    ("nothing_personal_stands_in_a_row", "note", {"note": "log in /home/ann/x.log"}, CLEAN),
    ("cells_are_what_readers_take", "failures", {"failures": "conv.forward"}, CLEAN),
    ("a_new_card_is_welcome", "pci_id", {"pci_id": "10de:fffe", "gpu": "NVIDIA GeForce RTX 9090"}, CLEAN),
    ("a_new_card_is_welcome", "gpu", {"pci_id": "1002:ffff", "gpu": "AMD Radeon RX 19000", "chip": ""}, CPU),
    ("a_subsystem_needs_its_device", "pci_subsystem", {"pci_id": ""}, CLEAN),
    ("the_chip_is_that_of_the_pci_id", "chip", {"chip": "TU117"}, CLEAN),
    ("the_name_fits_the_pci_id", "gpu", {"gpu": "NVIDIA H200"}, CLEAN),
    ("the_name_fits_the_chip", "chip", {"chip": "GA102"}, REPORTED),
    ("the_capability_is_that_of_the_chip", "compute_capability", {"compute_capability": "8.6"}, CLEAN),
    ("the_memory_is_that_of_the_card", "vram_gb", {"vram_gb": "4"}, H200),
    ("the_memory_is_that_of_the_card", "vram_gb", {"vram_gb": "64"}, CLEAN),
    ("the_memory_is_that_of_the_card", "vram_gb", {"vram_gb": "1e3"}, CLEAN),
    ("numbers_are_positive_and_finite", "vram_gb", {"vram_gb": "\u0666"}, CLEAN),
    ("numbers_are_positive_and_finite", "vram_gb", {"vram_gb": "9e99999"}, CLEAN),
    ("the_memory_is_that_of_the_card", "vram_gb", {"gpu": "NVIDIA H200 MIG 1g.18gb"}, H200),
    ("the_torch_release_exists", "torch", {"torch": "9.9"}, CLEAN),
    ("the_torch_release_exists", "torch", {"torch": "2.6.7+cu124"}, CLEAN),
    ("the_torch_release_exists", "torch", {"torch": "9.9.0a0+gitabc"}, CLEAN),
    ("the_torch_release_exists", "torch", {"torch": "2.99"}, REPORTED),
    ("the_tag_is_that_of_the_version", "cuda", {"cuda": "cu126"}, CLEAN),
    ("the_build_of_the_release_exists", "cuda", {"torch": "2.6.0", "cuda": "cu117"}, CLEAN),
    ("the_build_of_the_release_exists", "cuda", {"os": "macos", "arch": "arm64"}, CLEAN),
    ("the_python_is_one_of_the_build", "python", {"python": "3.14.0"}, CLEAN),
    ("the_build_was_released_by_then", "date", {"date": "2024-01-02"}, CLEAN),
    ("rates_are_below_the_limit_of_the_card", "fp32_tflops", {"fp32_tflops": "51"}, CLEAN),
    ("rates_are_below_the_limit_of_the_card", "bf16_tflops", {"bf16_tflops": "2000"}, H200),
    ("the_bandwidth_is_below_the_limit_of_the_card", "bandwidth_gbs", {"bandwidth_gbs": "9999"}, CLEAN),
    ("sixteen_bits_are_not_faster_than_the_units", "fp16_tflops", {"fp32_tflops": "1", "fp16_tflops": "12"}, CLEAN),
    ("speedups_are_not_above_the_units", "amp_fp16_speedup", {"amp_fp16_speedup": "8"}, CLEAN),
    ("rows_have_a_source", "source", {"source": ""}, CLEAN),
    ("report_ids_have_their_form", "report_id", {"report_id": "reported-0123456789ab"}, CLEAN),
    ("report_ids_have_their_form", "report_id", {"report_id": "0123456789abcdef"}, REPORTED),
    ("report_ids_have_their_form", "report_id", {"report_id": "fedcba9876543210 0123456789abcdef"}, CLEAN),
    ("supersedes_names_other_reports", "supersedes", {"supersedes": "the old one"}, CLEAN),
    ("supersedes_names_other_reports", "supersedes", {"supersedes": "0123456789abcdef"}, CLEAN),
    ("nothing_personal_stands_in_a_row", "retracted", {"retracted": "see C:\\Users\\Ann\\x"}, CLEAN),
    ("reported_rows_have_an_id", "report_id", {"report_id": ""}, REPORTED),
    ("reported_rows_link_their_source", "url", {"url": ""}, REPORTED),
    ("measured_rows_say_how_they_were_made", "suite", {"suite": ""}, CLEAN),
    ("bf16_without_units_is_emulated", "bf16", {"bf16": "ok"}, CLEAN),
    ("bf16_without_units_is_emulated", "amp_bf16", {"amp_bf16": "ok", "chip": ""}, CLEAN),
    ("tf32_below_capability_8_is_unsupported", "tf32", {"tf32": "ok"}, CLEAN),
    ("fp8_without_units_is_unsupported", "fp8", {"fp8": "ok"}, CLEAN),
    ("autocast_is_no_better_than_its_kernels", "amp_fp16", {"amp_fp16": "ok"}, CLEAN),
    ("failures_have_their_form", "failures", {"failures": "conv.forward:float16:wrong"}, CLEAN),
    ("failures_name_known_probes", "failures", {"failures": "conv.forwrd:float16:fail"}, CLEAN),
    ("failures_name_known_probes", "failures", {"failures": "conv.forward:float17:fail"}, CLEAN),
    ("failures_and_verdicts_agree", "fp16", {"fp16": "ok", "amp_fp16": "unknown"}, CLEAN),
    ("a_measured_fault_names_its_failure", "fp16", {"failures": ""}, CLEAN),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "column", "cells", "row"), BAD, ids=lambda part: part if isinstance(part, str) else ""
)
def test_every_rule_finds_what_it_is_for(
    rules: lint.Rules, rule: str, column: str, cells: dict[str, str], row: Row
) -> None:
    findings = lint.check_rows([row._replace(**cells)], rules)
    mine = [finding for finding in findings if finding.rule == rule]
    assert [finding.column for finding in mine] == [column], findings
    assert mine[0].problem
    assert mine[0].advice
    assert f"({rule}); " in str(mine[0])


def test_every_rule_has_a_row_that_breaks_it_and_says_what_it_demands() -> None:
    cell_rules, row_rules = lint.every_rule()
    assert {rule.name for rule in (*cell_rules, *row_rules)} == {name for name, *_ in BAD}
    assert all(rule.demand.endswith(".") or len(rule.demand) > 30 for rule in (*cell_rules, *row_rules))


def test_a_new_card_is_no_mistake_and_its_line_can_be_pasted_into_the_table(rules: lint.Rules) -> None:
    row = CLEAN._replace(pci_id="10de:fffe", gpu="NVIDIA GeForce GTX 1670, Ti", chip="")
    [finding] = lint.check_rows([row], rules)
    assert finding.kind == lint.NEW
    line = finding.advice.removeprefix("gpus.csv: ")
    header = (ROOT / "matrix" / "gpus.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
    cells = dict(zip(header, reading.split(line), strict=True))
    assert (cells["name"], cells["pci_ids"], cells["architecture"]) == (row.gpu, row.pci_id, "Turing")
    assert (cells["vram_gb"], cells["compute_capability"], cells["verified"]) == ("6", "7.5", "no")


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(matrix.COLUMNS), st.text(min_size=1, max_size=30) | st.from_regex(r"[\d.:+-]{1,12}", fullmatch=True)
)
def test_what_the_reader_refuses_is_a_finding(column: matrix.Column, value: str) -> None:
    rules = _shared_rules()
    if value.strip() and value.isprintable() and matrix.problem(column, value):
        assert lint.check_rows([CLEAN._replace(**{column.name: value})], rules)


def _shared_rules() -> lint.Rules:
    if "rules" not in _CACHE:
        _CACHE["rules"] = lint.Rules(lint.read_facts(TODAY))
    return _CACHE["rules"]


_CACHE: dict[str, lint.Rules] = {}


def test_answers_are_remembered_in_bounded_memory(rules: lint.Rules, monkeypatch: pytest.MonkeyPatch) -> None:
    from hwcompat.lint import files

    monkeypatch.setattr(files, "_REMEMBERED", 10)
    fresh = lint.Rules(rules.facts)
    for number in range(50):
        assert fresh.check(list(CLEAN._replace(note=f"note {number}"))) == ([], True)
    groups = [*fresh._groups, fresh._rest]
    assert len(groups) > 3
    memories = [part.known for group in groups for part in (group, *group.columns, *group.rules)]
    assert all(len(known) <= 10 for known in memories)


def test_every_cell_and_rule_is_looked_at_once(rules: lint.Rules) -> None:
    groups = [*rules._groups, rules._rest]
    assert sorted(each.column.name for group in groups for each in group.columns) == sorted(Row._fields)
    asked = [each.rule.name for group in groups for each in group.rules]
    assert sorted(asked) == sorted(rule.name for rule in lint.every_rule()[1])


def test_a_limit_that_is_no_number_is_told_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "speed_limits.csv"
    path.write_text("match,value,fp32_tflops,fp16_tflops,bandwidth_gbs\nchip,TU116,much,11,336\n", encoding="utf-8")
    monkeypatch.setenv("HWCOMPAT_MATRIX_EXTRA", str(tmp_path))
    with pytest.raises(DataError, match=r"speed_limits.csv:2: "):
        lint.read_facts(TODAY)


# --- files ------------------------------------------------------------------------------------------------------------

NAMES = ",".join(Row._fields)
LINE = matrix.to_text([CLEAN]).splitlines()[1]
OTHER = matrix.to_text([CLEAN._replace(report_id="00000000000000aa", date="2026-11-19")]).splitlines()[1]


def check(path: Path, content: bytes | str, rules: lint.Rules) -> tuple[list[lint.Finding], lint.FileCheck]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    one = lint.FileCheck(path, rules)
    return list(one.findings()), one


def replacing(*pairs: tuple[str, str]) -> str:
    """A file of rows with these ids, each replacing the rows of the other ids."""
    rows = [CLEAN._replace(report_id=16 * own, supersedes=16 * other if other else "") for own, other in pairs]
    return matrix.to_text(rows)


@pytest.mark.parametrize(
    ("pairs", "told"),
    [
        ((("a", "b"), ("b", "a")), "lines 2, 3 replace one another"),
        ((("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")), "lines 2, 3, 4 replace one another"),
        ((("a", "b"), ("b", "c"), ("c", "")), ""),
        ((("a", "b"), ("c", "b")), ""),
    ],
)
def test_rows_that_replace_one_another_are_told(
    tmp_path: Path, rules: lint.Rules, pairs: tuple[tuple[str, str], ...], told: str
) -> None:
    findings, _ = check(tmp_path / "x.csv", replacing(*pairs), rules)
    mine = [each for each in findings if each.rule == "rows_replace_in_one_direction"]
    assert len(mine) == bool(told)
    assert all(told in each.problem and each.column == "supersedes" and each.line > 2 for each in mine)


def test_a_clean_file_is_clean(tmp_path: Path, rules: lint.Rules) -> None:
    findings, one = check(tmp_path / "results" / "tu116.csv", f"{NAMES}\n{OTHER}\n{LINE}\n", rules)
    assert (findings, one.rows, one.usable) == ([], 2, 2)


FILES: list[tuple[str, int, str, bytes | str]] = [
    ("files_hold_rows", 1, "file", ""),
    ("files_hold_rows", 1, "file", f"{NAMES}\n"),
    ("files_are_plain", 1, "file", f"\ufeff{NAMES}\n{LINE}\n"),
    ("files_are_plain", 1, "file", f"{NAMES}\r\n{LINE}\r\n"),
    ("files_are_plain", 2, "line", f"{NAMES}\n{LINE}"),
    ("files_are_utf8", 2, "chip", f"{NAMES}\n{LINE}\n".encode().replace(b"TU116", b"TU\xe916")),
    ("files_are_utf8", 1, "line", f"{NAMES}\n{LINE}\n".encode("utf-16")),
    ("cells_are_printable", 2, "gpu", f"{NAMES}\n{LINE}\n".replace("GTX", "G\x00TX", 1)),
    ("cells_are_printable", 2, "gpu", f"{NAMES}\n{LINE}\n".replace("GTX", "G\u202eTX", 1)),
    ("cells_are_printable", 1, "line", f"{NAMES}\n{LINE}\n".encode("utf-16-le")),
    ("lines_are_short", 2, "line", f"{NAMES}\n{LINE}{'x' * reading.MAX_LINE}\n"),
    ("quotes_pair", 2, "line", f'{NAMES}\n"{LINE}\n'),
    ("quotes_stand_where_needed", 2, "line", f'{NAMES}\n"NVIDIA GeForce GTX 1660 Ti"{LINE[26:]}\n'),
    ("lines_fill_the_columns", 2, "line", f"{NAMES}\njust,three,cells\n"),
    ("no_line_is_blank", 2, "line", f"{NAMES}\n\n{LINE}\n"),
    ("the_header_is_there", 1, "header", f"{LINE}\n"),
    ("columns_stand_once", 1, "note", f"{NAMES},note\n{LINE},\n"),
    ("columns_are_known", 1, "colour", f"{NAMES},colour\n{LINE},red\n"),
    ("no_column_is_missing", 1, "note", f"{NAMES.removesuffix(',note')}\n{LINE.removesuffix(',')}\n"),
    ("columns_are_in_order", 1, "header", f"note,{NAMES.removesuffix(',note')}\n,{LINE.removesuffix(',')}\n"),
    ("rows_are_sorted", 3, "date", f"{NAMES}\n{LINE}\n{OTHER}\n"),
    ("rows_stand_once", 3, "line", f"{NAMES}\n{LINE}\n{LINE}\n"),
    ("report_ids_stand_once", 3, "report_id", f"{NAMES}\n{LINE}\n{LINE.replace(',standard,', ',full,')}\n"),
    (
        "report_ids_stand_once",
        3,
        "report_id",
        f"{NAMES}\n{LINE}\n{LINE.replace('abcdef,,,', 'abcdef fedcba9876543210,,,')}\n",
    ),
    ("rows_stand_in_their_file", 2, "chip", f"{NAMES}\n{LINE.replace('TU116', 'TU117')}\n"),
    ("rows_stand_in_their_file", 2, "source", matrix.to_text([REPORTED])),
    ("words_are_of_the_list", 2, "fp32", f"{NAMES}\n{LINE.replace(',ok,', ',fine,', 1)}\n"),
]


@pytest.mark.parametrize(
    ("rule", "line", "column", "content"),
    FILES,
    ids=lambda part: part if isinstance(part, str) and "\n" not in part else "",
)
def test_every_fault_of_a_file_is_found_in_its_line_and_column(
    tmp_path: Path, rules: lint.Rules, rule: str, line: int, column: str, content: bytes | str
) -> None:
    findings, _ = check(tmp_path / "results" / "tu116.csv", content, rules)
    mine = [finding for finding in findings if finding.rule == rule]
    assert (line, column) in [(finding.line, finding.column) for finding in mine], findings
    assert str(mine[0]).startswith(f"{tmp_path / 'results' / 'tu116.csv'}:")
    assert all(finding.advice and finding.problem for finding in findings)


def test_a_bad_line_costs_no_other_line(tmp_path: Path, rules: lint.Rules) -> None:
    content = f"{NAMES}\n{OTHER}\n".encode() + b'"broken\n\xff\x00,,\n' + b"x" * 300_000 + f"\n{LINE}\n".encode()
    findings, one = check(tmp_path / "a.csv", content, rules)
    assert [(finding.rule, finding.line) for finding in findings] == [
        ("quotes_pair", 3),
        ("files_are_utf8", 4),
        ("lines_are_short", 5),
    ]
    assert (one.rows, one.usable) == (2, 2)


class Endless(io.RawIOBase):
    """A pipe that gives `left` bytes and never a line feed."""

    def __init__(self, left: float) -> None:
        super().__init__()
        self.left = left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        size = int(min(len(buffer), self.left))
        buffer[:size] = b"x" * size
        self.left -= size
        return size


def test_a_line_without_end_is_read_in_bounded_memory() -> None:
    [line] = reading.lines_of(io.BufferedReader(Endless(300 * 2**20), 1 << 20))
    assert (line.number, len(line.content), line.ended) == (1, reading.MAX_LINE, False)
    assert len(line.content) + line.excess == 300 * 2**20


def test_a_pipe_without_end_is_left(tmp_path: Path, rules: lint.Rules, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = reading.lines_of(io.BufferedReader(Endless(float("inf")), 1 << 20), 10 * 2**20)
    assert next(lines).excess < 12 * 2**20
    with pytest.raises(reading.TooLargeError):
        next(lines)
    if Path("/dev/zero").exists():
        from hwcompat.lint import files

        monkeypatch.setattr(files, "MAX_FILE", 10 * 2**20)
        findings = list(lint.check(Path("/dev/zero"), rules))
        assert [finding.rule for finding in findings] == ["lines_are_short"]


def test_a_file_that_is_too_large_or_holds_too_many_rows_is_refused(
    tmp_path: Path, rules: lint.Rules, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hwcompat.lint import files

    monkeypatch.setattr(files, "MAX_ROWS", 1)
    findings, one = check(tmp_path / "a.csv", f"{NAMES}\n{OTHER}\n{LINE}\n", rules)
    assert [finding.rule for finding in findings] == ["files_are_small"]
    assert one.rows == 1
    monkeypatch.setattr(files, "MAX_FILE", 10)
    findings, one = check(tmp_path / "a.csv", f"{NAMES}\n{LINE}\n", rules)
    assert [finding.rule for finding in findings] == ["files_are_small"]


@pytest.mark.parametrize("name", ["nothing.csv", ".", "a\x00b"])
def test_what_cannot_be_read_is_a_finding(tmp_path: Path, rules: lint.Rules, name: str) -> None:
    [finding] = lint.check(Path(f"{tmp_path}/{name}"), rules)
    assert finding.rule == "files_are_readable"


def test_the_packaged_rows_are_clean(rules: lint.Rules) -> None:
    files = sorted((ROOT / "matrix" / "results").glob("*.csv"))
    assert files
    assert [str(finding) for file in files for finding in lint.check(file, rules)] == []


def hostile(seed: int) -> bytes:
    """A row file with a few things wrong in it, or nothing of a row file at all."""
    pick = random.Random(seed)
    lines = [NAMES.encode(), *(LINE.encode() for _ in range(pick.randrange(4)))]
    content = bytearray(pick.choice([b"\n", b"\r\n", b"\r"]).join(lines))
    pieces = [
        b"\x00",
        b'"',
        b",",
        b"\n",
        b"\r",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"=1+1",
        b"\xe2\x80\xae",
        b"9" * 400,
        b"<b>",
    ]
    pieces += [b"nan", b"../../x", b"PK\x03\x04", b"&a [*b,*b]", b"\xed\xa0\x80", b"1e999", "\u0660".encode(), b"\x85"]
    for _ in range(pick.randrange(12)):
        at = pick.randrange(len(content) + 1)
        content[at : at + pick.choice([0, 0, 1, 5, 60])] = pick.choice([*pieces, pick.randbytes(pick.randrange(20))])
    text = bytes(content)
    encoded = [text, text, text, text.decode("latin-1").encode("utf-16"), text.decode("latin-1").encode("utf-8-sig")]
    return pick.choice([*encoded, pick.randbytes(pick.randrange(2000))])


@pytest.mark.parametrize("batch", range(3))
def test_no_file_makes_the_check_crash_and_every_finding_says_where(
    tmp_path: Path, rules: lint.Rules, batch: int
) -> None:
    for seed in range(batch * 100, batch * 100 + 100):
        examine(tmp_path / "tu116.csv", hostile(seed), rules)


def examine(path: Path, content: bytes, rules: lint.Rules) -> None:
    findings, one = check(path, content, rules)
    assert all(finding.line >= 1 and finding.column and finding.rule and finding.advice for finding in findings)
    assert findings or one.rows
    read, warnings = matrix.read_rows(path)
    assert not warnings or findings, warnings
    assert len(read) >= one.usable


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def validate(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def run(*arguments: object) -> tuple[int, str, str]:
        from hwcompat.cli import run as command_line

        with pytest.raises(SystemExit) as end:
            command_line(["matrix", "validate", *map(str, arguments)])
        said = capsys.readouterr()
        return int(str(end.value.code)), said.out, said.err

    return run


@pytest.mark.parametrize(
    ("content", "code"),
    [(f"{NAMES}\n{LINE}\n", 0), ("", 1), (f"{NAMES}\n{LINE}\n\n", 1), ("no,header\n", 4), (b"\x00\xff" * 9, 4),
     (f"{NAMES}\nonly,three,cells\n", 4), (f"{NAMES}\n{LINE.replace('10de:2182', '10de:fffe')}\n", 0)],
    ids=["clean", "empty", "a finding", "no header", "bytes", "no usable row", "a new card"],
)  # fmt: skip
def test_the_exit_code_tells_clean_findings_and_useless(
    validate, tmp_path: Path, content: bytes | str, code: int
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    done, out, err = validate(path)
    assert done == code, (out, err)
    assert "rows usable" in err
    assert out.isascii()
    if code:
        assert f"{path}:1:" in out or f"{path}:2:" in out or f"{path}:3:" in out


def test_findings_can_be_had_as_json_and_are_bounded(validate, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{NAMES}\n{LINE}\n" + "a,b\n" * 20, encoding="utf-8")
    code, out, err = validate("--json", "--most", 5, path)
    assert code == 1
    told = json.loads(out)
    assert len(told) == 5
    assert set(told[0]) == {"file", "line", "column", "value", "problem", "rule", "advice", "kind"}
    assert "more findings" in err
    assert "20 findings" in err


if __name__ == "__main__":  # python tests/test_lint.py 10000: that many hostile files, once
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        for number in range(int(sys.argv[1])):
            examine(Path(folder) / "tu116.csv", hostile(number), _shared_rules())
    print(f"{sys.argv[1]} files, no crash")
