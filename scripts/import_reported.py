"""Users' reports (reported_cases.csv of the research folder) as rows of matrix/results/reported.csv.

Used by import_tables.py. A verdict is given only where the report leaves one meaning; everything the row's columns
cannot hold stays in `note`.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from hwcompat import tables
from hwcompat.errors import UsageError
from hwcompat.model import Gpu, Row

Record = dict[str, str]

_PLAIN_VERSION = re.compile(r"\d+\.\d+(\.\d+)*")
_TORCH = re.compile(r"\d+\.\d+(\.\d+)?((a|b|rc|\.?dev)\d+)?(\+[a-z0-9.]+)?")
_CUDA = re.compile(r"(\d+)\.(\d+)(\.\d+)?")
_SYSTEMS = (
    (r"WSL", "wsl"),
    (r"Windows", "windows"),
    (r"macOS", "macos"),
    (r"Ubuntu|Linux|Debian|Fedora|Manjaro|NixOS|Colab|Kaggle|AWS|GCP|rocm container|JetPack", "linux"),
)
# The report itself names another cause, or shows something else than numbers going wrong.
_OTHER_CAUSE = re.compile(
    r"not (a )?card|no kernel image|mixed in|self-check (fails|crashes)|init error|degrades|worse|doubted|contradicts"
    r"|in any precision|INTERNAL_ERROR|needs tensor cores|FMA|black video|DDP",
    re.IGNORECASE,
)
_OTHER_PROGRAM = re.compile(r"conv3d|tinygrad|darknet|Paddle|mxnet|lc0|TensorRT|OpenCL|Triton|patcher", re.IGNORECASE)
_TFLOPS = {kind: re.compile(rf"{kind} ([\d.]+)(?: TFLOPS|,|$)") for kind in ("fp16", "bf16", "fp32", "tf32")}
_AGAINST = re.compile(r"(?:against|equals) fp32 ([\d.]+)")


def row_columns() -> list[str]:
    return list(Row._fields)


def reported_rows(cases: Iterable[Record], matrix: Path) -> list[dict[str, str]]:
    """One row a case, without doubles, in the order of every matrix file."""
    known = tables.load_tables(matrix)
    rows = {row.report_id: row for row in (reported_row(case, known) for case in cases)}
    return [row._asdict() for row in sorted(rows.values())]


def reported_row(case: Record, known: tables.Tables) -> Row:
    gpu = known_gpu(case["gpu"], known)
    stated = capability(case["compute_capability"])
    chip_known = gpu if gpu and gpu.chip and stated in ("", gpu.compute_capability) else None
    row = Row(
        gpu="" if re.search(r"not stated|^Google Colab", case["gpu"]) else case["gpu"],
        pci_id=(chip_known.pci_id or "") if chip_known else "",
        chip=(chip_known.chip or "") if chip_known else "",
        compute_capability=stated,
        driver=matching(_PLAIN_VERSION, case["driver"]) or matching(re.compile(r"\d{3}"), case["driver"]),
        os=system(case["os"]),
        arch="aarch64" if "aarch64" in case["os"] else "",
        torch=matching(_TORCH, case["torch"]),
        cuda=cuda_tag(case),
        cudnn=matching(_PLAIN_VERSION, case["cudnn"]),
        source="reported",
        url=case["url"],
        date=matching(re.compile(r"\d{4}-\d{2}-\d{2}"), case["date"]),
        note=note(case),
        **verdict(case, has_tensor_cores(chip_known, known)),
        **tflops(case),
    )
    return row._replace(report_id=report_id(row))


def report_id(row: Row) -> str:
    left_out = ("report_id", "supersedes", "retracted")  # what happens to a row later does not change what it says
    content = "\x1f".join(value for name, value in row._asdict().items() if name not in left_out)
    return "reported-" + hashlib.sha256(content.encode()).hexdigest()[:12]


def known_gpu(text: str, known: tables.Tables) -> Gpu | None:
    """The card of a report if its name is one chip's; brackets and counts ("2x Tesla T4") do not name another card."""
    name = re.sub(r"\(Pascal\)", "Pascal", text)
    name = re.sub(r"^\d+x | x\d+$|\s*\([^)]*\)|\bGPU\b", "", name).strip()
    try:
        found = tables.resolve_gpu(name, known)
    except UsageError:
        return None
    return found[0] if len(found) == 1 else None


def matching(pattern: re.Pattern[str], cell: str) -> str:
    return cell if pattern.fullmatch(cell) else ""


def capability(cell: str) -> str:
    return matching(re.compile(r"\d+\.\d|gfx[0-9a-f]+"), cell)


def system(cell: str) -> str:
    return next((word for pattern, word in _SYSTEMS if re.search(pattern, cell)), "")


def cuda_tag(case: Record) -> str:
    found = _CUDA.fullmatch(case["cuda"])
    if found:
        return f"cu{found[1]}{found[2]}"
    local = case["torch"].partition("+")[2]
    return matching(re.compile(r"rocm[\d.]+\d"), case["cuda"]) or matching(re.compile(r"cpu|xpu"), local)


def has_tensor_cores(gpu: Gpu | None, known: tables.Tables) -> bool:
    return gpu is not None and any(card.tensor_cores for card in known.cards if card.chip == gpu.chip)


def verdict(case: Record, tensor_cores: bool) -> dict[str, str]:
    """fp16 and AMP: fail, slow and pass; bf16: slow and pass; fp32: pass. Nothing for a weak or ambiguous case.

    Ambiguous: another cause is named, the program is not torch, one operation (conv3d) is at fault, or 16 bits are slow
    on a card with tensor cores (then the network was too small or its layout wrong: micro and end-to-end speed differ).
    A matmul benchmark says how fast, never whether right: it gives `slow` but no `ok`.
    """
    column = {"fp16": "fp16", "amp": "amp_fp16", "bf16": "bf16", "fp32": "fp32"}.get(case["precision"], "")
    allowed = {"fp16": "fail slow pass", "amp": "fail slow pass", "bf16": "slow pass", "fp32": "pass"}
    if case["outcome"] not in allowed.get(case["precision"], "").split() or case["confidence"] == "low":
        return {}
    if _OTHER_CAUSE.search(case["symptom"]) or _OTHER_PROGRAM.search(case["framework"] + case["symptom"]):
        return {}
    if tensor_cores and case["outcome"] == "slow" and column != "bf16":
        return {}
    if is_benchmark(case) and case["outcome"] == "pass":
        return {}
    return {column: {"fail": "faulty", "slow": "slow", "pass": "ok"}[case["outcome"]]}


def is_benchmark(case: Record) -> bool:
    return "benchmark" in case["framework"]


def tflops(case: Record) -> dict[str, str]:
    if not is_benchmark(case) or "doubted" in case["symptom"] or "TFLOPS" not in case["symptom"]:
        return {}
    found = {kind: pattern.search(case["symptom"]) for kind, pattern in _TFLOPS.items()}
    values = {kind: match[1] for kind, match in found.items() if match}
    against = _AGAINST.search(case["symptom"])
    if against:
        values["fp32"] = against[1].rstrip(".")
    return {f"{kind}_tflops": value for kind, value in values.items()}


def note(case: Record) -> str:
    """What the columns cannot hold, in reading order; unread versions and systems keep their wording."""
    parts = {
        "confidence": case["confidence"],
        "precision": case["precision"],
        "outcome": case["outcome"],
        "framework": " ".join(filter(None, (case["framework"], case["framework_version"]))),
        "os": case["os"],
        "symptom": case["symptom"],
        "workaround": case["workaround"],
    }
    unread = {
        "torch": case["torch"] if not matching(_TORCH, case["torch"]) else "",
        "cuda": case["cuda"] if not cuda_tag(case) else "",
        "cudnn": case["cudnn"] if not matching(_PLAIN_VERSION, case["cudnn"]) else "",
        "month": case["date"] if re.fullmatch(r"\d{4}-\d{2}", case["date"]) else "",
    }
    return "; ".join(f"{name}={value}" for name, value in {**parts, **unread}.items() if value)
