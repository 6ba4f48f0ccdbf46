"""The precision that the file asks for, against what is known of this GPU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from hwcompat.diagnose.clue import NOTE, PROVED, SUSPECTED, Clue
from hwcompat.diagnose.config import Config, Facts, Meant
from hwcompat.knownfaults import affected_clients
from hwcompat.model import Fault, Recommendation, Verdict
from hwcompat.wording import gpu_words


class Use(NamedTuple):
    """A capability that a setting makes use of, and for what; `fault`: the client uses it against the setting."""

    capability: str
    meant: Meant
    what_for: str
    fault: Fault | None = None


def check(config: Config, facts: Facts) -> Iterator[Clue]:
    rec = facts.machine
    if rec is None or rec.device == "cpu":
        return
    if not rec.trainable:
        yield _no_training(config, rec)
        return
    told: set[tuple[str, str]] = set()
    for use in (*_uses(config), *_against_the_setting(config, facts)):
        clue = _judged(config, rec, use)
        if clue and (clue.check, use.meant.key) not in told:
            told.add((clue.check, use.meant.key))
            yield clue


def _uses(config: Config) -> Iterator[Use]:
    amp, weights, evaluation = (config.meant.get(name) for name in ("amp", "weights", "eval_weights"))
    if amp and amp.value in ("fp16", "bf16"):
        yield Use(f"amp_{amp.value}", amp, "training")
        if config.client in ("ultralytics", "yolov5"):
            yield Use("fp16", amp, "validation during training")
    if weights:
        yield Use(str(weights.value), weights, "the weights")
    if evaluation:
        yield Use(str(evaluation.value), evaluation, "evaluation")


def _against_the_setting(config: Config, facts: Facts) -> Iterator[Use]:
    """What this release of the client uses although the file turns it off, by the known faults."""
    amp = config.meant.get("amp")
    if amp is None or amp.value != "off" or not config.version:
        return
    for fault in facts.faults:
        if affected_clients(fault, {config.client: config.version}):
            for capability in fault.uses:
                yield Use(capability, amp, f"what it turns off: {fault.title}", fault)


def _judged(config: Config, rec: Recommendation, use: Use) -> Clue | None:
    verdict = rec.verdicts.get(use.capability)
    if verdict is None or verdict.value in ("ok", "unknown"):
        return None
    told = {"faulty": _faulty, "unsupported": _unsupported, "slow": _slow, "emulated": _slow}
    return told[verdict.value](config, rec, use, verdict) if verdict.value in told else None


def _faulty(config: Config, rec: Recommendation, use: Use, verdict: Verdict) -> Clue:
    change = use.fault.workaround if use.fault else f"set {config.off}"
    return config.clue(
        "hardware.faulty",
        use.meant.key,
        f"{use.capability} is faulty on {_card(rec)}, and this file uses it for {use.what_for}",
        why=_evidence(verdict),
        change=f"{change}, start a new run from pretrained weights, do not resume",
        certainty=PROVED if _measured(verdict) else SUSPECTED,
        weight=97 if _measured(verdict) else 92,
        cause="hardware",
        source=use.fault.citations[0] if use.fault else _link(verdict),
    )


def _unsupported(config: Config, rec: Recommendation, use: Use, verdict: Verdict) -> Clue:
    return config.clue(
        "hardware.unsupported",
        use.meant.key,
        f"{_card(rec)} has no {use.capability}, and this file asks for it ({use.what_for})",
        why=_evidence(verdict),
        change=f"set {config.off}",
        certainty=PROVED,
        weight=50,
        cause="hardware",
        source=_link(verdict),
    )


def _slow(config: Config, rec: Recommendation, use: Use, verdict: Verdict) -> Clue:
    word = "correct but slower than float32" if verdict.value == "slow" else "emulated, so slow"
    return config.clue(
        f"hardware.{verdict.value}",
        use.meant.key,
        f"{use.capability} is {word} on {_card(rec)}",
        why=f"{_evidence(verdict)}; this costs time and makes no NaN",
        change=f"set {config.off} unless memory is what you lack",
        certainty=NOTE,
        weight=6,
        source=_link(verdict),
    )


def _no_training(config: Config, rec: Recommendation) -> Clue:
    return Clue(
        "hardware.float32-faulty",
        f"float32 itself is faulty on {_card(rec)} with this build: no setting helps",
        rec.warnings[0] if rec.warnings else "its probe found wrong results",
        "install another torch build or use another card, then: hwcompat probe",
        PROVED,
        100,
        "hardware",
    )


def _card(rec: Recommendation) -> str:
    return " or ".join(gpu_words(gpu) for gpu in rec.gpus) or rec.device


def _evidence(verdict: Verdict) -> str:
    return "; ".join(verdict.because[:2])


def _measured(verdict: Verdict) -> bool:
    """Whether this machine's own report says so (circumstances.label words it), not what is known of its kind."""
    return bool(verdict.because) and "measured here on torch" in verdict.because[0]


def _link(verdict: Verdict) -> str:
    import re

    found = re.search(r"https?://[^\s)]+", " ".join(verdict.because))
    return found[0] if found else "hwcompat recommend --explain"
