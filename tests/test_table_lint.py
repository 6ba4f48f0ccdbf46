"""Every rule of scripts/lint_tables.py finds what it is for, and finds nothing in the tables as they are."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "scripts"))

import lint_rules  # noqa: E402
import lint_tables  # noqa: E402

MATRIX = ROOT / "matrix"
RULES = {rule.__name__: rule for rule in lint_rules.every_rule()}
Edit = Callable[[str], str]


@pytest.fixture
def matrix(tmp_path: Path) -> Path:
    for path in [*MATRIX.glob("*.csv"), *MATRIX.glob("*.yaml"), *(MATRIX / "results").glob("*.csv")]:
        copy = tmp_path / path.relative_to(MATRIX)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    return tmp_path


def findings(matrix: Path, rules: object = None) -> list[lint_rules.Finding]:
    return lint_tables.lint(lint_rules.Folder(matrix), rules or RULES.values())  # type: ignore[arg-type]


def change(path: Path, edit: Edit) -> None:
    header = ",".join(lint_rules.COLUMNS.get(path.name, "").split()) + "\n"
    text = path.read_bytes().decode("utf-8") if path.exists() else header  # an optional table
    changed = edit(text)
    assert changed != text, "the edit does nothing"
    path.write_bytes(changed.encode("utf-8"))


# --- edits ------------------------------------------------------------------------------------------------------------


def instead(old: str, new: str) -> Edit:
    """The first `old` becomes `new`; `old` is a regular expression whose ^ is the begin of a line."""
    return lambda text: re.sub(old, new, text, count=1, flags=re.M)


def without(line: str) -> Edit:
    return lambda text: re.sub(rf"^{line}.*\n", "", text, flags=re.M)


def added(line: str) -> Edit:
    return lambda text: text + line + "\n"


def swapped(text: str) -> str:
    head, first, second, *rest = text.splitlines(keepends=True)
    return "".join([head, second, first, *rest])


def dropped_target(text: str) -> str:
    """The newest CUDA 13.0 row for Linux loses a target."""
    row = re.findall(r"^2\.\d+\.\d+,cu130,linux,x86_64,.*$", text, re.M)[-1]
    return text.replace(row, row.replace("sm_86 ", "", 1))


BUILDS, DRIVERS, COMPANIONS, CARDS = "torch_builds.csv", "cuda_drivers.csv", "torch_companions.csv", "gpus.csv"
OTHERS = "other_gpus.csv"
DEFAULTS, DIGESTS, FAULTS, EXCEPTIONS = (
    "precision_defaults.csv",
    "exact_digests.csv",
    "faults.yaml",
    "lint_exceptions.csv",
)
T4 = r"^(Tesla T4,[^,]*,TU104,Turing,)7\.5,"
_A_FAULT = "  - {{id: x-y, title: t, effect: warn, symptom: s, citations: ['https://e.org/1'], {0}}}"
# Rule, file, edit, the column that the finding names.
CASES: list[tuple[str, str, Edit, str]] = [
    ("files_are_plain", CARDS, lambda text: "\ufeff" + text, ""),
    ("files_are_plain", CARDS, lambda text: text.replace("\n", "\r\n"), ""),
    ("files_are_plain", "results/reported.csv", lambda text: text.removesuffix("\n"), ""),
    ("files_are_plain", DRIVERS, lambda text: text + "\n", ""),
    ("columns_are_those_of_the_table", BUILDS, instead("^torch,build_tag", "torch,tag"), ""),
    ("columns_are_those_of_the_table", DRIVERS, lambda text: "", ""),
    ("a_line_is_a_row", COMPANIONS, added("2.99.0,1.0.0"), ""),
    ("a_line_is_a_row", COMPANIONS, instead(r"^2\.0\.0,", '"2.0.0",'), ""),
    (
        "cells_are_printable",
        BUILDS,
        instead(r"^2\.0\.0,cu117,linux,x86_64,sm_37 ", "2.0.0,cu117,linux,x86_64,sm_37\u00a0"),
        "sm_list",
    ),
    ("cells_are_printable", CARDS, instead("^GRID K2,", "GRID\tK2,"), "name"),
    ("cells_have_no_stray_spaces", CARDS, instead("^GRID K2,", "GRID K2 ,"), "name"),
    ("cells_have_no_stray_spaces", BUILDS, instead("sm_50 sm_60", "sm_50  sm_60"), "sm_list"),
    ("cells_are_no_formulas", CARDS, instead("^GRID K2,", "=1+1,"), "name"),
    ("unknown_is_an_empty_cell", BUILDS, instead("^(1.7.0,cu92,linux,x86_64,[^,]*),,,", r"\1,,None,"), "cudnn"),
    ("remarks_stand_once", COMPANIONS, added("2.99.0,1.0.0,,https://e.org/,yes,late; early; late"), "note"),
    ("rows_are_sorted", CARDS, swapped, "name"),
    ("rows_are_sorted", BUILDS, swapped, "torch"),
    ("rows_are_sorted", DRIVERS, swapped, "cuda"),
    ("rows_are_sorted", COMPANIONS, swapped, "torch"),
    ("rows_are_sorted", DIGESTS, swapped, "key"),
    ("rows_are_sorted", EXCEPTIONS, swapped, "rule"),
    ("a_row_stands_once", DRIVERS, instead("^(13.4,.*\n)", r"\1\1"), "cuda"),
    ("verified_is_a_word_of_the_list", DRIVERS, instead("^(13.4,.*),yes,", r"\1,perhaps,"), "verified"),
    ("rows_are_sourced", COMPANIONS, added("2.99.0,1.0.0,,,yes,"), "source"),
    ("rows_are_sourced", COMPANIONS, added("2.99.0,1.0.0,,everybody knows,yes,"), "source"),
    ("rows_are_sourced", COMPANIONS, added("2.99.0,1.0.0,,https://e.org/ and memory,yes,"), "source"),
    ("rows_are_sourced", "results/reported.csv", instead(",https://[^,]*,", ",a forum,"), "url"),
    ("value_columns_hold_values", BUILDS, instead("^(1.7.0,cu92,linux,x86_64,[^,]*),,,", r"\1,,about 8,"), "cudnn"),
    ("value_columns_hold_values", BUILDS, instead("^1.7.0,cu92,", "1.7,cu92,"), "torch"),
    ("value_columns_hold_values", BUILDS, instead("2020-10-27", "2020-13-27"), "release_date"),
    ("value_columns_hold_values", CARDS, instead("10de:11bf", "10DE:11BF"), "pci_ids"),
    ("value_columns_hold_values", CARDS, instead("10de:11bf", "10de:11b"), "pci_ids"),
    ("value_columns_hold_values", DRIVERS, instead("^13.4,,", "13.4,580 or so,"), "min_driver_linux"),
    ("value_columns_hold_values", DEFAULTS, instead(",off,", ",of,"), "default_amp"),
    ("value_columns_hold_values", OTHERS, added("A card,amd,RDNA,https://e.org/,yes,"), "target"),
    ("targets_are_in_order", BUILDS, instead("sm_50 sm_60", "sm_60 sm_50"), "sm_list"),
    ("targets_are_in_order", BUILDS, instead("sm_50 sm_60", "sm_50 sm_50 sm_60"), "sm_list"),
    ("arch_lists_lose_nothing_without_a_note", BUILDS, dropped_target, "sm_list"),
    ("arch_lists_lose_nothing_without_a_note", BUILDS, instead("sm_75 left the CUDA 10 builds", "smaller"), "sm_list"),
    ("builds_hold_what_their_tag_says", BUILDS, instead("^(1.7.0,cpu,linux,x86_64),,", r"\1,sm_70,"), "sm_list"),
    ("builds_hold_what_their_tag_says", BUILDS, instead("^(1.7.0,cpu,linux,x86_64,,,),", r"\g<1>8.0,"), "cudnn"),
    ("builds_hold_what_their_tag_says", BUILDS, instead("^(1.7.0,cu92,linux,x86_64),[^,]*,", r"\1,gfx900,"), "sm_list"),
    ("builds_hold_what_their_tag_says", BUILDS, instead("^(1.7.0,cu92,linux,x86_64),[^,]*,", r"\1,,"), "sm_list"),
    ("python_ranges_are_ordered", BUILDS, instead(",3.6,3.8,", ",3.10,3.8,"), "python_min"),
    ("a_release_has_one_date", BUILDS, instead("2020-10-27", "2020-10-26"), "release_date"),
    ("a_release_has_one_date", BUILDS, lambda text: text.replace(",2020-12-10,", ",2019-12-10,"), "release_date"),
    ("a_release_has_one_date", BUILDS, lambda text: text.replace(",2020-10-27,", ",2020-02-31,"), "release_date"),
    ("every_release_has_its_default_build", BUILDS, without("2.6.0,cu124,linux,x86_64,"), "is_default_on_pypi"),
    ("every_release_has_its_default_build", BUILDS, without("2.15.0,cpu,windows,x86_64,"), "is_default_on_pypi"),
    (
        "every_release_has_its_default_build",
        BUILDS,
        instead("^(2.6.0,cpu,linux,x86_64,.*,3.13),no,", r"\1,yes,"),
        "is_default_on_pypi",
    ),
    ("every_release_has_cpu_builds", BUILDS, without("2.6.0,cpu,linux,x86_64,"), "build_tag"),
    ("tags_have_a_toolkit", DRIVERS, without(r"12\.4\."), "build_tag"),
    (
        "kernels_are_those_nvcc_still_builds",
        BUILDS,
        instead("^(2.11.0,cu130,linux,x86_64,)sm_75", r"\1sm_70 sm_75"),
        "sm_list",
    ),
    ("companions_belong_to_releases", COMPANIONS, added("2.99.0,1.0.0,,https://e.org/,yes,"), "torch"),
    ("companions_belong_to_releases", COMPANIONS, without("2.6.0,"), "torch"),
    ("companions_grow_with_torch", COMPANIONS, instead("^2.6.0,0.21.0,", "2.6.0,0.12.0,"), "torchvision"),
    (
        "drivers_of_a_toolkit_are_above_its_floor",
        DRIVERS,
        instead("^12.1.0,530.30.02,", "12.1.0,520.30.02,"),
        "min_driver_linux",
    ),
    ("drivers_grow_with_toolkits", DRIVERS, instead("^12.1.0,530.30.02,", "12.1.0,580.30.02,"), "min_driver_linux"),
    ("a_major_has_one_floor", DRIVERS, instead("^13.4,,,580,580,", "13.4,,,590,580,"), "min_driver_linux_minor_compat"),
    ("toolkits_need_a_driver", DRIVERS, instead("^10.2.89,440.33,441.22,", "10.2.89,440.33,,"), "min_driver_windows"),
    ("removed_targets_stay_removed", DRIVERS, instead("^(13.4,.*)sm_30 ", r"\1"), "removed_archs"),
    ("removed_targets_stay_removed", DRIVERS, instead("^(13.4,.*sm_72),,", r"\1,sm_72,"), "deprecated_archs"),
    ("a_chip_is_the_same_in_every_row", CARDS, instead(T4, r"\g<1>7.0,"), "compute_capability"),
    (
        "a_capability_belongs_to_one_architecture",
        CARDS,
        instead(T4, lambda hit: hit[0].replace("Turing", "Volta")),
        "architecture",
    ),  # type: ignore[arg-type]
    ("pci_ids_are_one_cards_own", CARDS, instead("10de:118a", "10de:11bf"), "pci_ids"),
    ("pci_ids_are_one_cards_own", CARDS, instead("^GRID K2,10de:11bf,", "GRID K2,,"), "pci_ids"),
    ("memory_sizes_ascend", CARDS, instead(",1.5 2,", ",2 1.5,"), "vram_gb"),
    ("units_fit_the_capability", CARDS, instead("^(GRID K2,.*,4),no,", r"\1,yes,"), "tensor_cores"),
    ("units_fit_the_capability", CARDS, instead("^(GRID K2,.*,4,no),,", r"\1,1,"), "fp16_rate_vs_fp32"),
    ("rows_can_be_used", BUILDS, added("2.99.0,cu126,beos,x86_64,sm_75,,,3.9,3.13,no,,https://e.org/,yes,"), "os"),
    ("rows_can_be_used", FAULTS, lambda text: "faults: [", ""),
    ("defaults_are_about_known_cards", DEFAULTS, instead("^chip,TU116,", "chip,TU119,"), "value"),
    ("defaults_are_about_known_cards", DEFAULTS, instead("^pci_id,10de:1f0a,", "pci_id,10de:ffff,"), "value"),
    ("every_architecture_has_a_default", DEFAULTS, without("architecture,Kepler,"), "architecture"),
    ("faults_name_known_things", FAULTS, added(_A_FAULT.format("chips: [TU119]")), "chips"),
    ("faults_name_known_things", FAULTS, added(_A_FAULT.format("compute_capabilities: ['7.6']")), "compute_cap"),
    ("faults_name_known_things", FAULTS, added(_A_FAULT.format("detected_by: [conv.sideways]")), "detected_by"),
    ("faults_name_known_things", FAULTS, added(_A_FAULT.format("vendors: [ati]")), "vendors"),
    ("faults_name_known_things", FAULTS, added(_A_FAULT.format("clients: {ultralitics: '<9'}")), "clients"),
    (
        "faults_cite_addresses",
        FAULTS,
        instead("https://github.com/pytorch/pytorch/issues/58123", "a forum"),
        "citations",
    ),
    ("faults_cite_addresses", FAULTS, instead("id: tu11x-fp16-gemm-slow", "id: tu11x-fp16-conv"), "id"),
    (
        "digests_are_of_known_probes",
        DIGESTS,
        added("exact/zoo.lion/float32/v1/quick/cpu,0123456789abcdef,scripts/x.py"),
        "key",
    ),
    ("exceptions_give_their_reason", EXCEPTIONS, instead("pci.ids gives 137a both names", "so"), "reason"),
]


@pytest.mark.parametrize(("name", "file", "edit", "column"), CASES, ids=[f"{case[0]}-{case[1]}" for case in CASES])
def test_a_rule_finds_what_it_is_for(name: str, file: str, edit: Edit, column: str, matrix: Path) -> None:
    change(matrix / file, edit)
    found = [each for each in findings(matrix, [RULES[name]]) if each.rule == name]
    assert found, "nothing found"
    assert any(each.column.startswith(column) for each in found)
    for each in found:
        assert each.file in {path.relative_to(matrix).as_posix() for path in matrix.rglob("*.*")}
        lines = (matrix / each.file).read_bytes().count(b"\n") + 1
        assert 1 <= each.line <= lines
        assert each.problem
        assert each.advice
        assert "\n" not in str(each)
        assert str(each).isascii()


def test_every_rule_is_tested_and_says_what_it_demands() -> None:
    assert {case[0] for case in CASES} == set(RULES)
    for rule in RULES.values():
        assert (rule.__doc__ or "").strip().splitlines()[0].endswith("."), rule.__name__


def test_the_tables_as_they_are_keep_every_rule() -> None:
    assert [str(each) for each in findings(MATRIX)] == []


# --- exceptions and the program ---------------------------------------------------------------------------------------


def test_an_exception_covers_the_one_finding_it_names(matrix: Path) -> None:
    change(matrix / DRIVERS, instead("^12.1.0,530.30.02,531.14,", "12.1.0,520.30.02,511.14,"))
    rule = [RULES["drivers_of_a_toolkit_are_above_its_floor"]]
    columns = {"min_driver_linux", "min_driver_windows"}
    assert {each.column for each in findings(matrix, rule) if each.file == DRIVERS} == columns
    change(
        matrix / EXCEPTIONS,
        added(f"{rule[0].__name__},{DRIVERS},12.1.0,min_driver_linux,the maker says so,https://e.org/"),
    )
    left = [each for each in findings(matrix, rule) if each.file == DRIVERS]
    assert [each.column for each in left] == ["min_driver_windows"]


def test_an_exception_that_covers_nothing_is_a_finding(matrix: Path) -> None:
    change(matrix / EXCEPTIONS, added(f"zz,{DRIVERS},12.1.0,min_driver_linux,it was once needed,https://e.org/"))
    [found] = findings(matrix)
    assert (found.rule, found.file, found.row) == ("exceptions_are_needed", EXCEPTIONS, "12.1.0")


def test_the_program_tells_findings_and_ends_with_one(matrix: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lint_tables.main(["--matrix", str(matrix)]) == 0
    assert capsys.readouterr().out == ""
    change(matrix / DRIVERS, instead("^12.1.0,530.30.02,", "12.1.0,520.30.02,"))
    assert lint_tables.main(["--matrix", str(matrix)]) == 1
    told = capsys.readouterr()
    lines = told.out.splitlines()
    rows = (matrix / DRIVERS).read_text(encoding="utf-8").splitlines()
    [number] = [n for n, row in enumerate(rows, 1) if row.startswith("12.1.0,")]
    wanted = (
        f"cuda_drivers.csv:{number}: min_driver_linux: '520.30.02': is below its floor 525.60.13; correct one of them"
    )
    assert any(line.startswith(wanted) for line in lines)
    assert f"{len(lines)} findings by {len(RULES)} rules" in told.err


def test_the_program_lists_its_rules_and_refuses_a_folder_without_tables(
    tmp_path: Path, matrix: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lint_tables.main(["--rules"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(RULES)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert lint_tables.main(["--matrix", str(empty)]) == 4
    assert "holds no tables" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"a,b\n1\n", b'"\n', b"\n\n\n", b"x" * 200_000])
@pytest.mark.parametrize("file", [BUILDS, CARDS, EXCEPTIONS])
def test_files_that_are_no_tables_give_findings_and_no_traceback(
    content: bytes, file: str, matrix: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (matrix / file).write_bytes(content)
    assert lint_tables.main(["--matrix", str(matrix)]) in (1, 4)
