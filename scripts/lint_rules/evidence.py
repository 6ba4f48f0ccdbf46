"""Rules about precision_defaults.csv, faults.yaml, exact_digests.csv, and about every row being usable."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from hwcompat import tables
from hwcompat.errors import DataError
from hwcompat.probes import catalogue
from hwcompat.probes.facts import CLIENTS
from lint_rules import Finding, Folder, rule

DEVICES = {"cpu", "mps", "rocm", "xpu", "cuda"}
VENDORS = {"nvidia", "amd", "intel", "apple", "cpu"}
SYSTEMS = {"linux", "windows", "macos", "wsl"}
_GFX = re.compile(r"gfx[0-9]{1,3}[0-9a-f]{2}")


def _known(folder: Folder) -> Mapping[str, set[str]]:
    cards = folder.rows("gpus.csv")
    ids = {each for row in cards for each in row["pci_ids"].split()}
    return {
        "chip": {row["chip"] for row in cards},
        "architecture": {row["architecture"] for row in cards},
        "compute_capability": {row["compute_capability"] for row in cards},
        "pci_id": ids | {each[:9] for each in ids},
        "device": DEVICES,
    }


@rule
def rows_can_be_used(folder: Folder) -> Iterator[Finding]:
    """The program reads every row of every table."""
    try:
        warnings = tables.Tables((folder.path,)).warnings
    except DataError as error:
        yield Finding("faults.yaml", 1, "", "", error.message, error.hint, "")
        return
    for warning in warnings:
        where, _, reason = warning.partition(": ")
        path, _, line = where.rpartition(":")
        column, _, problem = reason.partition(": ")
        yield Finding(re.split(r"[/\\]", path)[-1], int(line), column, "", problem, "see README.md", "")


@rule
def defaults_are_about_known_cards(folder: Folder) -> Iterator[Finding]:
    """`value` of precision_defaults.csv is a chip, PCI id, capability or architecture of gpus.csv, or a device."""
    known = _known(folder)
    for row in folder.rows("precision_defaults.csv"):
        if row["value"] not in known.get(row["match"], {row["value"]}):
            problem = f"gpus.csv knows no such {row['match']}"
            yield row.finding("value", problem, "correct it, or add the card")


@rule
def every_architecture_has_a_default(folder: Folder) -> Iterator[Finding]:
    """A card of gpus.csv that no narrower row names falls back on its architecture."""
    have = {row["value"] for row in folder.rows("precision_defaults.csv") if row["match"] == "architecture"}
    for row in folder.rows("gpus.csv"):
        if row["architecture"] not in have:
            problem = "precision_defaults.csv has no row for this architecture"
            yield row.finding("architecture", problem, "add one, with `unknown` where nobody measured")
            have.add(row["architecture"])


@rule
def faults_name_known_things(folder: Folder) -> Iterator[Finding]:
    """Chips, PCI ids, capabilities, makers, systems, probes and clients of faults.yaml exist."""
    known = _known(folder)
    lists = {
        "chips": known["chip"],
        "pci_ids": known["pci_id"],
        "compute_capabilities": known["compute_capability"],
        "vendors": VENDORS,
        "os": SYSTEMS,
        "detected_by": {str(probe.id) for probe in catalogue.listing()},
        "clients": set(CLIENTS),
    }
    for line, entry in folder.faults:
        for field, allowed in lists.items():
            for each in _listed(entry, field):
                if each not in allowed and not (field == "compute_capabilities" and _GFX.fullmatch(str(each))):
                    yield _of_fault(line, entry, field, str(each), "nothing is called so", "correct the spelling")


@rule
def faults_cite_addresses(folder: Folder) -> Iterator[Finding]:
    """Each citation of faults.yaml is an https address, and ids are unique lower-case words."""
    seen: set[Any] = set()
    for line, entry in folder.faults:
        for each in _listed(entry, "citations"):
            if not re.fullmatch(r"https://[^\s\"'<>]+", str(each)):
                yield _of_fault(line, entry, "citations", str(each), "is no address", "write https://...")
        name = entry.get("id")
        if name in seen or not re.fullmatch(r"[a-z0-9-]+", str(name)):
            yield _of_fault(line, entry, "id", str(name), "is no new lower-case word", "choose another id")
        seen.add(name)


def _listed(entry: Mapping[str, Any], field: str) -> list[Any]:
    value = entry.get(field, [])
    return list(value) if isinstance(value, (list, dict)) else []


def _of_fault(line: int, entry: Mapping[str, Any], field: str, value: str, problem: str, advice: str) -> Finding:
    return Finding("faults.yaml", line, field, value, problem, advice, str(entry.get("id", "")))


@rule
def digests_are_of_known_probes(folder: Folder) -> Iterator[Finding]:
    """The probe in each key of exact_digests.csv exists."""
    probes = {str(probe.id) for probe in catalogue.listing()}
    for row in folder.rows("exact_digests.csv"):
        if f"{row['key']}//".split("/")[1] not in probes:
            yield row.finding("key", "no probe has this name", "run scripts/exact_digests.py")


@rule
def exceptions_give_their_reason(folder: Folder) -> Iterator[Finding]:
    """Every row of lint_exceptions.csv says why."""
    for row in folder.rows("lint_exceptions.csv"):
        if len(row["reason"].split()) < 3:
            yield row.finding("reason", "says too little", "say why the rule does not hold here")
