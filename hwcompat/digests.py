"""Digests of what a device computed: equal everywhere (exact), or equal on machines of one kind (fingerprint). Pure.

An exact digest covers outputs for which one bit pattern is right on every device, release and order of calculation, so
its value is known beforehand: `matrix/exact_digests.csv`. A pass with another digest means that the expected values
themselves differ, which the host computes in float64 and integers: its processor or memory is suspect, or the suite was
changed. A fingerprint digest covers random data, whose roundings depend on the kernels that the libraries choose: rows
of one key should agree, and one that does not is suspect, never convicted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple, Protocol

from .model import Caution, Result, Row

LENGTH = 16
"""Hex digits that the table keeps of each digest: enough that no accident gives the same."""
GOLDEN_VOICES = 2
"""So many contributors must agree before their digest is what a third one is measured against."""

HOST_ADVICE = "test this machine's memory and processor (memtest86+, stress-ng --verify), then reinstall hwcompat"


class ProbeFacts(Protocol):
    """The attribute of a catalogue probe that naming a digest needs."""

    @property
    def rule(self) -> str: ...


def named(results: Iterable[Result], probes: Mapping[str, ProbeFacts], level: str, large: bool) -> dict[str, str]:
    """{"exact/conv.forward/float16/v1/standard/cpu": digest}: every digest of the results by what it depends on.

    A probe whose RULE is FEATURE gives a fingerprint. `large`: an accelerator, which runs larger shapes than a CPU.
    """
    run = f"{level}/{'large' if large else 'cpu'}"
    return {f"{_kind(r, probes)}/{r.probe}/{r.dtype}/v{r.version}/{run}": r.digest for r in results if r.digest}


def _kind(result: Result, probes: Mapping[str, ProbeFacts]) -> str:
    probe = probes.get(result.probe)
    return "fingerprint" if probe is not None and probe.rule == "FEATURE" else "exact"


def combined(found: Mapping[str, str], kind: str) -> str:
    """One digest (16 hex digits) over "key=digest" of every digest of that kind; empty if there is none."""
    lines = sorted(f"{key}={digest}" for key, digest in found.items() if key.startswith(kind + "/"))
    import hashlib  # only needed where something was measured

    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16] if lines else ""


# --- exact digests: known beforehand ----------------------------------------------------------------------------------


def cautions(found: Mapping[str, str], known: Mapping[str, str]) -> tuple[Caution, ...]:
    """One caution for all exact digests that are not the known ones; keys that the file lacks say nothing."""
    wrong = [key for key, digest in found.items() if key in known and digest[:LENGTH] != known[key]]
    if not wrong:
        return ()
    names = sorted({"/".join(key.split("/")[1:3]) for key in wrong})
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    detail = f"the expected values of {shown} differ from those of every other machine, although the device agrees"
    return (Caution("exact digests (host)", detail, HOST_ADVICE, names[0].partition("/")[0]),)


# --- fingerprints: rows of one key ------------------------------------------------------------------------------------

KINDS = ("exact", "fingerprint")
_MACHINE = ("gpu", "pci_id", "pci_subsystem", "chip", "compute_capability", "vram_gb", "os", "arch")
_SOFTWARE = ("torch", "cuda", "cudnn", "hwcompat", "suite", "level")
_KEY = _MACHINE + _SOFTWARE
KEY_NAMES = (*_KEY, "driver")
"""The columns of a `comparison_key`."""
_cells = attrgetter(*_KEY)


class Disagreement(NamedTuple):
    """Rows of one key that hold different digests of one `kind`.

    golden: the digest that enough contributors share, "" while nobody has a majority; suspects: the rows that differ
    from it (all rows, where there is none).
    """

    kind: str
    key: Mapping[str, str]
    golden: str
    rows: tuple[Row, ...]
    suspects: tuple[Row, ...]


def disagreements(rows: Iterable[Row]) -> tuple[Disagreement, ...]:
    """Every key whose rows differ in a digest; the order of `rows` is irrelevant."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(comparison_key(row), []).append(row)
    several = sorted(key for key, found in groups.items() if len(found) > 1)
    found = (_disagreement(kind, key, groups[key]) for key in several for kind in KINDS)
    return tuple(one for one in found if one is not None)


def comparison_key(row: Row) -> tuple[str, ...]:
    """What must be equal before digests, or the speeds of a fleet, can be compared: the cells of `KEY_NAMES`, of the
    driver only its major version."""
    return (*_cells(row), row.driver.split(".")[0])


def _disagreement(kind: str, key: Sequence[str], rows: Sequence[Row]) -> Disagreement | None:
    column = f"{kind}_digest"
    holding = sorted((row for row in rows if getattr(row, column)), key=lambda row: (getattr(row, column), row))
    by_digest: dict[str, set[str]] = {}
    for row in holding:
        by_digest.setdefault(getattr(row, column), set()).add(row.contributor or "anonymous")
    if len(by_digest) < 2:
        return None
    golden = _majority(by_digest)
    names = dict(zip(KEY_NAMES, key, strict=True))
    suspects = tuple(row for row in holding if getattr(row, column) != golden)
    return Disagreement(kind, names, golden, tuple(holding), suspects)


def _majority(by_digest: Mapping[str, set[str]]) -> str:
    """The digest with most contributors, at least GOLDEN_VOICES and more than any other; all anonymous are one."""
    voices = sorted(((len(who), digest) for digest, who in by_digest.items()), reverse=True)
    (most, digest), (second, _) = voices[:2]
    return digest if most >= GOLDEN_VOICES and most > second else ""
