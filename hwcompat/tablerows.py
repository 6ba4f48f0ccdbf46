"""One row of a table -> one frozen value, and the comparison of dotted version numbers. No file is opened here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from hwcompat.model import (
    CAPABILITIES,
    VERDICTS,
    Build,
    Card,
    Companion,
    Fault,
    Gpu,
    LastBuild,
    PrecisionDefault,
    ToolkitDriver,
)

Record = Mapping[str, str]

VERIFIED = ("yes", "inferred", "no")
_VERSION = re.compile(r"\d+(\.\d+)*")
_RANGE_PART = re.compile(r"(>=|<=|==|!=|>|<)(\d+(?:\.\d+)*)")
_COMPARE = {
    ">=": lambda order: order >= 0,
    "<=": lambda order: order <= 0,
    "==": lambda order: order == 0,
    "!=": lambda order: order != 0,
    ">": lambda order: order > 0,
    "<": lambda order: order < 0,
}


_remembered = lru_cache(maxsize=4096)  # the tables repeat a few hundred versions, tags and ranges thousands of times


@_remembered
def version_key(version: str) -> tuple[int, ...]:
    """The leading dotted number as a tuple without trailing zeros: "2.10.0+cu126" -> (2, 10); "" -> ()."""
    found = _VERSION.match(version)
    parts = [int(part) for part in found[0].split(".")] if found else []
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts)


def in_range(version: str, wanted: str) -> bool:
    """Whether `version` satisfies every part of `wanted` (">=2.11,<2.14"); an empty `wanted` takes all.

    Only the leading dotted number counts, missing parts are 0: "2.11.0a0+git" is 2.11, "2.5" is "2.5.0".
    Raises ValueError for a `wanted` that is not a range.
    """
    key = version_key(version)
    return all(_COMPARE[operator]((key > bound) - (key < bound)) for operator, bound in range_parts(wanted))


@_remembered
def cuda_version(tag: str) -> str:
    """ "cu126" -> "12.6", "cu92" -> "9.2"; "12.6" stays; "" for a tag that is not CUDA's."""
    digits = tag[2:] if tag.startswith("cu") else ""
    return f"{digits[:-1]}.{digits[-1]}" if digits.isdigit() else tag if tag[:1].isdigit() else ""


@_remembered
def range_parts(wanted: str) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """ ">=2.11,<2.14" -> ((">=", (2, 11)), ("<", (2, 14))). Raises ValueError."""
    found = [_RANGE_PART.fullmatch(part.strip()) for part in wanted.split(",")] if wanted else []
    if not all(found):
        raise ValueError(f"{wanted!r} is not a version range such as '>=2.11,<2.14'")
    return tuple((part[1], version_key(part[2])) for part in found if part)


class BadCellError(ValueError):
    def __init__(self, column: str, reason: str) -> None:
        super().__init__(f"{column}: {reason}")


def _text(row: Mapping[str, Any], column: str) -> str:
    value = row.get(column)
    if not isinstance(value, str) or not value.strip():
        raise BadCellError(column, "is empty" if value in (None, "") else f"{value!r} is no text")
    return value


def _one_of(row: Mapping[str, Any], column: str, allowed: Sequence[str]) -> str:
    value: Any = row.get(column)
    if value not in allowed:
        raise BadCellError(column, f"{value!r} is none of {' '.join(allowed)}")
    return str(value)


def _flag(row: Record, column: str) -> bool:
    return _one_of(row, column, ("yes", "no")) == "yes"


def _versions(row: Record, column: str) -> str:
    """A dotted number, or empty."""
    value = row.get(column, "")
    if value and not _VERSION.fullmatch(value):
        raise BadCellError(column, f"{value!r} is not a version")
    return value


def _version(row: Record, column: str) -> str:
    _text(row, column)
    return _versions(row, column)


def _numbers(row: Record, column: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in row.get(column, "").split())
    except ValueError:
        raise BadCellError(column, f"{row[column]!r} is not a number") from None


def _words(row: Record, column: str) -> tuple[str, ...]:
    return tuple(row.get(column, "").split())


def card(row: Record) -> Card:
    rate = _numbers(row, "fp16_rate_vs_fp32")
    return Card(
        name=_text(row, "name"),
        pci_ids=_words(row, "pci_ids"),
        chip=_text(row, "chip"),
        architecture=_text(row, "architecture"),
        compute_capability=_text(row, "compute_capability"),
        vram_gb=_numbers(row, "vram_gb"),
        tensor_cores=_flag(row, "tensor_cores"),
        fp16_rate=rate[0] if rate else None,
        bf16_native=_flag(row, "bf16_native"),
        fp8=_flag(row, "fp8"),
        segment=_text(row, "segment"),
        source=_text(row, "source"),
        verified=_one_of(row, "verified", VERIFIED),
    )


def other_gpu(row: Record) -> Gpu:
    """A card of another maker than NVIDIA: only what a wheel is chosen by."""
    _text(row, "source")
    vendor = _one_of(row, "vendor", ("amd", "apple"))
    target = row.get("target", "")
    if vendor == "amd" and not target.startswith("gfx"):
        raise BadCellError("target", f"{target!r} is not a target such as gfx1100")
    return Gpu(name=_text(row, "name"), vendor=vendor, compute_capability=target or None)


def alias(row: Record) -> tuple[str, str]:
    """Another name of a card, and the name gpus.csv has for it."""
    _one_of(row, "used_by", ("cuda", "nvml", "pci", "shop", "people"))
    _one_of(row, "verified", VERIFIED)
    _text(row, "source")
    return _text(row, "alias"), _text(row, "name")


def build(row: Record) -> Build:
    return Build(
        torch=_version(row, "torch"),
        tag=_text(row, "build_tag"),
        os=_one_of(row, "os", ("linux", "windows", "macos")),
        arch=_one_of(row, "arch", ("x86_64", "aarch64", "arm64")),
        archs=_words(row, "sm_list"),
        ptx=_words(row, "ptx_list"),
        cudnn=_versions(row, "cudnn"),
        python_min=_version(row, "python_min"),
        python_max=_version(row, "python_max"),
        default_on_pypi=_flag(row, "is_default_on_pypi"),
        release_date=row.get("release_date", ""),
        source=_text(row, "source"),
        verified=_one_of(row, "verified", VERIFIED),
    )


def driver(row: Record) -> ToolkitDriver:
    return ToolkitDriver(
        cuda=_version(row, "cuda"),
        toolkit_linux=_versions(row, "min_driver_linux"),
        toolkit_windows=_versions(row, "min_driver_windows"),
        floor_linux=_versions(row, "min_driver_linux_minor_compat"),
        floor_windows=_versions(row, "min_driver_windows_minor_compat"),
        removed_archs=_words(row, "removed_archs"),
        source=_text(row, "source"),
    )


def companion(row: Record) -> Companion:
    return Companion(
        torch=_version(row, "torch"),
        torchvision=_versions(row, "torchvision"),
        torchaudio=_versions(row, "torchaudio"),
        source=_text(row, "source"),
        note=row.get("note", ""),
    )


def last_build(row: Record) -> LastBuild:
    _text(row, "source")
    return LastBuild(
        compute_capability=_text(row, "compute_capability"),
        os=_one_of(row, "os", ("linux", "windows", "macos")),
        torch=_versions(row, "torch"),
        python_min=_versions(row, "python_min"),
        python_max=_versions(row, "python_max"),
    )


def default(row: Record) -> PrecisionDefault:
    return PrecisionDefault(
        match=_one_of(row, "match", ("pci_id", "chip", "compute_capability", "architecture", "device")),
        value=_text(row, "value"),
        fp16_gemm=_one_of(row, "fp16_gemm", ("native", "emulated", "fp32-rate", "unknown")),
        bf16=_one_of(row, "bf16", ("native", "emulated", "unsupported", "unknown")),
        default_amp=_one_of(row, "default_amp", ("float16", "bfloat16", "off", "unknown")),
        because=_text(row, "because"),
        source=_text(row, "source"),
    )


# --- faults.yaml ------------------------------------------------------------------------------------------------------

_FAULT_TEXTS = ("id", "title", "effect", "symptom", "workaround")
_FAULT_RANGES = ("torch", "cuda", "cudnn")
_MOST_CARDS = 64
_FAULT_LISTS = ("citations", "detected_by", "chips", "pci_ids", "compute_capabilities", "vendors", "os", "uses")


def fault(entry: Any) -> Fault:
    """An entry of faults.yaml. Raises BadCellError naming the field."""
    if not isinstance(entry, Mapping):
        raise BadCellError("entry", "is not a mapping")
    unknown = set(entry) - {*_FAULT_TEXTS, *_FAULT_RANGES, *_FAULT_LISTS, "verdicts", "clients", "cards"}
    if unknown:
        raise BadCellError(sorted(map(str, unknown))[0], "is not a field of a fault")
    if not entry.get("citations"):
        raise BadCellError("citations", "is empty")
    fields: dict[str, Any] = {
        **{field: _text(entry, field) for field in ("id", "title", "symptom")},
        **{field: _list(entry, field) for field in _FAULT_LISTS},
        **{field: _range(entry, field) for field in _FAULT_RANGES},
    }
    found = Fault(
        **fields,
        effect=_one_of(entry, "effect", ("avoid", "warn")),
        workaround=str(entry.get("workaround", "")),
        verdicts=_verdicts(entry),
        clients=_clients(entry),
        cards=_cards(entry),
    )
    _of_client_or_card(found)
    return found


def _of_client_or_card(found: Fault) -> None:
    """A fault of a client says nothing of the card and of no torch build: it lowers no verdict and chooses no build."""
    if found.clients and found.verdicts:
        raise BadCellError("verdicts", "a client's fault says nothing of the card; name what it uses in `uses`")
    if found.clients and found.effect != "warn":
        raise BadCellError("effect", "a client's fault chooses no torch build: warn")
    if found.uses and not found.clients:
        raise BadCellError("uses", "is for faults of clients")
    for name in found.uses:
        if name not in CAPABILITIES:
            raise BadCellError("uses", f"{name!r} is no capability")


def _list(entry: Mapping[str, Any], field: str) -> tuple[str, ...]:
    value = entry.get(field, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadCellError(field, "is not a list of texts (quote numbers)")
    return tuple(value)


def _range(entry: Mapping[str, Any], field: str) -> str:
    value = entry.get(field, "")
    try:
        range_parts(value)
    except (ValueError, AttributeError, TypeError) as error:
        raise BadCellError(field, str(error)) from None
    return str(value)


def _cards(entry: Mapping[str, Any]) -> int:
    value = entry.get("cards", 1)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST_CARDS:
        raise BadCellError("cards", f"{value!r} is not a number of cards")
    return value


def _clients(entry: Mapping[str, Any]) -> Mapping[str, str]:
    """Client -> range of its versions; none is left out, so that a fault of a client ends where it was repaired."""
    value = entry.get("clients", {})
    if not isinstance(value, Mapping) or not all(isinstance(name, str) and value[name] for name in value):
        raise BadCellError("clients", "is not a mapping of a client to a range such as '<8.2.96'")
    try:
        return {name: _range(value, name) for name in value}
    except BadCellError as error:
        raise BadCellError("clients", str(error)) from None


def _verdicts(entry: Mapping[str, Any]) -> Mapping[str, str]:
    value = entry.get("verdicts", {})
    if not isinstance(value, Mapping):
        raise BadCellError("verdicts", "is not a mapping")
    for capability, verdict in value.items():
        if capability not in CAPABILITIES or verdict not in VERDICTS:
            raise BadCellError("verdicts", f"{capability}: {verdict} is not a verdict on a capability")
    return dict(value)


_DIGEST_KEY = re.compile(r"exact/[a-z0-9._]+/[a-z0-9_]+/v\d+/(quick|standard|full)/(cpu|large)")
_DIGEST = re.compile(r"[0-9a-f]{16}")


def exact_digest(row: Record) -> tuple[str, str]:
    """(key, digest): a line of exact_digests.csv."""
    key, digest = _text(row, "key"), _text(row, "digest")
    if not _DIGEST_KEY.fullmatch(key):
        raise BadCellError("key", f"{key[:60]!r} is not exact/probe/dtype/version/level/shapes")
    if not _DIGEST.fullmatch(digest):
        raise BadCellError("digest", f"{digest[:60]!r} is not 16 hexadecimal digits")
    _text(row, "source")
    return key, digest
