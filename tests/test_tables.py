"""The tables under matrix/ keep their rules; spellings, faults and version ranges mean what they say."""

from __future__ import annotations

import csv
import hashlib
import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hwcompat import model, tables
from hwcompat.errors import DataError
from hwcompat.tablerows import cuda_version, version_key

MATRIX = Path(__file__).resolve().parents[1] / "matrix"
CSV_FILES = [
    "gpus.csv",
    "torch_builds.csv",
    "cuda_drivers.csv",
    "torch_companions.csv",
    "precision_defaults.csv",
    "results/reported.csv",
]
# Read out of the PyPI wheels themselves on 2026-11-20: tag, kernels and cuDNN of the default build.
_MAXWELL_TO_HOPPER = "sm_50 sm_60 sm_70 sm_75 sm_80 sm_86 sm_90"
_CUDA_13 = "sm_75 sm_80 sm_86 sm_90 sm_100 sm_120"
_CUDA_13_ARM = "sm_80 sm_90 sm_100 sm_110 sm_120"
_VOLTA_TO_BLACKWELL = "sm_70 sm_75 sm_80 sm_86 sm_90 sm_100 sm_120"
_KEPLER_TO_AMPERE = "sm_37 sm_50 sm_60 sm_70 sm_75 sm_80 sm_86"
MEASURED = [
    *[(v, "aarch64", "cu130", _CUDA_13_ARM, "9.24.0.43") for v in ("2.14.1", "2.14.0")],
    *[(v, "x86_64", "cu130", _CUDA_13, "9.24.0.43") for v in ("2.14.1", "2.14.0")],
    *[(v, "aarch64", "cu130", _CUDA_13_ARM, "9.20.0.48") for v in ("2.13.0", "2.12.1", "2.12.0")],
    *[(v, "x86_64", "cu130", _CUDA_13, "9.20.0.48") for v in ("2.12.1", "2.12.0")],
    ("2.15.0", "x86_64", "cu132", _CUDA_13, "9.26.0.51"),
    ("2.15.0", "aarch64", "cu132", _CUDA_13_ARM, "9.26.0.51"),
    ("2.11.0", "x86_64", "cu130", _CUDA_13, "9.19.0.56"),
    ("2.11.0", "aarch64", "cu130", _CUDA_13_ARM, "9.19.0.56"),
    *[(v, "x86_64", "cu128", _VOLTA_TO_BLACKWELL, "9.10.2.21") for v in ("2.10.0", "2.9.1", "2.9.0", "2.8.0")],
    *[(v, "x86_64", "cu126", _MAXWELL_TO_HOPPER, "9.5.1.17") for v in ("2.7.1", "2.7.0")],
    *[(v, "x86_64", "cu124", _MAXWELL_TO_HOPPER, "9.1.0.70") for v in ("2.6.0", "2.5.1", "2.5.0")],
    *[(v, "x86_64", "cu121", _MAXWELL_TO_HOPPER, "9.1.0.70") for v in ("2.4.1", "2.4.0")],
    *[(v, "x86_64", "cu121", _MAXWELL_TO_HOPPER, "8.9.2.26") for v in ("2.3.1", "2.3.0", "2.2.2", "2.1.2", "2.1.0")],
    *[(v, "x86_64", "cu117", _KEPLER_TO_AMPERE, "8.5.0.96") for v in ("2.0.1", "2.0.0", "1.13.1", "1.13.0")],
    *[(v, "x86_64", "cu102", "sm_37 sm_50 sm_60 sm_70", "") for v in ("1.12.1", "1.11.0", "1.10.2", "1.9.1", "1.8.0")],
    *[(v, "x86_64", "cu102", "sm_37 sm_50 sm_60 sm_70 sm_75", "") for v in ("1.7.1", "1.7.0")],
]
PYPI_MINORS = [f"1.{minor}" for minor in range(7, 14)] + [f"2.{minor}" for minor in range(16)]


@pytest.fixture(scope="module")
def known() -> tables.Tables:
    return tables.load_tables(MATRIX)


def rows_of(name: str) -> list[dict[str, str]]:
    with (MATRIX / name).open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


# --- the files --------------------------------------------------------------------------------------------------------


def test_every_row_of_every_table_can_be_used(known: tables.Tables) -> None:
    assert known.warnings == ()
    assert len(known.cards) > 500
    assert len(known.builds) > 400


@pytest.mark.parametrize("name", CSV_FILES)
def test_files_have_lf_line_ends_and_no_byte_order_mark(name: str) -> None:
    content = (MATRIX / name).read_bytes()
    assert b"\r" not in content
    assert content.startswith(b"\xef\xbb\xbf") is False
    assert content.endswith(b"\n")


@pytest.mark.parametrize("name", CSV_FILES)
def test_every_row_has_every_cell_and_none_that_a_reader_takes_for_missing(name: str) -> None:
    for row in rows_of(name):
        assert None not in {*row, *row.values()}, row
        bad = {"nan", "null", "na", "none", "n/a", "not read"} & {value.strip().lower() for value in row.values()}
        assert not bad, row


@pytest.mark.parametrize("name", CSV_FILES)
def test_every_row_says_where_it_was_read(name: str) -> None:
    column = "url" if name.startswith("results") else "source"
    assert all(row[column] for row in rows_of(name))


@pytest.mark.parametrize("name", [name for name in CSV_FILES if "verified" in rows_of(name)[0]])
def test_verified_is_one_of_three_words(name: str) -> None:
    assert {row["verified"] for row in rows_of(name)} <= {"yes", "inferred", "no"}


VALUE_PATTERNS = {
    "gpus.csv": {
        "pci_ids": r"(10de:[0-9a-f]{4}(:[0-9a-f]{4}:[0-9a-f]{4})?( |$))*",
        "chip": r"G[A-Z]\d+[A-Z]?|TU\d+|AD\d+|GB\d+[A-Z]?",
        "compute_capability": r"\d{1,2}\.\d",
        "vram_gb": r"([\d.]+( |$))*",
        "fp16_rate_vs_fp32": r"|[\d.]+",
        "segment": r"geforce|quadro|datacenter|mobile|jetson|cmp",
    },
    "torch_builds.csv": {
        "torch": r"\d+\.\d+\.\d+",
        "build_tag": r"cpu|cu\d{2,3}|rocm[\d.]+",
        "sm_list": r"((sm_\d+|gfx[0-9a-f]+)( |$))*",
        "ptx_list": r"(sm_\d+( |$))*",
        "cudnn": r"|\d+(\.\d+)+",
        "python_min": r"3\.\d+",
        "python_max": r"3\.\d+",
        "is_default_on_pypi": r"yes|no",
        "release_date": r"|\d{4}-\d{2}(-\d{2})?",
    },
    "cuda_drivers.csv": {
        "cuda": r"\d+(\.\d+)+",
        "min_driver_linux": r"|\d+(\.\d+)*",
        "min_driver_windows": r"|\d+(\.\d+)*",
        "min_driver_linux_minor_compat": r"|\d+(\.\d+)*",
        "min_driver_windows_minor_compat": r"|\d+(\.\d+)*",
        "removed_archs": r"(sm_\d+( |$))*",
        "deprecated_archs": r"(sm_\d+( |$))*",
    },
    "torch_companions.csv": {"torchvision": r"|\d+\.\d+\.\d+", "torchaudio": r"|\d+\.\d+\.\d+"},
    "results/reported.csv": {
        "pci_id": r"|10de:[0-9a-f]{4}",
        "compute_capability": r"|\d{1,2}\.\d|gfx[0-9a-f]+",
        "driver": r"|\d+(\.\d+)*",
        "os": r"|linux|windows|macos|wsl",
        "torch": r"|\d+\.\d+[\w.+]*",
        "cuda": r"|cpu|xpu|cu\d+|rocm[\d.]+",
        "cudnn": r"|\d+(\.\d+)+",
        "fp16_tflops": r"|\d+(\.\d+)?",
        "fp32_tflops": r"|\d+(\.\d+)?",
        "source": r"reported",
        "url": r"https://.+",
        "date": r"|\d{4}-\d{2}-\d{2}",
        "report_id": r"reported-[0-9a-f]{12}",
    },
}


@pytest.mark.parametrize(
    ("name", "column"), [(n, c) for n, columns in VALUE_PATTERNS.items() for c in columns], ids=lambda part: part
)
def test_value_columns_hold_values_and_no_prose(name: str, column: str) -> None:
    pattern = re.compile(VALUE_PATTERNS[name][column])
    assert [row[column] for row in rows_of(name) if not pattern.fullmatch(row[column])] == []


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("gpus.csv", ("name", "chip")),
        ("torch_builds.csv", ("torch", "build_tag", "os", "arch")),
        ("cuda_drivers.csv", ("cuda",)),
        ("torch_companions.csv", ("torch",)),
        ("precision_defaults.csv", ("match", "value")),
        ("results/reported.csv", ("report_id",)),
    ],
    ids=lambda part: part if isinstance(part, str) else "-",
)
def test_no_row_stands_twice(name: str, key: tuple[str, ...]) -> None:
    keys = [tuple(row[column] for column in key) for row in rows_of(name)]
    assert len(keys) == len(set(keys))


def test_nothing_in_the_tables_speaks_of_the_way_they_were_made() -> None:
    for path in [*MATRIX.rglob("*.csv"), MATRIX / "faults.yaml", MATRIX / "README.md"]:
        found = re.search(r"find_string|read_file|search excerpt|\b\d{11}\b", path.read_text(encoding="utf-8"))
        assert not found, f"{path.name}: {found}"


# --- builds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("torch", "arch", "tag", "kernels", "cudnn"), MEASURED, ids=[f"{row[0]}-{row[1]}" for row in MEASURED]
)
def test_default_linux_builds_are_what_the_wheels_say(
    known: tables.Tables, torch: str, arch: str, tag: str, kernels: str, cudnn: str
) -> None:
    [build] = [b for b in known.builds if (b.torch, b.tag, b.os, b.arch) == (torch, tag, "linux", arch)]
    assert (" ".join(build.archs), build.ptx, build.verified) == (kernels, (), "yes")
    assert build.default_on_pypi
    assert not cudnn or build.cudnn == cudnn


@pytest.mark.parametrize("minor", PYPI_MINORS)
@pytest.mark.parametrize(("system", "arch"), [("linux", "x86_64"), ("windows", "x86_64"), ("macos", "arm64")])
def test_every_pypi_minor_has_exactly_one_default_build_a_release(
    known: tables.Tables, minor: str, system: str, arch: str
) -> None:
    releases = {b.torch for b in known.builds if b.torch.startswith(minor + ".") and b.os == "linux"}
    defaults = [
        b.torch for b in known.builds if b.torch in releases and b.default_on_pypi and (b.os, b.arch) == (system, arch)
    ]
    without = (
        {"1.7.0", "1.7.1", "1.8.1", "1.9.1"} if system == "macos" else set()
    )  # no arm64 wheel of these was published
    expected = releases - without
    assert sorted(defaults) == sorted(expected)


def test_every_release_has_a_cpu_build_on_every_system(known: tables.Tables) -> None:
    releases = {b.torch for b in known.builds}
    for system in ("linux", "windows"):
        assert releases == {b.torch for b in known.builds if (b.os, b.arch, b.tag) == (system, "x86_64", "cpu")}


def test_verified_cuda_builds_list_their_kernels(known: tables.Tables) -> None:
    assert [b for b in known.builds if b.tag.startswith("cu") and b.verified == "yes" and not b.archs] == []


def test_every_release_has_a_companion_row_and_torchaudio_ends_at_2_11(known: tables.Tables) -> None:
    assert {c.torch for c in known.companions} == {b.torch for b in known.builds}
    assert all(bool(c.torchaudio) == (version_key(c.torch) < (2, 12)) for c in known.companions)
    assert all(c.torchvision for c in known.companions)


def test_every_cuda_tag_has_a_driver_floor_on_both_systems(known: tables.Tables) -> None:
    for cuda in {cuda_version(b.tag) for b in known.builds if b.tag.startswith("cu")}:
        rows = [d for d in known.drivers if d.cuda.startswith(cuda + ".") or d.cuda == cuda]
        assert all((d.floor_linux or d.toolkit_linux) and (d.floor_windows or d.toolkit_windows) for d in rows), cuda
        assert rows, cuda


# --- folders and bad rows ---------------------------------------------------------------------------------------------


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    for name in [*(name for name in CSV_FILES if "/" not in name), "faults.yaml"]:
        (tmp_path / name).write_bytes((MATRIX / name).read_bytes())
    return tmp_path


def append(path: Path, line: str) -> None:
    with path.open("a", encoding="utf-8", newline="") as handle:
        handle.write(line + "\n")


@pytest.mark.parametrize(
    ("name", "line", "column"),
    [
        ("gpus.csv", "Card,10de:9999,XX1,X,7.5,,maybe,,no,no,geforce,here,yes,", "tensor_cores"),
        ("gpus.csv", "Card,10de:9999,XX1,X,7.5,big,no,,no,no,geforce,here,yes,", "vram_gb"),
        ("gpus.csv", "Card", "chip"),
        ("torch_builds.csv", "2.99,cu126,linux,x86_64,sm_75,,,3.9,3.13,no,,,yes,", "source"),
        ("torch_builds.csv", "two,cu126,linux,x86_64,sm_75,,,3.9,3.13,no,,here,yes,", "torch"),
        ("torch_builds.csv", "2.99,cu126,beos,x86_64,sm_75,,,3.9,3.13,no,,here,yes,", "os"),
        ("torch_builds.csv", "2.99,cu126,linux,x86_64,sm_75,,,3.9,3.13,no,,here,perhaps,", "verified"),
        ("cuda_drivers.csv", "14.0,six,,,,,,here,yes,", "min_driver_linux"),
        ("torch_companions.csv", "2.99,new,,here,yes,", "torchvision"),
        ("precision_defaults.csv", "chip,XX1,fast,native,off,because,here", "fp16_gemm"),
    ],
)
def test_a_bad_row_is_named_by_line_and_column_and_the_others_count(
    copied: Path, name: str, line: str, column: str
) -> None:
    before = tables.load_tables(MATRIX)
    append(copied / name, line)
    number = (copied / name).read_text(encoding="utf-8").count("\n")
    loaded = tables.load_tables(copied)
    [warning] = loaded.warnings
    assert warning.startswith(f"{copied / name}:{number}: {column}: ")
    assert (len(loaded.cards), len(loaded.builds)) == (len(before.cards), len(before.builds))


@pytest.mark.parametrize(
    ("entry", "column"),
    [
        ("{id: x, title: t, effect: maybe, symptom: s, citations: [u]}", "effect"),
        ("{id: x, title: t, effect: warn, symptom: s}", "citations"),
        ("{id: x, title: t, effect: warn, symptom: s, citations: [u], torch: new}", "torch"),
        ("{id: x, title: t, effect: warn, symptom: s, citations: [u], compute_capabilities: [7.5]}", "compute_cap"),
        ("{id: x, title: t, effect: warn, symptom: s, citations: [u], verdicts: {fp16: bad}}", "verdicts"),
        ("{id: x, title: t, effect: warn, symptom: s, citations: [u], chip: [TU116]}", "chip"),
        ("{id: x, title: t, effect: warn, symptom: s, citations: [u], clients: [ultralytics]}", "clients"),
        ("{id: x, title: t, effect: warn, symptom: s, citations: [u], clients: {ultralytics: old}}", "clients"),
        ("{id: x, title: t, effect: warn, symptom: s, citations: [u], clients: {ultralytics: ''}}", "clients"),
        ("{id: x, title: t, effect: warn, symptom: s, citations: [u], clients: {ultralytics: [1]}}", "clients"),
        ("{id: x, title: t, effect: warn, symptom: s, citations: [u], clients: {8: '<9'}}", "clients"),
        ("{id: x, title: t, effect: avoid, symptom: s, citations: [u], clients: {timm: '<9'}}", "effect"),
        (
            "{id: x, title: t, effect: warn, symptom: s, citations: [u], clients: {timm: '<9'}, verdicts: {fp16: ok}}",
            "verdicts",
        ),
        ("{id: x, title: t, effect: warn, symptom: s, citations: [u], uses: [fp16]}", "uses"),
        ("{id: x, title: t, effect: warn, symptom: s, citations: [u], cards: 0}", "cards"),
        ("{id: x, title: t, effect: warn, symptom: s, citations: [u], cards: true}", "cards"),
        ("{id: x, title: t, effect: warn, symptom: s, citations: [u], cards: '2'}", "cards"),
        ("{id: x, title: t, effect: warn, symptom: s, citations: [u], clients: {timm: '<9'}, uses: [fp17]}", "uses"),
        ("just words", "entry"),
    ],
)
def test_a_bad_fault_is_named_by_line_and_field(copied: Path, entry: str, column: str) -> None:
    append(copied / "faults.yaml", f"  - {entry}")
    line = (copied / "faults.yaml").read_text(encoding="utf-8").count("\n")
    loaded = tables.load_tables(copied)
    [warning] = loaded.warnings
    assert warning.startswith(f"{copied / 'faults.yaml'}:{line}: {column}")
    assert len(loaded.faults) == len(tables.load_tables(MATRIX).faults)


_LAUGHS = "faults:\n  - &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"  - &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in itertools.pairwise("abcdefghi")
)
_BOMBS = {
    "billion laughs": _LAUGHS + "  - {id: x, title: *i, effect: warn, symptom: s, citations: [u]}\n",
    "lists in lists": "faults:\n  - " + "[" * 100_000 + "]" * 100_000,
    "dashes": "faults:\n  " + "- " * 100_000 + "x",
    "mappings in mappings": "faults:\n  - " + "{a: " * 100_000,
    "too long": "faults: []\n#" + "x" * 2**20,
}


@pytest.mark.parametrize("content", _BOMBS.values(), ids=_BOMBS)
def test_a_fault_file_that_would_grow_without_end_is_a_data_error(copied: Path, content: str) -> None:
    (copied / "faults.yaml").write_text(content, encoding="utf-8")
    code = (
        f"from pathlib import Path; from hwcompat import tables; print(tables.Tables((Path({str(copied)!r}),)).faults)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=MATRIX.parent, timeout=60)
    assert done.stderr.strip().splitlines()[-1].startswith("hwcompat.errors.DataError: "), done.returncode
    assert len(done.stderr) < 5000


@pytest.mark.parametrize("content", ["faults: 3", "[]", "faults: [", "\tx", ""])
def test_a_broken_fault_file_is_a_data_error(copied: Path, content: str) -> None:
    (copied / "faults.yaml").write_text(content, encoding="utf-8")
    with pytest.raises(DataError):
        _ = tables.load_tables(copied).faults


def test_a_missing_or_undecodable_table_is_a_data_error(copied: Path) -> None:
    (copied / "gpus.csv").write_bytes(b"name\n\xff\xfe\n")
    with pytest.raises(DataError, match=re.escape("gpus.csv")):
        _ = tables.load_tables(copied).cards
    (copied / "torch_builds.csv").unlink()
    with pytest.raises(DataError, match=re.escape("torch_builds.csv")):
        _ = tables.load_tables(copied).builds


def test_an_extra_folder_adds_and_replaces_rows(
    copied: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra, empty = tmp_path_factory.mktemp("extra"), tmp_path_factory.mktemp("empty")
    header = (MATRIX / "gpus.csv").read_text(encoding="utf-8").splitlines()[0]
    own = "My Card,10de:9999,XX1,Turing,7.5,,no,,no,no,geforce,me,yes,"
    changed = "Tesla P40,10de:1b38,GP102,Pascal,6.1,48,no,,no,no,datacenter,me,yes,"
    (extra / "gpus.csv").write_text(f"{header}\n{own}\n{changed}\n", encoding="utf-8")
    monkeypatch.setenv("HWCOMPAT_MATRIX", str(copied))
    monkeypatch.setenv("HWCOMPAT_MATRIX_EXTRA", os.pathsep.join([str(extra), str(empty)]))
    assert tables.data_folders() == (copied, extra, empty)
    loaded = tables.load_tables()
    assert tables.resolve_gpu("my card", loaded)[0].chip == "XX1"
    [p40] = [card for card in loaded.cards if card.name == "Tesla P40"]
    assert p40.vram_gb == (48.0,)
    assert len(loaded.cards) == len(tables.load_tables(MATRIX).cards)


@pytest.mark.parametrize("variable", ["HWCOMPAT_MATRIX", "HWCOMPAT_MATRIX_EXTRA"])
def test_a_folder_that_is_not_there_is_a_data_error(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "absent"))
    with pytest.raises(DataError, match=variable):
        tables.load_tables()


def test_a_mirror_replaces_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HWCOMPAT_TORCH_INDEX", "https://mirror.example/whl/")
    assert tables.index_base() == "https://mirror.example/whl"
    monkeypatch.setenv("HWCOMPAT_TORCH_INDEX", "")
    assert tables.index_base() == "https://download.pytorch.org/whl"


def test_tables_are_read_once_a_folder(copied: Path) -> None:
    assert tables.load_tables(copied) is tables.load_tables(copied)


# --- reported cases ---------------------------------------------------------------------------------------------------


def test_reported_rows_have_the_columns_of_the_matrix_in_order() -> None:
    assert list(rows_of("results/reported.csv")[0]) == list(model.Row._fields)


def test_report_ids_are_the_digest_of_the_row() -> None:
    for row in rows_of("results/reported.csv"):
        left_out = ("report_id", "supersedes", "retracted")
        content = "\x1f".join(value for name, value in row.items() if name not in left_out)
        assert row["report_id"] == "reported-" + hashlib.sha256(content.encode()).hexdigest()[:12]


def test_verdicts_are_words_and_weak_or_repaired_cases_carry_none() -> None:
    for row in rows_of("results/reported.csv"):
        verdicts = [row[capability] for capability in model.CAPABILITIES if row[capability]]
        assert set(verdicts) <= set(model.VERDICTS)
        if re.search(r"confidence=low|precision=install|outcome=fixed", row["note"]):
            assert not verdicts, row


def test_no_report_calls_fp16_faulty_on_an_nvidia_card_with_tensor_cores(known: tables.Tables) -> None:
    chips = {card.chip for card in known.cards if card.tensor_cores}
    bad = [
        row["gpu"]
        for row in rows_of("results/reported.csv")
        if row["chip"] in chips and "faulty" in (row["fp16"], row["amp_fp16"])
    ]
    assert bad == []


def test_reported_chips_are_those_of_the_card(known: tables.Tables) -> None:
    rows = [row for row in rows_of("results/reported.csv") if row["chip"]]
    chips = {card.chip: card.compute_capability for card in known.cards}
    assert len(rows) > 150
    assert [r["gpu"] for r in rows if r["compute_capability"] and chips[r["chip"]] != r["compute_capability"]] == []
    assert all(not row["chip"] for row in rows_of("results/reported.csv") if row["gpu"] == "GTX 1650")
