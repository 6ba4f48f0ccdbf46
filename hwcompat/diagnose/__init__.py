"""`hwcompat diagnose` without running the training: what settings, data and records of a run say by themselves.

    answer = diagnose.settings(Path("args.yaml"), facts)
    answer = diagnose.command("python train.py --noautoanchor", facts)
    print("\\n".join(tell.lines(clue.together([answer, ...]))))

A check of settings is a file of checks/, a client a file of configs/, a kind of labels a file of labels/, a kind of
training record a file of records/; what is known lies in matrix/ (client_keys.csv, training_limits.csv, folklore.yaml,
log_messages.yaml). Every file may be hostile: read within bounds, nothing of it is run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from hwcompat.errors import DataError, MachineError
from hwcompat.model import Recommendation
from hwcompat.tables import load_tables
from hwcompat.wording import gpu_words

from . import folklore, patterns
from .clue import SUSPECTED, Answer, Clue, Place, as_json, ordered, together
from .config import Facts, check_names, examine, read_config, with_version
from .keytable import KeyTable, read_keys, read_rates
from .record import Message, read_messages, read_record

__all__ = [
    "Answer",
    "Clue",
    "Knowledge",
    "as_json",
    "card",
    "command",
    "data",
    "next_steps",
    "ordered",
    "results",
    "settings",
    "together",
]

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Knowledge:
    """What everything is compared with: the tables of `folders`, and what the machine is advised, asked once.

    A card that is misspelt is an error; a machine that cannot be judged is told as not checked.
    """

    folders: tuple[Path, ...]
    ask_machine: Callable[[], Recommendation]

    @cached_property
    def keys(self) -> KeyTable:
        return read_keys(self.folders)

    @cached_property
    def tales(self) -> tuple[folklore.Tale, ...]:
        return folklore.read_tales(self.folders)

    @cached_property
    def messages(self) -> tuple[Message, ...]:
        return read_messages(self.folders)

    @cached_property
    def _asked(self) -> tuple[Recommendation | None, str]:
        try:
            return self.ask_machine(), ""
        except (MachineError, DataError) as error:
            return None, f"{error.message}; {error.hint}"

    @property
    def machine(self) -> Recommendation | None:
        return self._asked[0]

    @property
    def machine_unknown(self) -> str:
        """Why nobody can say anything of the machine; empty where somebody can."""
        return self._asked[1]

    @cached_property
    def facts(self) -> Facts:
        return Facts(self.keys, read_rates(self.folders), self.machine, load_tables().faults)


def settings(path: Path, known: Knowledge, client: str | None = None, version: str | None = None) -> Answer:
    """What a client's file of settings says. DataError for a file that is unusable or of no client known here."""
    read = read_config(path, known.keys, client, version)
    here = known.machine.clients if known.machine else {}
    config = with_version(read, {**here, "lightning": here.get("lightning") or here.get("pytorch_lightning", "")})
    clues = [*examine(config, known.facts), *folklore.in_config(config, known.tales)]
    named = f"{path} ({config.client}{f' {config.version}' if config.version else ', version unknown'})"
    not_checked = [*_machine_gaps(known)]
    if not config.version:
        examined = known.keys.examined(config.client, config.sections[0][0])
        not_checked.append(
            f"keys of your release of {config.client} (name it with --client-version; examined: "
            f"{examined[0]} to {examined[-1]})" if examined else f"keys of {config.client}"
        )  # fmt: skip
    return Answer(ordered(clues), (named,), (), check_names(), tuple(not_checked))


def data(path: Path, images: str = "full", jobs: int | None = None, progress: Progress | None = None) -> Answer:
    """What labels and images say. images: full (every pixel), header or no; jobs: processes, None: as many as pay.

    DataError for a data set that is unusable, MachineError where Pillow is needed and missing.
    """
    from . import datanotes, dataset

    found = datanotes.answer(dataset.examine(path, images, jobs, progress))
    gaps = {"full": (), "header": ("pixels",), "no": ("images",)}[images]
    return replace(found, not_checked=(*found.not_checked, *gaps))


def command(text: str, known: Knowledge) -> Answer:
    """What a command line that starts a training says; it is taken apart, never run."""
    clues = folklore.in_command(folklore.read_command(text), known.tales)
    return Answer(ordered(clues), ("the command",), checked=("folklore",))


def results(path: Path, known: Knowledge) -> Answer:
    """What the record of a training says: a table of losses, a log, or the Trainer's state. DataError."""

    def notice(text: str, place: Place) -> Iterator[Clue]:
        return folklore.in_text(text, place, known.tales)

    record = read_record(path, known.messages, notice)
    clues = [*record.clues, *patterns.find(record)]
    gaps = [*_machine_gaps(known), "what the model and the loss compute"]
    if record.thinned:
        gaps.append(f"points after the first {len(record.points)} of {path}")
    told = f"{path} ({record.kind}, {len(record.points)} points)"
    notes = () if record.points or clues else (f"{path} prints no loss in a form that is known here",)
    return Answer(ordered([*clues, *_card_is_known(clues, known)]), (told,), notes, ("training record",), tuple(gaps))


def card(known: Knowledge) -> Answer:
    """What is known of the card itself, where no settings say what a run asked of it."""
    told = " or ".join(gpu_words(gpu) for gpu in known.machine.gpus) if known.machine else ""
    clues = _faulty_card(known, "a run with AMP on gives NaN or mAP 0 there")
    return Answer(ordered(clues), (told or "the card",), (), ("card",), tuple(_machine_gaps(known)))


def _card_is_known(clues: Sequence[Clue], known: Knowledge) -> Iterator[Clue]:
    """A run that went wrong on a card whose float16 is known to be faulty."""
    if any(clue.weight >= 50 for clue in clues):
        yield from _faulty_card(known, "what the record shows is what this fault looks like, if the run used AMP")


def _faulty_card(known: Knowledge, means: str) -> Iterator[Clue]:
    rec = known.machine
    if rec is None or _verdict(rec, "amp_fp16") != "faulty":
        return
    because = rec.verdicts["amp_fp16"].because
    named = " or ".join(gpu_words(gpu) for gpu in rec.gpus) or rec.device
    yield Clue(
        "hardware.card-is-known", f"float16 is faulty on {named}",
        f"{because[0] if because else 'the matrix says so'}; {means}",
        "train with AMP off, from pretrained weights; do not resume", SUSPECTED, 91, "hardware",
        "hwcompat recommend --explain",
    )  # fmt: skip


def _machine_gaps(known: Knowledge) -> Sequence[str]:
    if known.machine is None:
        return (f"the GPU ({known.machine_unknown})",)
    if known.machine.device == "cpu":
        return ("the card of the run: there is none here, name it with --gpu",)
    unknown = [name for name in ("fp16", "amp_fp16") if _verdict(known.machine, name) == "unknown"]
    return (f"{', '.join(unknown)} on this GPU: nobody has measured it",) if unknown else ()


def _verdict(rec: Recommendation, name: str) -> str:
    return rec.verdicts[name].value if name in rec.verdicts else "unknown"


def next_steps(answer: Answer) -> tuple[str, ...]:
    """What to run next: the probe where the card is in question, then the watch, which sees the run itself."""
    hardware = any(clue.cause == "hardware" for clue in answer.clues)
    watch = "watch the training itself: hwcompat diagnose -- COMMAND   (your training's own, unchanged)"
    if hardware:
        return ("hwcompat probe   (measures this card; decides over everything known of its kind)", watch)
    if answer.findings:
        return (
            "make the first change, start a new run from pretrained weights; if it is NaN again: hwcompat probe",
            watch,
        )
    return ("hwcompat probe   (is it the card?)", watch)
