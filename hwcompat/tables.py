"""The tables under matrix/: loading them, reading a card's spelling, known faults and precision defaults.

Each table is parsed when it is first asked for, once per process and folder. A row that cannot be used becomes an entry
of `Tables.warnings` ("file:line: column: reason"); the other rows still count.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from hwcompat import tablerows
from hwcompat.errors import DataError, UsageError
from hwcompat.model import Build, Card, Companion, Fault, Gpu, LastBuild, PrecisionDefault, ToolkitDriver
from hwcompat.spelling import memory_gb, mig_profile, spellings
from hwcompat.tablefiles import Record, csv_lines, yaml_list
from hwcompat.tablerows import BadCellError

DEFAULT_INDEX = "https://download.pytorch.org/whl"
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Tables:
    """Every table of `folders`; where two folders have the same row, the later folder's counts.

    Compared by identity: what is remembered of one must not answer for another that was read later.
    """

    folders: tuple[Path, ...]

    @cached_property
    def _cards(self) -> tuple[tuple[Card, ...], tuple[str, ...]]:
        return _read_csv(self.folders, "gpus.csv", tablerows.card, lambda c: (c.name, c.chip))

    @cached_property
    def _builds(self) -> tuple[tuple[Build, ...], tuple[str, ...]]:
        return _read_csv(self.folders, "torch_builds.csv", tablerows.build, lambda b: (b.torch, b.tag, b.os, b.arch))

    @cached_property
    def _drivers(self) -> tuple[tuple[ToolkitDriver, ...], tuple[str, ...]]:
        return _read_csv(self.folders, "cuda_drivers.csv", tablerows.driver, lambda d: d.cuda)

    @cached_property
    def _companions(self) -> tuple[tuple[Companion, ...], tuple[str, ...]]:
        return _read_csv(self.folders, "torch_companions.csv", tablerows.companion, lambda c: c.torch)

    @cached_property
    def _defaults(self) -> tuple[tuple[PrecisionDefault, ...], tuple[str, ...]]:
        return _read_csv(self.folders, "precision_defaults.csv", tablerows.default, lambda d: (d.match, d.value))

    @cached_property
    def _faults(self) -> tuple[tuple[Fault, ...], tuple[str, ...]]:
        return _read_faults(self.folders)

    @cached_property
    def _exact_digests(self) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
        return _read_if_there(self.folders, "exact_digests.csv", tablerows.exact_digest, lambda digest: digest[0])

    @cached_property
    def _other_gpus(self) -> tuple[tuple[Gpu, ...], tuple[str, ...]]:
        return _read_if_there(self.folders, "other_gpus.csv", tablerows.other_gpu, lambda gpu: gpu.name)

    @cached_property
    def _last_builds(self) -> tuple[tuple[LastBuild, ...], tuple[str, ...]]:
        return _read_if_there(
            self.folders, "last_builds.csv", tablerows.last_build, lambda last: (last.compute_capability, last.os)
        )

    @cached_property
    def _aliases(self) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
        return _read_if_there(self.folders, "aliases.csv", tablerows.alias, lambda alias: alias)

    @property
    def cards(self) -> tuple[Card, ...]:
        return self._cards[0]

    @property
    def builds(self) -> tuple[Build, ...]:
        return self._builds[0]

    @property
    def drivers(self) -> tuple[ToolkitDriver, ...]:
        return self._drivers[0]

    @property
    def companions(self) -> tuple[Companion, ...]:
        return self._companions[0]

    @property
    def defaults(self) -> tuple[PrecisionDefault, ...]:
        return self._defaults[0]

    @property
    def faults(self) -> tuple[Fault, ...]:
        return self._faults[0]

    @cached_property
    def exact_digests(self) -> Mapping[str, str]:
        """{key: first 16 hex digits}, see digests.named; a folder may lack the file, then nothing is known."""
        return MappingProxyType(dict(self._exact_digests[0]))

    @cached_property
    def other_gpus(self) -> Mapping[str, Gpu]:
        """{name without its brand: card} of AMD's and Apple's; a folder may lack the file, then none is known."""
        return MappingProxyType({spellings(gpu.name)[0]: gpu for gpu in self._other_gpus[0]})

    @property
    def aliases(self) -> tuple[tuple[str, str], ...]:
        """(another name, name in gpus.csv) of cards; a folder may lack the file, then none is known."""
        return self._aliases[0]

    @property
    def last_builds(self) -> tuple[LastBuild, ...]:
        """What served cards that no build of `builds` serves; a folder may lack the file, then nothing is known."""
        return self._last_builds[0]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What could not be used, over all tables (asking for it parses those not parsed yet)."""
        parts = (self._cards, self._builds, self._drivers, self._companions, self._defaults, self._faults)
        optional = (self._exact_digests, self._other_gpus, self._last_builds, self._aliases)
        found = [warnings for _, warnings in parts] + [warnings for _, warnings in optional]
        return tuple(warning for warnings in found for warning in warnings)

    @cached_property
    def card_index(self) -> _CardIndex:
        return _index_cards(self.cards, self.aliases)


# --- folders ----------------------------------------------------------------------------------------------------------


def data_dir() -> Path:
    """The folder of the tables: HWCOMPAT_MATRIX, else the one packaged, else `matrix/` of a checkout.

    Raises DataError if that folder does not exist.
    """
    named = os.environ.get("HWCOMPAT_MATRIX")
    if named:
        return _existing_folder(Path(named), "HWCOMPAT_MATRIX names no folder: " + named)
    here = Path(__file__).resolve().parent
    packaged = here / "_matrix"
    checkout = here.parent / "matrix"
    return packaged if packaged.is_dir() else _existing_folder(checkout, f"the tables are missing from {packaged}")


def extra_dirs() -> tuple[Path, ...]:
    """Folders of HWCOMPAT_MATRIX_EXTRA (separated by `os.pathsep`) whose rows are added. Raises DataError."""
    folders = [Path(part) for part in os.environ.get("HWCOMPAT_MATRIX_EXTRA", "").split(os.pathsep) if part]
    return tuple(_existing_folder(each, f"HWCOMPAT_MATRIX_EXTRA names no folder: {each}") for each in folders)


def index_base() -> str:
    """Base address of the wheel indexes: HWCOMPAT_TORCH_INDEX names a mirror, else PyTorch's own."""
    return (os.environ.get("HWCOMPAT_TORCH_INDEX") or DEFAULT_INDEX).rstrip("/")


def _existing_folder(folder: Path, message: str) -> Path:
    if not folder.is_dir():
        raise DataError(message, "name an existing folder, or unset the variable, or install hwcompat again")
    return folder


def data_folders() -> tuple[Path, ...]:
    """`data_dir()` and the extra folders, in the order in which later rows replace earlier ones. Raises DataError."""
    return (data_dir(), *extra_dirs())


_tables = cache(Tables)


def load_tables(folder: Path | None = None) -> Tables:
    """The tables of `folder` (default: `data_dir()`) plus those of HWCOMPAT_MATRIX_EXTRA. Raises DataError."""
    return _tables((folder, *extra_dirs()) if folder else data_folders())


# --- reading rows -----------------------------------------------------------------------------------------------------


def _read_csv(
    folders: Sequence[Path], name: str, parse: Callable[[Record], T], key: Callable[[T], object]
) -> tuple[tuple[T, ...], tuple[str, ...]]:
    rows: dict[object, T] = {}
    warnings: list[str] = []
    for path in _files(folders, name):
        for line, cells in csv_lines(path):
            try:
                row = parse(cells)
                rows[key(row)] = row
            except BadCellError as bad:
                warnings.append(f"{path}:{line}: {bad}")
    return tuple(rows.values()), tuple(warnings)


def _read_if_there(
    folders: Sequence[Path], name: str, parse: Callable[[Record], T], key: Callable[[T], object]
) -> tuple[tuple[T, ...], tuple[str, ...]]:
    having = [folder for folder in folders if (folder / name).exists()]
    return _read_csv(having, name, parse, key) if having else ((), ())


def _files(folders: Sequence[Path], name: str) -> list[Path]:
    """The file in the first folder, which must have it, and in those of the others that do."""
    return [folders[0] / name, *(each / name for each in folders[1:] if (each / name).exists())]


def _read_faults(folders: Sequence[Path]) -> tuple[tuple[Fault, ...], tuple[str, ...]]:
    faults: dict[str, Fault] = {}
    warnings: list[str] = []
    for path in _files(folders, "faults.yaml"):
        for line, entry in yaml_list(path, "faults"):
            try:
                fault = tablerows.fault(entry)
                faults[fault.id] = fault
            except BadCellError as bad:
                warnings.append(f"{path}:{line}: {bad}")
    return tuple(faults.values()), tuple(warnings)


# --- spellings of a card ----------------------------------------------------------------------------------------------

_PCI_ID = re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}(:[0-9a-f]{4}:[0-9a-f]{4})?")
# Also a whole line of lspci; compiled only if needed.
_PCI_DATABASE = r"(?i)(?:.*nvidia corporation )?\s*([a-z]{2}\d[0-9a-z]*)\s*\[(.+?)\]\s*(?:\(rev [0-9a-f]+\))?\s*"
_CAPABILITY = re.compile(r"(?:sm_?|compute_?)(\d{1,2})(\d)[af]?|(\d{1,2})\.(\d)")
_NVIDIA = re.compile(r"\b(nvidia|tesla)\b")
_SHOP_NAME = re.compile(r"rtx(a\d{4}.*)")  # "A6000" for the RTX A6000
_GFX = re.compile(r"gfx[0-9]{1,3}[0-9a-f]{2}")


class _CardIndex(NamedTuple):
    """Cards by PCI id, by full name and by a shorter or another name: without memory size or form factor, an alias."""

    by_pci: Mapping[str, tuple[Card, ...]]
    by_name: Mapping[str, tuple[Card, ...]]
    by_short: Mapping[str, tuple[Card, ...]]
    chips: Mapping[str, Card]  # any card of the chip
    jetson: frozenset[str]  # the compute capabilities of Jetson modules


def _index_cards(cards: Sequence[Card], aliases: Sequence[tuple[str, str]]) -> _CardIndex:
    by_pci: dict[str, tuple[Card, ...]] = {}
    by_name: dict[str, tuple[Card, ...]] = {}
    by_short: dict[str, tuple[Card, ...]] = {}
    for card in cards:
        for pci_id in {*card.pci_ids, *(each[:9] for each in card.pci_ids)}:
            by_pci[pci_id] = (*by_pci.get(pci_id, ()), card)
        full, *shorter = spellings(card.name)
        by_name[full] = (*by_name.get(full, ()), card)
        shop = _SHOP_NAME.fullmatch(full)
        for short in {*shorter, shop[1] if shop else ""} - {full, ""}:
            by_short[short] = (*by_short.get(short, ()), card)
    for alias, name in aliases:  # after the cards' own spellings, which an alias never replaces
        spelling, meant = spellings(alias)[0], by_name.get(spellings(name)[0], ())
        by_short[spelling] = (*by_short.get(spelling, ()), *meant)
    jetson = frozenset(card.compute_capability for card in cards if card.segment == "jetson")
    return _CardIndex(by_pci, by_name, by_short, {card.chip: card for card in cards}, jetson)


def _cards_named(text: str, tables: Tables) -> tuple[Card, ...]:
    """Cards whose name is `text`: exactly, else but for form factor or memory size. Never a similar name."""
    index = tables.card_index
    full, no_form, no_size, bare = spellings(text)
    for spelling in (full, no_size, no_form, bare):
        found = index.by_name.get(spelling) or index.by_short.get(spelling)
        if spelling and found:
            return found
    return ()


def _cards_of_pci_database(text: str, tables: Tables) -> tuple[Card, ...]:
    """Cards for "TU116M [GeForce GTX 1660 Ti Mobile]": the chip is known, so a laptop may go by the plain name."""
    found = re.fullmatch(_PCI_DATABASE, text)
    if not found:
        return ()
    name = found[2].split("/")[0]
    for candidate in (name, re.sub(r"(?i)\b(mobile|max-q)\b", "", name)):
        cards = tuple(card for card in _cards_named(candidate, tables) if found[1].upper().startswith(card.chip))
        if cards:
            return cards
    return ()


def find_cards(text: str, tables: Tables) -> tuple[Card, ...]:
    """Cards meant by a PCI id ("10de:2182", "10de:2191:1028:0949"), an NVML, shop, alias or PCI-database name."""
    wanted = text.strip().lower()
    if _PCI_ID.fullmatch(wanted):
        by_pci = tables.card_index.by_pci
        return by_pci.get(wanted) or by_pci.get(wanted[:9], ())
    return _cards_named(text, tables) or _cards_of_pci_database(text, tables)


def chip_of(pci_id: str | None, name: str | None, tables: Tables) -> str | None:
    """The chip of a card, by PCI id first, else by name if that name is sold on one chip only; None if unknown."""
    for text in (pci_id, name):
        chips = {card.chip for card in find_cards(text, tables)} if text else set()
        if len(chips) == 1:
            return chips.pop()
    return None


def resolve_gpu(text: str, tables: Tables) -> tuple[Gpu, ...]:
    """The accelerator that `text` means: a name, PCI id, capability ("sm_75", "7.5"), "mps" or "gfx1100"; () for "cpu".

    Several Gpus are alternatives: the name is sold on several chips ("NVIDIA GeForce GTX 1650"), or by two makers
    ("M4": a Tesla and Apple's). A capability gives a
    Gpu with `chip` None. `pci_id` is set where it is the only one of that name and chip; `vram_bytes` only where the
    text says it. Raises UsageError for anything else.
    """
    wanted = text.strip().lower()
    if not wanted:
        raise UsageError("the GPU's name is empty", "give a name, a PCI id, a capability such as 7.5, or cpu")
    if wanted == "cpu":
        return ()
    if wanted == "mps":
        return (Gpu(name="Apple GPU", vendor="apple"),)
    if _GFX.fullmatch(wanted):
        return (Gpu(name=wanted, vendor="amd", compute_capability=wanted),)
    capability = _CAPABILITY.fullmatch(wanted)
    if capability:
        return (_gpu_of_capability(text, ".".join(part for part in capability.groups() if part), tables),)
    cards = find_cards(text, tables)
    other = tables.other_gpus.get(spellings(text)[0])
    if not cards and (other is None or _NVIDIA.search(wanted)):
        raise UsageError(f"no table knows the GPU {text!r}", _nearest_names(wanted, tables))
    chips = dict.fromkeys(card.chip for card in cards)
    found = tuple(_gpu_of_cards(text, [card for card in cards if card.chip == chip]) for chip in chips)
    if other is None or _NVIDIA.search(wanted):
        return found
    return (other,) if other.vendor in wanted else (*found, other)


def _gpu_of_cards(text: str, cards: Sequence[Card]) -> Gpu:
    wanted = text.strip().lower()
    by_pci = _PCI_ID.fullmatch(wanted)
    ids = {wanted[:9]} if by_pci else {each[:9] for card in cards for each in card.pci_ids}
    size = None if by_pci else _stated_gb(wanted, cards)
    return Gpu(
        name=cards[0].name if by_pci or len(cards) == 1 else text.strip(),
        pci_id=ids.pop() if len(ids) == 1 else None,
        pci_subsystem=wanted[10:] or None if by_pci else None,
        chip=cards[0].chip,
        compute_capability=cards[0].compute_capability,
        vram_bytes=size * 2**30 if size else None,
        mig_profile=mig_profile(text),
    )


def _stated_gb(text: str, cards: Sequence[Card]) -> int | None:
    """The GPU memory that a name states. Where gpus.csv knows the card's sizes and this is none of them, it is another
    memory's: "GH200 480GB" names that of the CPU beside it."""
    size = memory_gb(text)
    sizes = {each for card in cards for each in card.vram_gb}
    return size if mig_profile(text) or not sizes or size in sizes else None


def _gpu_of_capability(text: str, capability: str, tables: Tables) -> Gpu:
    known = {card.compute_capability for card in tables.cards}
    if capability in known:
        return Gpu(name=f"compute capability {capability}", compute_capability=capability)
    number = float(capability)
    nearest = sorted(sorted(known, key=float), key=lambda each: abs(float(each) - number))[:3]
    raise UsageError(
        f"no GPU has the compute capability {text.strip()!r}", f"the nearest real ones: {', '.join(nearest)}"
    )


def _nearest_names(wanted: str, tables: Tables) -> str:
    import difflib

    if _PCI_ID.fullmatch(wanted):
        return "give the card's name or its compute capability instead, for example --gpu 7.5"
    names = {spellings(card.name)[0]: card.name for card in tables.cards}
    names.update({spelling: gpu.name for spelling, gpu in tables.other_gpus.items()})
    full = spellings(wanted)[0]
    longer = sorted((key for key in names if full and full in key), key=len)
    close = dict.fromkeys([*longer, *difflib.get_close_matches(full, names, n=3, cutoff=0)])
    nearest = "; ".join(names[key] for key in list(close)[:3])
    return f"did you mean: {nearest}? A PCI id or a capability such as 7.5 works too"


# --- precision defaults -----------------------------------------------------------------------------------------------


def default_for(gpu: Gpu | None, tables: Tables) -> PrecisionDefault | None:
    """What to assume of a card nobody measured: the row of its PCI id, else chip, capability, architecture, device."""
    rows = {(row.match, row.value): row for row in tables.defaults}
    return next((rows[key] for key in _default_keys(gpu, tables) if key in rows), None)


def _default_keys(gpu: Gpu | None, tables: Tables) -> list[tuple[str, str]]:
    if gpu is None:
        return [("device", "cpu")]
    card = tables.card_index.chips.get(gpu.chip or "")
    device = {"apple": "mps", "amd": "rocm", "intel": "xpu"}.get(gpu.vendor, "cuda")
    return [
        ("pci_id", gpu.pci_id or ""),
        ("chip", gpu.chip or ""),
        ("compute_capability", gpu.compute_capability or (card.compute_capability if card else "")),
        ("architecture", card.architecture if card else ""),
        ("device", device),
    ]
