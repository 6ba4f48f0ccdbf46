"""Verdicts against the card's units, against each other, and against the failures that led to them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hwcompat.lint.cards import bf16_native, fp8_units, nvidia_capability
from hwcompat.lint.findings import Complaint, Facts, row_rule
from hwcompat.model import BAD_STATUSES, CAPABILITIES
from hwcompat.verdicts import CORE_EFFECT, KERNELS_OF, WHOLE_FEEDS, capability_of, is_emulated

_RUNS = ("ok", "slow", "emulated")
_FAILURE = re.compile(rf"([^\s:]+):([^\s:]*):({'|'.join(sorted(BAD_STATUSES))})")
_WHO = ("pci_id", "pci_subsystem", "chip", "compute_capability")


@row_rule(*_WHO, "bf16", "amp_bf16")
def bf16_without_units_is_emulated(
    facts: Facts, pci_id: str, subsystem: str, chip: str, capability: str, bf16: str, amp_bf16: str
) -> Iterator[Complaint]:
    """bf16 that computes right on a chip without bf16 units is `emulated`, not `ok`."""
    if "ok" not in (bf16, amp_bf16) or not (chip or capability.replace(".", "").isdigit()):
        return
    known = nvidia_capability(facts, chip, capability)
    if chip != "cpu" and is_emulated(known, bf16_native(facts, pci_id, subsystem, chip)):
        for column, value in (("bf16", bf16), ("amp_bf16", amp_bf16)):
            if value == "ok":
                yield Complaint(column, value, f"{chip or capability} has no bf16 units", "write emulated")


@row_rule("chip", "compute_capability", "tf32")
def tf32_below_capability_8_is_unsupported(facts: Facts, chip: str, capability: str, tf32: str) -> Iterator[Complaint]:
    """TF32 exists on CUDA from capability 8.0 on (CUDA C++ Programming Guide, Compute Capabilities)."""
    known = nvidia_capability(facts, chip, capability)
    if known and float(known) < 8 and tf32 not in ("", "unknown", "unsupported"):
        yield Complaint("tf32", tf32, f"capability {known} has no TF32", "write unsupported")


@row_rule("pci_id", "pci_subsystem", "chip", "fp8")
def fp8_without_units_is_unsupported(
    facts: Facts, pci_id: str, subsystem: str, chip: str, fp8: str
) -> Iterator[Complaint]:
    """A chip without fp8 units multiplies nothing in fp8."""
    if fp8 in _RUNS and chip and fp8_units(facts, pci_id, subsystem, chip) is False:
        yield Complaint("fp8", fp8, f"{chip} has no fp8 units", "write unsupported")


@row_rule("source", "fp32", "fp16", "bf16", "amp_fp16", "amp_bf16")
def autocast_is_no_better_than_its_kernels(facts: Facts, source: str, *verdicts: str) -> Iterator[Complaint]:
    """Where a kernel is faulty or unsupported, the autocast that runs it is not ok."""
    said = dict(zip(("fp32", "fp16", "bf16", "amp_fp16", "amp_bf16"), verdicts, strict=True))
    for name, kernels in KERNELS_OF.items():
        for kernel in kernels:
            if source == "measured" and said[name] in _RUNS and said[kernel] in ("faulty", "unsupported"):
                yield Complaint(
                    name, said[name], f"autocast runs {kernel}, which is {said[kernel]}", f"write {said[kernel]}"
                )


@row_rule("failures")
def failures_have_their_form(facts: Facts, failures: str) -> Iterator[Complaint]:
    """Failures are probe:dtype:status, separated by single spaces; the last may be "..."."""
    words = failures.split(" ") if failures else []
    if len(words) > 1 and words[-1] == "...":
        words.pop()
    wrong = next((word for word in words if not _FAILURE.fullmatch(word)), None)
    if wrong is not None:
        statuses = " ".join(sorted(BAD_STATUSES))
        yield Complaint("failures", wrong, "not probe:dtype:status", f"a status is one of: {statuses}")


@row_rule("failures")
def failures_name_known_probes(facts: Facts, failures: str) -> Iterator[Complaint]:
    """Every probe and dtype named in `failures` exists."""
    for probe, dtype, _ in _FAILURE.findall(failures):
        if probe not in facts.probes:
            yield Complaint("failures", probe, "no such probe", "compare with hwcompat probe --list")
        elif dtype and dtype not in facts.dtypes:
            yield Complaint("failures", dtype, "no dtype of any probe", f"one of: {' '.join(sorted(facts.dtypes))}")


@row_rule("failures", *CAPABILITIES)
def failures_and_verdicts_agree(facts: Facts, failures: str, *verdicts: str) -> Iterator[Complaint]:
    """A capability whose deciding probe failed is not good."""
    said = dict(zip(CAPABILITIES, verdicts, strict=True))
    told: set[str] = set()
    for probe, dtype, status in _FAILURE.findall(failures):
        known = facts.probes.get(probe)
        name = capability_of(known.feeds, dtype) if known else None
        if known and name and (known.core or name in WHOLE_FEEDS) and said[name] in _RUNS and name not in told:
            told.add(name)
            best = CORE_EFFECT[status][0]
            yield Complaint(
                name, said[name], f"yet {probe}:{dtype}:{status} stands in failures", f"write {best} at the best"
            )


@row_rule("source", "failures", *CAPABILITIES)
def a_measured_fault_names_its_failure(facts: Facts, source: str, failures: str, *verdicts: str) -> Iterator[Complaint]:
    """Where something measured is faulty, `failures` says which probe found it."""
    if source == "measured" and not failures and "faulty" in verdicts:
        name = CAPABILITIES[verdicts.index("faulty")]
        yield Complaint(name, "faulty", "no failure is given", "fill in failures from the report")
