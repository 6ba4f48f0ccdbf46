"""The frozen values that pages are made of; text as it stands in the rows, nothing escaped yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from hwcompat.coverage import Coverage, Wanted
from hwcompat.model import Card, Fault, Row
from hwcompat.tables import Tables

SYSTEM_WORDS = {"linux": "Linux", "windows": "Windows", "macos": "macOS", "wsl": "WSL"}


class Subject(NamedTuple):
    """A card that gets a page: a name of the tables, or one that only rows know.

    ask     what `hwcompat recommend --gpu` understands for it; "" where it understands nothing
    models  its lines of gpus.csv: several where the name is sold on several chips
    chips   of these lines; of AMD's cards what kernels are built for
    known   a table knows the name
    """

    name: str
    slug: str
    ask: str
    vendor: str
    models: tuple[Card, ...] = ()
    chips: tuple[str, ...] = ()
    compute_capabilities: tuple[str, ...] = ()
    also: tuple[str, ...] = ()  # other names: aliases
    known: bool = True


class Said(NamedTuple):
    """One capability of a card on one system: what rows say, and what is assumed with the recommended build.

    word      the verdict of the rows ("suspected" where they suspect), "" where no row says anything
    decided   rows have votes, so that `word` is theirs
    assumed   what `hwcompat recommend` goes by, from rows, known faults and defaults; "" where nothing is recommended
    """

    capability: str
    word: str = ""
    decided: bool = False
    assumed: str = ""
    because: tuple[str, ...] = ()
    observations: int = 0
    measured: int = 0
    voices: int = 0
    counts: Mapping[str, int] = {}
    oldest: str = ""
    newest: str = ""
    age: int | None = None


class Cell(NamedTuple):
    """What the rows of one chip, system and build say of one capability."""

    os: str
    word: str
    observations: int
    measured: int
    newest: str
    doubt: bool  # rows contradict each other, or hold different digests
    told: str = ""  # what they said ("1 faulty"), where the verdict is another word


class Grid(NamedTuple):
    """Of one chip and capability: releases of torch (newest first) by CUDA tag."""

    chip: str
    capability: str
    releases: tuple[str, ...]
    tags: tuple[str, ...]
    cells: Mapping[tuple[str, str], tuple[Cell, ...]]


class Versions(NamedTuple):
    """Of one chip and capability: which releases of torch are known good and bad.

    good   ok by the rules of trust on every system and CUDA that rows know, oldest first
    bad    faulty or suspected on any
    told   users told of a fault, too few to say more
    first  the oldest good one after every bad one; "" where there is none
    """

    chip: str
    capability: str
    good: tuple[str, ...]
    bad: tuple[str, ...]
    told: tuple[str, ...]
    first: str


class Contradiction(NamedTuple):
    """Rows of one chip that pass and fail one capability; `explained`: (circumstance, passing, failing) values."""

    chip: str
    capability: str
    passing: tuple[str, ...]  # anchors
    failing: tuple[str, ...]
    explained: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]


class Bar(NamedTuple):
    """Least, median and greatest of one speed over `rows` rows."""

    label: str
    low: float
    middle: float
    high: float
    rows: int


class Chart(NamedTuple):
    """Speeds of one kind on one system; `line`: a value worth a line, such as 1 for "as fast as fp32"."""

    title: str
    unit: str
    bars: tuple[Bar, ...]
    line: float | None = None


class Config(NamedTuple):
    """One client's file, or the reason why there is none."""

    client: str
    file: str
    summary: str
    proof: str
    command: str
    text: str = ""
    refused: str = ""


class Answer(NamedTuple):
    """What `hwcompat recommend` says for a card on one system; with `refused` nothing else is known."""

    os: str
    arch: str
    python: str
    torch: str = ""
    tag: str = ""
    install: str = ""
    settings: tuple[tuple[str, str, str], ...] = ()  # name, value, because
    because: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    cautions: tuple[tuple[str, str, str, str], ...] = ()  # operation, detail, workaround, source
    next_steps: tuple[str, ...] = ()
    said: tuple[Said, ...] = ()
    configs: tuple[Config, ...] = ()
    refused: str = ""
    hint: str = ""

    @property
    def system(self) -> str:
        return f"{SYSTEM_WORDS.get(self.os, self.os)} {self.arch}"

    @property
    def key(self) -> str:
        """As in anchors."""
        return f"{self.os}-{self.arch}".replace("_", "")


class Evidence(NamedTuple):
    """A row on a page; `anchor` is unique there, `own` means that it names this very card."""

    anchor: str
    row: Row
    own: bool
    withdrawn: str  # why it does not count; "": it does


class ChipPage(NamedTuple):
    """What rows say of a chip, whatever the card; its cards share it."""

    chip: str
    slug: str
    rows: int
    grids: tuple[Grid, ...]
    versions: tuple[Versions, ...]
    contradictions: tuple[Contradiction, ...]
    cards: tuple[Subject, ...]
    evidence: tuple[Evidence, ...]
    left_out: int  # rows that did not fit on the page


class CardPage(NamedTuple):
    subject: Subject
    badge: tuple[str, str, str]  # label, message, verdict
    answers: tuple[Answer, ...]
    chips: tuple[ChipPage, ...]
    charts: tuple[Chart, ...]
    own_speed: bool  # the charts are of this very card, not of others with its chip
    evidence: tuple[Evidence, ...]
    left_out: int  # rows that did not fit on the page
    faults: tuple[Fault, ...]
    neighbours: tuple[Subject, ...]  # other cards of the same chip


class FaultPage(NamedTuple):
    fault: Fault
    slug: str
    cards: tuple[Subject, ...]
    every_card: bool  # it concerns every card of a maker, or every card there is
    evidence: tuple[Evidence, ...]


class Entry(NamedTuple):
    """A card in the list of all: what it is found by and what rows say of it, in short."""

    subject: Subject
    words: tuple[str, ...]  # spellings to search in
    memory: str
    architectures: tuple[str, ...]
    rows: int
    measured: int
    newest: str
    verdicts: Mapping[str, str]  # capability -> verdict assumed, else told by rows
    groups: tuple[str, ...]  # where its rows are: chips, and "card NAME" for those about none of them
    decided: Mapping[str, int]  # capability -> observations, where rows decided it


Key = tuple[str, str, str, tuple[str, ...]]
"""What rows can be found by: torch (minor release), CUDA tag, source, ("fp16=faulty", ...)."""


class Site(NamedTuple):
    """All that the pages say."""

    date: str
    tables: Tables
    rows: tuple[Row, ...]
    cards: tuple[CardPage, ...]
    chips: tuple[ChipPage, ...]
    entries: tuple[Entry, ...]
    groups: Mapping[str, tuple[Key, ...]]  # as in `Entry.groups`
    faults: tuple[FaultPage, ...]
    coverage: Coverage
    wanted: tuple[Wanted, ...]
    unplaced: tuple[Evidence, ...]  # rows that name no card
    slugs: Mapping[str, str]  # card name -> slug
