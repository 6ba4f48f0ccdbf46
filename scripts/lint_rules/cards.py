"""Rules about gpus.csv."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from lint_rules import Finding, Folder, numbers, rule

OF_A_CHIP = ("architecture", "compute_capability", "tensor_cores", "bf16_native", "fp8")


@rule
def a_chip_is_the_same_in_every_row(folder: Folder) -> Iterator[Finding]:
    """Architecture, capability and units belong to the chip, not to the product."""
    for column in OF_A_CHIP:
        counts: dict[str, Counter[str]] = {}
        for row in folder.rows("gpus.csv"):
            counts.setdefault(row["chip"], Counter())[row[column]] += 1
        for row in folder.rows("gpus.csv"):
            usual = counts[row["chip"]].most_common(1)[0][0]
            if row[column] != usual:
                yield row.finding(column, f"other rows of {row['chip']} say {usual}", "correct it, or the chip")


@rule
def a_capability_belongs_to_one_architecture(folder: Folder) -> Iterator[Finding]:
    """7.5 is Turing everywhere."""
    counts: dict[str, Counter[str]] = {}
    for row in folder.rows("gpus.csv"):
        counts.setdefault(row["compute_capability"], Counter())[row["architecture"]] += 1
    for row in folder.rows("gpus.csv"):
        usual = counts[row["compute_capability"]].most_common(1)[0][0]
        if row["architecture"] != usual:
            problem = f"other cards of {row['compute_capability']} are {usual}"
            yield row.finding("architecture", problem, "correct it, or the capability")


@rule
def pci_ids_are_one_cards_own(folder: Folder) -> Iterator[Finding]:
    """A PCI id, with its subsystem where that is given, stands in one row, once; a card has one (a Jetson none)."""
    first: dict[str, str] = {}
    for row in folder.rows("gpus.csv"):
        ids = row["pci_ids"].split()
        if not ids and row["segment"] != "jetson":
            yield row.finding("pci_ids", "is empty", "look the card up in pci.ids (github.com/pciutils/pciids)")
        for each in ids:
            if each in first:
                yield row.finding("pci_ids", f"{each} is {first[each]} too", "keep it where pci.ids puts it")
            first.setdefault(each, row["name"])


@rule
def memory_sizes_ascend(folder: Folder) -> Iterator[Finding]:
    """vram_gb lists each size once, from small to large."""
    for row in folder.rows("gpus.csv"):
        try:
            sizes = [float(each) for each in row["vram_gb"].split()]
        except ValueError:
            continue  # value_columns_hold_values says it
        if sizes != sorted(set(sizes)) or any(not 0 < each <= 1024 for each in sizes):
            yield row.finding("vram_gb", "is not ascending, or no size in GB", "write the sizes from small to large")


@rule
def units_fit_the_capability(folder: Folder) -> Iterator[Finding]:
    """Tensor cores begin at 7.0, bf16 at 8.0, fp8 at 8.9, fp16 arithmetic at 5.3: no card has them below."""
    for row in folder.rows("gpus.csv"):
        capability = numbers(row["compute_capability"])
        for column, since in (("tensor_cores", (7, 0)), ("bf16_native", (8, 0)), ("fp8", (8, 9))):
            if row[column] == "yes" and capability < since:
                yield row.finding(column, f"begins at {since[0]}.{since[1]}", "write no, or correct the capability")
        if row["fp16_rate_vs_fp32"] and capability < (5, 3):
            yield row.finding("fp16_rate_vs_fp32", "there is no fp16 arithmetic below 5.3", "empty the cell")
