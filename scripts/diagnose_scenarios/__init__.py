"""Broken trainings with a known cause, and healthy ones: one scenario a file in each folder of SETS, found by listing.

listed/ follows a published table of failures; second/ was written apart from the program that it judges, from failures
that users reported; third/ and fourth/ likewise, later, over more kinds of net and loop, each with mechanisms of its
own and complete before the program was first run on any of it. fifth/ rebuilds trainings of public reports whose
threads found the cause; each file names its report. sixth/ does the same from other reports, was written apart from
fifth/ and from the program, and was complete before the program was first run on any of it. seventh/ does it once more,
from further reports and apart from both, after the program had been improved on all of the others. eighth/ is one more
of that kind, from reports of its own, later than seventh/. ninth/ is the next, mostly from reports on computer vision,
written apart from the program and from every other set, and complete before the program was first run on any of it.
tenth/ is another, mostly from reports on language, time series, physics and probability; the program was first run on
it after it had been improved on ninth/. eleventh/ is one more, half of its reports from pictures, generation and
medicine and half from language, sound, tables, graphs and games, written apart from the program and from the others.
twelfth/ is the next of that kind, from reports as a search gave them over many kinds of net, written apart from the
program and from every other set, and complete before the program was first run on any of it.
thirteenth/ follows the classes of the same published table as listed/ with other mechanisms, nets, places and
magnitudes: its held-out half, written apart from the program and complete before the program was first run on it.
fourteenth/ is another such half of that table, by the same rules and apart from thirteenth/ as well.
fifteenth/ is one more of the kind of twelfth/, from reports that no other set cites, written apart from the program and
from every other set, and complete before the program was first run on any of it.
sixteenth/ is one more set from that table, by the same rules and apart from thirteenth/ and fourteenth/.
All hold for every broken training the same training repaired.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .scenario import Scenario

FOLDER = Path(__file__).parent
SETS = (
    "listed",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
)


@dataclass(frozen=True)
class Entry:
    """One run of a scenario: which file, which seed, broken or repaired."""

    set: str
    name: str
    seed: int = 0
    repaired: bool = False

    @property
    def id(self) -> str:
        return f"{self.set}/{self.name}[{self.seed}]" + ("+repaired" if self.repaired else "")


def names(which: str) -> list[str]:
    """The scenarios of a set, by listing its folder."""
    return sorted(path.stem for path in (FOLDER / which).glob("*.py") if not path.stem.startswith("_"))


def builder(which: str, name: str) -> Callable[..., Scenario]:
    """`build` of one scenario file."""
    spec = importlib.util.spec_from_file_location(f"scenario_{which}_{name}", FOLDER / which / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.build


def has_repair(which: str, name: str) -> bool:
    """Broken scenarios can be repaired; healthy ones need no repair."""
    return "repaired" in inspect.signature(builder(which, name)).parameters


def load(entry: Entry) -> Scenario:
    """The training itself; a repaired one expects nothing."""
    build = builder(entry.set, entry.name)
    if not entry.repaired:
        return build(entry.seed)
    return dataclasses.replace(build(entry.seed, repaired=True), expected=None)


def entries(which: str, seeds: int = 1) -> Iterator[Entry]:
    """Every scenario of a set, each broken one followed by its repair."""
    for name in names(which):
        for seed in range(seeds):
            yield Entry(which, name, seed)
            if has_repair(which, name):
                yield Entry(which, name, seed, repaired=True)
