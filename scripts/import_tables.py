"""Turn a folder of research CSVs into the clean tables under matrix/.

    python scripts/import_tables.py RESEARCH_FOLDER [--out matrix]

Reads gpus.csv, torch_builds.csv, torch_wheels_measured.csv, torchvision_pairs.csv, cuda_drivers.csv and
reported_cases.csv; writes gpus.csv, torch_builds.csv, torch_companions.csv, cuda_drivers.csv and
results/reported.csv. Value cells hold values only: what the researcher wrote around a value goes to `note`. The output
depends on nothing but the input (sorted rows, LF line ends, no dates of today).
"""

from __future__ import annotations

import argparse
import csv
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from import_reported import reported_rows, row_columns

Record = dict[str, str]


def words(text: str) -> list[str]:
    return text.split()


PLATFORMS = {
    "linux_x86_64": ("linux", "x86_64"),
    "linux_aarch64": ("linux", "aarch64"),
    "windows_amd64": ("windows", "x86_64"),
    "macos_arm64": ("macos", "arm64"),
}
GPU_COLUMNS = words(
    "name pci_ids chip architecture compute_capability vram_gb tensor_cores fp16_rate_vs_fp32 bf16_native"
    " fp8 segment source verified note"
)
BUILD_COLUMNS = words(
    "torch build_tag os arch sm_list ptx_list cudnn python_min python_max is_default_on_pypi release_date"
    " source verified note"
)
DRIVER_COLUMNS = words(
    "cuda min_driver_linux min_driver_windows min_driver_linux_minor_compat"
    " min_driver_windows_minor_compat removed_archs deprecated_archs source verified note"
)
COMPANION_COLUMNS = words("torch torchvision torchaudio source verified note")

# What torch.cuda.get_arch_list() prints per ROCm version, recorded by uv (LINUX_AMD_GPU_DRIVERS).
ROCM_SOURCE = "kernel list by ROCm version: astral-sh/uv crates/uv-torch/src/backend.rs@26a9dd4b"
_ROCM_63 = "gfx900 gfx906 gfx908 gfx90a gfx942 gfx1030 gfx1100 gfx1101 gfx1102 gfx1200 gfx1201"
ROCM_ARCHS = {
    "rocm6.0": "gfx900 gfx906 gfx908 gfx90a gfx942 gfx1030 gfx1100",
    "rocm6.1": "gfx900 gfx906 gfx908 gfx90a gfx942 gfx1030 gfx1100 gfx1101",
    "rocm6.2": "gfx900 gfx906 gfx908 gfx90a gfx942 gfx1030 gfx1100",
    "rocm6.2.4": _ROCM_63,
    "rocm6.3": _ROCM_63,
    "rocm6.4": _ROCM_63,
    "rocm7.1": "gfx900 gfx906 gfx908 gfx90a gfx942 gfx950 gfx1030 gfx1100 gfx1101 gfx1102 gfx1200 gfx1201",
    "rocm7.2": "gfx900 gfx906 gfx908 gfx90a gfx942 gfx950 gfx1030 gfx1100 gfx1101 gfx1102 gfx1150 gfx1151"
    " gfx1200 gfx1201",
}
CPU_COMMANDS = (
    "CPU command for Linux and Windows in PyTorchKorea/pytorch.kr _get_started/previous-versions.md@9d7312f"
    " (mirror of pytorch.org)"
)
NO_CPU_COMMAND = {"1.10.2", "2.12.0", "2.12.1", "2.14.0", "2.14.1", "2.15.0"}  # newer than that page, or left out of it
MACOS_INTEL_PYTHONS = (  # first and last torch, first and last Python: names of the macosx x86_64 wheels on PyPI
    ("1.7.0", "1.7.0", "3.6", "3.8"),
    ("1.7.1", "1.10.2", "3.6", "3.9"),
    ("1.11.0", "1.13.1", "3.7", "3.10"),
    ("2.0.0", "2.1.2", "3.8", "3.11"),
    ("2.2.0", "2.2.2", "3.8", "3.12"),
)


def read(path: Path) -> list[Record]:
    with path.open(encoding="utf-8-sig", newline="") as handle:
        return [{k: (v or "").strip() for k, v in row.items()} for row in csv.DictReader(handle)]


def write(path: Path, columns: Iterable[str], rows: Iterable[Mapping[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(columns), lineterminator="\n", extrasaction="raise")
        writer.writeheader()
        writer.writerows(rows)


def version_key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def joined(*notes: str) -> str:
    """The non-empty notes, once each, as one cell."""
    return "; ".join(dict.fromkeys(note for note in notes if note))


def clean_source(source: str) -> str:
    """Where a fact was read; a copy found without its origin is called just that."""
    source = re.sub(r"; text read through \S+ id \d+", "", source)
    source = re.sub(r"unattributed public copy \d+", "an unattributed public copy", source)
    source = re.sub(r"(and|,) \d{9,}", r"\1 another", source)
    return re.sub(r"; newest version seen in search excerpt", "", source)


def split_value(cell: str) -> tuple[str, str]:
    """`"580 (same number ...)"` -> `("580", "same number ...")`; a cell without parentheses has no note."""
    found = re.fullmatch(r"(\S+)\s*\((.*)\)", cell)
    return (found[1], found[2]) if found else (cell, "")


# --- gpus.csv ---------------------------------------------------------------------------------------------------------

_WORKSTATION_MAXQ = "Max-Q Workstation Edition"  # a desktop card in spite of its name


def pci_ids(cell: str) -> str:
    """`"233A:10DE:183A"` -> `"10de:233a:10de:183a"`; every id in the research table is NVIDIA's."""
    return " ".join(f"10de:{each.lower()}" for each in cell.split())


def fp16_rate(cell: str) -> tuple[str, str]:
    if cell.startswith("none"):
        return "", "no native fp16 arithmetic below compute capability 5.3"
    value, note = split_value(cell)
    return {"1/64": "0.015625"}.get(value, value), f"fp16 rate: {note}" if note else ""


def segment_of(row: Record) -> str:
    """`m` in K20m and K40m is a passively cooled server card, not a laptop."""
    if row["name"].startswith(("Tesla", "DRIVE")):
        return "datacenter"
    return "quadro" if _WORKSTATION_MAXQ in row["name"] else row["segment"]


def gpu_row(row: Record) -> Record:
    rate, rate_note = fp16_rate(row["fp16_rate_vs_fp32"])
    verified, _, doubt = row["verified"].partition(";")
    return {
        **{column: row.get(column, "") for column in GPU_COLUMNS},
        "pci_ids": pci_ids(row["pci_device_ids"]),
        "vram_gb": row["vram_gb"].replace("|", " "),
        "fp16_rate_vs_fp32": rate,
        "segment": segment_of(row),
        "source": clean_source(row["source"]),
        "verified": "inferred" if "memory" in doubt else "yes",
        "note": joined(doubt.strip(), rate_note, verified.partition("(")[2].rstrip(")") and row["verified"]),
    }


# --- torch_builds.csv -------------------------------------------------------------------------------------------------

_DATE = re.compile(r"\d{4}-\d{2}(-\d{2})?")


def verified_word(cell: str) -> str:
    """`yes` only where nobody doubted that the wheel exists with this list."""
    if cell.startswith("no") or "unchecked" in cell:
        return "no"
    return "yes" if cell == "yes" else "inferred"


def arch_lists(row: Record) -> tuple[str, str, str]:
    """(cubins, PTX, note). PTX counts only where a program printed it and it can help.

    The release notes print "+PTX" for wheels in which none is found, and compute_37 PTX saved no RTX 50 card
    (RVC-Project/Retrieval-based-Voice-Conversion-WebUI#2636), so both are kept as a note only.
    """
    cubins = [target.removesuffix("+PTX") for target in row["sm_list"].split()]
    with_ptx = [target.removesuffix("+PTX") for target in row["sm_list"].split() if target.endswith("+PTX")]
    if not with_ptx:
        return " ".join(cubins), "", ""
    if "compute_120" in row["source"]:
        return " ".join(cubins), " ".join(with_ptx), ""
    named = " ".join(with_ptx)
    return " ".join(cubins), "", f"source lists PTX for {named}; not counted: not found in wheels or of no help there"


def build_row(row: Record) -> Record:
    system, arch = PLATFORMS[row["platform"]]
    tag = {"mps/cpu": "cpu"}.get(row["build_tag"], row["build_tag"])
    cubins, ptx, ptx_note = arch_lists(row)
    cudnn, cudnn_note = split_value("" if row["cudnn"] == "n/a" else row["cudnn"])
    date = _DATE.match(row["release_date"])
    return {
        **{column: row.get(column, "") for column in BUILD_COLUMNS},
        "build_tag": tag,
        "os": system,
        "arch": arch,
        "sm_list": ROCM_ARCHS.get(tag, cubins),
        "ptx_list": ptx,
        "cudnn": cudnn,
        "release_date": date[0] if date else "",
        "source": joined(clean_source(row["source"]), ROCM_SOURCE if tag in ROCM_ARCHS else ""),
        "verified": build_verified(row["verified"], tag),
        "note": joined(
            row["verified"] if row["verified"] != "yes" else "",
            f"cuDNN: {cudnn_note}" if cudnn_note else "",
            f"release date: {row['release_date'].partition('(')[2].rstrip(')')}" if "(" in row["release_date"] else "",
            ptx_note,
            "kernel list known per ROCm version, not per wheel" if tag in ROCM_ARCHS else "",
        ),
    }


def build_verified(cell: str, tag: str) -> str:
    word = verified_word(cell)
    return "inferred" if word == "yes" and tag.startswith("rocm") else word


def measured_tag(row: Record) -> str:
    return "cu" + row["cuda"].replace(".", "") if row["cuda"] else "cpu"


def apply_measured(builds: list[Record], measured: Iterable[Record]) -> None:
    """What was read out of a wheel beats every other source; a difference is said in `note`."""
    index = {(b["torch"], b["build_tag"], b["os"], b["arch"]): b for b in builds}
    for row in measured:
        build = index[(row["torch"], measured_tag(row), *PLATFORMS[row["platform"]])]
        for column in ("sm_list", "cudnn"):
            if row[column] and build[column] != row[column]:
                build["note"] = joined(build["note"], f"{column} read from the wheel, other sources: {build[column]}")
                build[column] = row[column]
        if build["verified"] != "yes":
            build["verified"] = "yes"
            build["source"] = joined(build["source"], "metadata of this wheel read 2026-11-20")
        build["is_default_on_pypi"] = "yes"


def plain_build(torch: str, system: str, arch: str, **cells: str) -> Record:
    empty = dict.fromkeys(BUILD_COLUMNS, "")
    return {
        **empty,
        "torch": torch,
        "build_tag": "cpu",
        "os": system,
        "arch": arch,
        "is_default_on_pypi": "no",
        **cells,
    }


def linux_cpu_row(default: Record) -> Record:
    """The CPU index serves the Pythons of the default wheel of the same release."""
    torch = default["torch"]
    doubt = "newer than the page of commands, or left out of it" if torch in NO_CPU_COMMAND else ""
    cells = {column: default[column] for column in ("python_min", "python_max", "release_date")}
    if default["arch"] == "aarch64":
        doubt = "the command names no architecture"
    if torch == "2.13.0" and not doubt:
        return plain_build(
            torch,
            "linux",
            default["arch"],
            source="2.13.0+cpu installed and imported, Python 3.11",
            verified="yes",
            **cells,
        )
    verified = "inferred" if doubt else "yes"
    return plain_build(torch, "linux", default["arch"], source=CPU_COMMANDS, verified=verified, note=doubt, **cells)


def linux_cpu_rows(builds: list[Record]) -> list[Record]:
    have = {(b["torch"], b["arch"]) for b in builds if b["os"] == "linux" and b["build_tag"] == "cpu"}
    defaults = [b for b in builds if b["os"] == "linux" and b["is_default_on_pypi"] == "yes"]
    return [linux_cpu_row(b) for b in defaults if (b["torch"], b["arch"]) not in have]


def macos_intel_rows(builds: list[Record]) -> list[Record]:
    dates = {b["torch"]: b["release_date"] for b in builds}
    return [
        plain_build(
            torch,
            "macos",
            "x86_64",
            python_min=low,
            python_max=high,
            is_default_on_pypi="yes",
            release_date=dates[torch],
            source="PyPI wheel tags via pip listing 2026-11-20",
            verified="yes",
        )
        for first, last, low, high in MACOS_INTEL_PYTHONS
        for torch in dates
        if version_key(first) <= version_key(torch) <= version_key(last)
    ]


def correct(build: Record) -> None:
    """What other sources say of single rows."""
    if (build["torch"], build["os"], build["arch"]) == ("1.10.2", "linux", "aarch64"):
        build["python_max"] = "3.10"  # names of the wheels on PyPI, 2026-11-20
    if build["os"] == "windows" and build["build_tag"] == "cu102" and version_key(build["torch"]) >= (1, 11):
        build["verified"] = "no"
        build["note"] = "pytorch.org said of 1.11 and 1.12: CUDA-10.2 builds are no longer available for Windows"


def builds_table(folder: Path) -> list[Record]:
    builds = [build_row(row) for row in read(folder / "torch_builds.csv")]
    apply_measured(builds, read(folder / "torch_wheels_measured.csv"))
    for build in builds:
        correct(build)
    builds += linux_cpu_rows(builds) + macos_intel_rows(builds)
    return sorted(
        builds, key=lambda b: (version_key(b["torch"]), b["os"], b["arch"], version_key(b["build_tag"]), b["build_tag"])
    )


# --- cuda_drivers.csv and torch_companions.csv ------------------------------------------------------------------------

_UNREAD = ("not read", "n/a", "none", "as 13.0")


def driver_cell(cell: str) -> tuple[str, str]:
    if cell.startswith(_UNREAD):
        return "", ""
    return split_value(cell)


def removed_archs(cuda: str) -> str:
    """Everything nvcc of this toolkit can no longer build, added up over the releases that dropped it."""
    dropped = ((11, "sm_30 sm_32"), (12, "sm_35 sm_37"), (13, "sm_50 sm_52 sm_53 sm_60 sm_61 sm_62 sm_70 sm_72"))
    return " ".join(archs for major, archs in dropped if version_key(cuda)[0] >= major)


def driver_row(row: Record) -> Record:
    columns = [column for column in DRIVER_COLUMNS if column.startswith("min_driver")]
    values = {column: driver_cell(row[column]) for column in columns}
    notes = [f"{column}: {note}" for column, (_, note) in values.items() if note]
    deprecated = " ".join(re.findall(r"sm_\d+", row["deprecated_archs"].partition("(")[0]))
    return {
        "cuda": row["cuda"].removesuffix(" RC"),
        **{column: value for column, (value, _) in values.items()},
        "removed_archs": removed_archs(row["cuda"]),
        "deprecated_archs": deprecated,
        "source": clean_source(row["source"]),
        "verified": "yes",
        "note": joined(
            "release candidate" if row["cuda"].endswith("RC") else "",
            row["verified"] if row["verified"] != "yes" else "",
            *notes,
            row["deprecated_archs"] if row["deprecated_archs"] not in ("", "not read", deprecated) else "",
        ),
    }


def companion_row(row: Record) -> Record:
    """No torchaudio was released for torch after 2.11: its last version is on no newer CUDA index."""
    audio, note = split_value(row["torchaudio"])
    orphan = version_key(row["torch"])[:2] > (2, 11)
    last = f"torchaudio ended at {audio}, which names no torch version" if orphan else ""
    return {
        "torch": row["torch"],
        "torchvision": row["torchvision"],
        "torchaudio": "" if orphan else audio,
        "source": clean_source(row["source"]),
        "verified": "yes",
        "note": joined(last, "" if orphan else note),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent.parent / "matrix")
    options = parser.parse_args()
    folder, out = options.folder, options.out
    gpus = sorted(
        map(gpu_row, read(folder / "gpus.csv")),
        key=lambda r: (version_key(r["compute_capability"]), r["chip"], r["name"]),
    )
    write(out / "gpus.csv", GPU_COLUMNS, gpus)
    write(out / "torch_builds.csv", BUILD_COLUMNS, builds_table(folder))
    drivers = sorted(map(driver_row, read(folder / "cuda_drivers.csv")), key=lambda r: version_key(r["cuda"]))
    write(out / "cuda_drivers.csv", DRIVER_COLUMNS, drivers)
    pairs = sorted(map(companion_row, read(folder / "torchvision_pairs.csv")), key=lambda r: version_key(r["torch"]))
    write(out / "torch_companions.csv", COMPANION_COLUMNS, pairs)
    # Only now: names become chips by the gpus.csv just written.
    reports = reported_rows(read(folder / "reported_cases.csv"), out)
    write(out / "results" / "reported.csv", row_columns(), reports)


if __name__ == "__main__":
    main()
