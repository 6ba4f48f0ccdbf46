"""Turns what is known of a machine's cards into settings, each with its reason. Pure: evidence in, Recommendation out.

Several cards train together, so the weakest decides each setting. A safe value is chosen where nothing is known, and
it is said that nothing is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .circumstances import CardFacts, Machine
from .evidence import Belief, Knowledge, know
from .merging import report_ids, standing
from .model import CAPABILITIES, VERDICTS, Caution, Pin, Recommendation, Report, Row, Setting, Verdict
from .wording import install_command

SETTINGS = ("amp", "half", "dtype", "grad_scaler", "channels_last", "cudnn_benchmark", "tf32")
PINS = {"torch": "torch", "cuda": "tag", "torchvision": "torchvision", "torchaudio": "torchaudio"}
"""Setting -> field of Pin; `index_url` follows them under its own name."""

AUTOCAST = {"bfloat16": "amp_bf16", "float16": "amp_fp16"}
BLAME = "the card, not your data"
NEW_RUN = (
    "start a new run from pretrained weights; do not resume the poisoned checkpoint "
    "(resuming restores its old arguments)"
)
MEMORY_ADVICE = "float32 needs more memory than 16-bit training: if it does not fit, lower the batch size first"
DO_NOT_TRAIN = "do not train on this card with this build"


def decide(
    *,
    cards: Sequence[CardFacts],
    device: str,
    machine: Machine,
    reports: Sequence[Report] = (),
    rows: Iterable[Row] = (),
    pin: Pin | None = None,
    prefer: str = "speed",
    clients: Mapping[str, str] | None = None,
    date: str = "",
    warnings: Sequence[str] = (),
    repair: Sequence[str] = (),
) -> Recommendation:
    """The Recommendation for training on `cards` together; no cards: on the CPU.

    cards     what the tables say of each device with the pinned build
    device    cuda, rocm, mps, xpu or cpu
    reports   of this machine, newest first; a simulated one counts like any other, so pass it only to show its answer
    rows      of the matrix, in any order; duplicates count once
    pin       the build that will be used: rows near it weigh more
    prefer    "speed", or "memory": a correct but slower 16-bit dtype may win
    clients   name -> version of the clients found beside torch whose own file can be written
    repair    what keeps the installed torch from using the card, and the line that repairs it; empty: nothing
    """
    torch, tag = (pin.torch, pin.tag) if pin else _installed(machine)
    flat = tuple(part for report in reports for part in (report, *report.others))
    own = {report.id for report in flat}  # this machine speaks for itself already
    # A row counts if anybody else's report is in it; what was withdrawn is so by all rows, also by this machine's.
    listed = tuple(row for row in standing(rows) if not row.report_id or set(report_ids(row)) - own)
    known = [know(card, machine, flat, listed, torch, tag) for card in cards or (CardFacts(),)]
    beliefs = {name: _weakest(name, known) for name in CAPABILITIES}
    broken = _broken(beliefs)
    settings = {} if broken else _training(known, beliefs, device, prefer, pin)
    return Recommendation(
        settings={**settings, **_pinned(pin)},
        pin=pin,
        verdicts={name: Verdict(belief.word, belief.because) for name, belief in beliefs.items()},
        gpus=tuple(card.gpu for card in cards if card.gpu),
        device=device,
        os=machine.os,
        arch=machine.arch,
        python=machine.python,
        driver=machine.driver or "",
        evidence=_unique(text for each in known for text in each.evidence) or ("no evidence on this device",),
        cautions=_unique_cautions(known),
        next_steps=_next_steps(known, machine, pin, clients or {}),
        warnings=_unique([*_alarms(beliefs, known, broken), *warnings, *(pin.warnings if pin else ()), *_notes(known)]),
        clients=clients or {},
        date=date,
        trainable=not broken,
        repair=tuple(repair),
    )


def _installed(machine: Machine) -> tuple[str, str]:
    if machine.torch is None:
        return "", ""
    version, _, tag = machine.torch.version.partition("+")
    return version, tag


# --- the weakest card -------------------------------------------------------------------------------------------------


def _weakest(name: str, known: Sequence[Knowledge]) -> Belief:
    beliefs = [(each.beliefs[name], each.card.name) for each in known]
    worst, card = max(beliefs, key=lambda pair: VERDICTS.index(pair[0].word))
    gains = [belief.faster for belief, _ in beliefs]
    return worst._replace(
        faster=False if False in gains else None if None in gains else True,
        because=tuple(f"{card}: {text}" for text in worst.because) if len(known) > 1 else worst.because,
        measured_here=all(belief.measured_here for belief, _ in beliefs),
    )


def _broken(beliefs: Mapping[str, Belief]) -> str:
    """Why nothing can be trained here, or ""."""
    for name, what in (("fp32", "float32 itself is faulty"), ("memory", "its memory does not keep its bits")):
        if beliefs[name].verdict == "faulty":
            return f"{DO_NOT_TRAIN}: {what}: {_reason(beliefs[name])}"
    return ""


def _reason(belief: Belief) -> str:
    return belief.because[0] if belief.because else belief.word


# --- settings ---------------------------------------------------------------------------------------------------------


def _training(
    known: Sequence[Knowledge], beliefs: Mapping[str, Belief], device: str, prefer: str, pin: Pin | None
) -> dict[str, Setting]:
    unstable = any(each.unstable for each in known)
    dtype = None if unstable else _autocast_dtype(known, beliefs, device, prefer)
    amp = _amp(dtype, known, beliefs, device, unstable)
    values = {
        "amp": amp,
        "half": _half(beliefs["fp16"], beliefs["amp_fp16"], unstable),
        "dtype": Setting(dtype or "float32", "the dtype of autocast, see amp" if dtype else "amp is off"),
        "grad_scaler": _grad_scaler(dtype),
        "channels_last": _channels_last(known, dtype),
        "cudnn_benchmark": Setting(False, "its choice of kernels varies from run to run; it is never a default"),
        "tf32": _tf32(known, beliefs["tf32"], unstable),
    }
    note = _expectation(known, pin)
    lost = _lost(known, beliefs, device, dtype, values)
    change = _changes(known, beliefs, device, dtype, prefer)
    return {
        name: replace(
            values[name],
            because=values[name].because + note,
            considered=lost.get(name, ()),
            change=change.get(name, ()),
        )
        for name in SETTINGS
    }


def _autocast_dtype(known: Sequence[Knowledge], beliefs: Mapping[str, Belief], device: str, prefer: str) -> str | None:
    """The 16-bit dtype to autocast to, or None for float32."""
    order = _candidates(known, device)
    chosen = next((dtype for dtype in order if _pays(beliefs[AUTOCAST[dtype]])), None)
    if chosen is None and prefer == "memory":
        chosen = next((dtype for dtype in order if beliefs[AUTOCAST[dtype]].verdict == "ok"), None)
        emulated = beliefs["amp_bf16"]
        if chosen is None and emulated.verdict == "emulated" and emulated.measured_here:
            chosen = "bfloat16"
    return chosen


def _unmeasured(belief: Belief) -> str:
    return "" if belief.measured_here else " (expected, not measured on this machine)"


def _pays(belief: Belief) -> bool:
    return belief.verdict == "ok" and belief.faster is True


def _candidates(known: Sequence[Knowledge], device: str) -> tuple[str, ...]:
    if device == "cpu":
        return ("bfloat16",)
    defaults = [each.card.default for each in known]
    bfloat16_first = all(default is not None and default.default_amp == "bfloat16" for default in defaults)
    return ("bfloat16", "float16") if bfloat16_first else ("float16", "bfloat16")


def _amp(
    dtype: str | None, known: Sequence[Knowledge], beliefs: Mapping[str, Belief], device: str, unstable: bool
) -> Setting:
    if dtype:
        belief = beliefs[AUTOCAST[dtype]]
        gain = "correct and faster" if _pays(belief) else "correct and saves memory, though not faster"
        return Setting(True, f"{dtype} autocast is {gain}{_unmeasured(belief)}: {_reason(belief)}")
    if unstable:
        return Setting(False, f"unstable hardware: {_unstable_results(known)}; no dtype is the cure; {MEMORY_ADVICE}")
    names = [AUTOCAST[name] for name in _candidates(known, device)]
    faulty = any(beliefs[name].verdict == "faulty" for name in names)
    told = "; ".join(_told(name, beliefs[name]) for name in names)
    return Setting(False, f"{BLAME}: {told}; {MEMORY_ADVICE}" if faulty else f"{told}; {MEMORY_ADVICE}")


def _told(name: str, belief: Belief) -> str:
    words = {
        "ok": "correct, but nobody measured that it is faster",
        "slow": "correct, but not faster",
        "unknown": "unknown, so off (run hwcompat probe)",
    }
    return f"{name} is {words.get(belief.word, belief.word)}: {'; '.join(belief.because[:2]) or 'nothing known'}"


def _unstable_results(known: Sequence[Knowledge]) -> str:
    names = sorted({r.probe for k in known for report in k.reports for r in report.results if r.status == "flaky"})
    return f"{', '.join(names)} failed once and passed when repeated; check heat, power supply and overclocking"


def _half(belief: Belief, step: Belief, unstable: bool) -> Setting:
    """fp16 weights: `belief` speaks of matrix products, `step` (amp_fp16) of a whole network with its convolutions."""
    if unstable:
        return Setting(False, "unstable hardware")
    if _pays(belief) and step.faster is False:
        return Setting(False, f"fp16 is correct, but a network in it is not faster: {_reason(step)}")
    if _pays(belief):
        return Setting(True, f"fp16 weights are correct and not slower: {_reason(belief)}")
    blame = f"{BLAME}: " if belief.verdict == "faulty" else ""
    return Setting(False, blame + _told("fp16", belief))


def _grad_scaler(dtype: str | None) -> Setting:
    if dtype == "float16":
        return Setting(True, "float16 gradients underflow without loss scaling")
    return Setting(False, "bfloat16 has the range of float32" if dtype else "amp is off")


def _tf32(known: Sequence[Knowledge], belief: Belief, unstable: bool) -> Setting:
    good = belief.verdict == "ok" and belief.faster is not False
    return Setting(good and not unstable, f"tf32 is {belief.word}: {_reason(belief)}")


def _channels_last(known: Sequence[Knowledge], dtype: str | None) -> Setting:
    """On only where every card measured it faster, on this system and driver: on Windows it can cost two thirds.

    https://github.com/ultralytics/ultralytics/pull/26105
    """
    capability = AUTOCAST.get(dtype or "", "")
    measured = [
        each.complete.speed.get(f"{capability}_channels_last_speedup") if each.complete and each.same_driver else None
        for each in known
    ]
    if capability and all(m is not None and m.low > 1 and not m.note for m in measured):
        return Setting(True, "measured correct and faster here: " + ", ".join(f"{m.value:.2f}x" for m in measured if m))
    return Setting(False, "not measured to be faster here")


def _expectation(known: Sequence[Knowledge], pin: Pin | None) -> str:
    """Says so where the settings rest on another build than the one to be installed."""
    builds = {r.environment.torch.version for k in known for r in k.reports if r.environment.torch}
    if pin is None or pin.installed or not builds:
        return ""
    others = sorted(build for build in builds if build not in (f"{pin.torch}+{pin.tag}", pin.torch))
    return f" (expected on torch {pin.torch}+{pin.tag}: measured on {', '.join(others)})" if others else ""


# --- what lost, and what would lead to another answer -----------------------------------------------------------------


def _lost(
    known: Sequence[Knowledge],
    beliefs: Mapping[str, Belief],
    device: str,
    dtype: str | None,
    values: Mapping[str, Setting],
) -> dict[str, tuple[str, ...]]:
    """For each of the settings `values`, what it is not, with what is known of that beyond its own reason."""
    others = {name: beliefs[AUTOCAST[name]] for name in _candidates(known, device) if name != dtype}
    float32 = (_further("float32", beliefs["fp32"], ""),) if dtype else ()
    amp, half, tf32 = (values[name] for name in ("amp", "half", "tf32"))
    return {
        "amp": (*(_further(f"{name} autocast", belief, amp.because) for name, belief in others.items()), *float32),
        "half": () if half.value else (_further("fp16 weights", beliefs["fp16"], half.because),),
        "channels_last": tuple(_layout_measured(known)),
        "tf32": () if tf32.value else (_further("tf32", beliefs["tf32"], tf32.because),),
    }


def _further(what: str, belief: Belief, told: str) -> str:
    """The verdict, and those of its reasons that were not told yet."""
    return ": ".join(filter(None, (what, belief.word, "; ".join(text for text in belief.because if text not in told))))


def _layout_measured(known: Sequence[Knowledge]) -> Iterable[str]:
    for each in known:
        speed = each.complete.speed if each.complete else {}
        for key in ("fp32", "amp_fp16", "amp_bf16"):
            ratio = speed.get(f"{key}_channels_last_speedup")
            if ratio:
                noted = f" ({ratio.note})" if ratio.note else ""
                yield f"{each.card.name}, {key}: channels_last {ratio.low:.2f}x to {ratio.high:.2f}x{noted}"


def _changes(
    known: Sequence[Knowledge], beliefs: Mapping[str, Belief], device: str, dtype: str | None, prefer: str
) -> dict[str, tuple[str, ...]]:
    measured = all(each.complete and each.same_driver for each in known)
    probe = (
        () if measured else ("hwcompat probe: a whole run on this machine, with this driver, decides before all else",)
    )
    names = [AUTOCAST[name] for name in _candidates(known, device)]
    slow = dtype is None and prefer == "speed" and any(beliefs[name].verdict == "ok" for name in names)
    memory = ("hwcompat recommend --prefer memory: 16 bits where they are correct, even if slower",) if slow else ()
    build = (_OTHER_BUILD,) if any(beliefs[name].verdict == "faulty" for name in names) else ()
    return {
        "amp": (*probe, *memory, *build),
        "half": probe,
        "channels_last": probe or ("set it yourself and time your own net: what pays there may differ",),
        "cudnn_benchmark": ("set it yourself where input sizes never change and runs need not repeat bit by bit",),
        "tf32": () if beliefs["tf32"].verdict == "unsupported" else probe,
    }


_OTHER_BUILD = "another torch build or driver may not have the fault: install it, then hwcompat probe; a pass clears it"


def _pinned(pin: Pin | None) -> dict[str, Setting]:
    if pin is None:
        return {name: Setting(None, "no torch build was chosen") for name in (*PINS, "index_url")}
    because = "; ".join(pin.because) or "the build that serves this machine"
    values: dict[str, Any] = {name: getattr(pin, attribute) for name, attribute in PINS.items()}
    missing = {name: f"no {name} release fits torch {pin.torch}" for name, value in values.items() if value is None}
    named = {name: Setting(value, missing.get(name, because)) for name, value in values.items()}
    named["torch"] = replace(named["torch"], considered=pin.rejected, change=_OTHER_PIN[pin.installed])
    return {**named, "index_url": Setting(pin.index_url, f"the index of {pin.tag} builds")}


_OTHER_PIN = {
    True: ("--newest: the newest build that serves, instead of the installed one", "--torch VERSION: a wish"),
    False: ("--torch VERSION: a wish, honoured or refused with the reason", "a newer driver or another Python"),
}
"""By whether the pin is the build that is there already."""


# --- what is told -----------------------------------------------------------------------------------------------------


def _alarms(beliefs: Mapping[str, Belief], known: Sequence[Knowledge], broken: str) -> list[str]:
    if broken:
        return [broken, f"{BLAME}: {NEW_RUN}"]
    if any(each.unstable for each in known):
        return [f"unstable hardware: {_unstable_results(known)}; no dtype is the cure"]
    faulty = [name for name in CAPABILITIES if beliefs[name].verdict == "faulty"]
    if not faulty:
        return []
    return [
        f"{', '.join(faulty)} faulty: {BLAME}; {_reason(beliefs[faulty[0]])}",
        f"if a run already went wrong: {NEW_RUN}",
    ]


def _notes(known: Sequence[Knowledge]) -> list[str]:
    simulated = {report.simulated for each in known for report in each.reports if report.simulated}
    fake = [f"this answers for a simulated fault ({name}), not for this machine" for name in sorted(simulated)]
    return [*fake, *(note for each in known for note in each.notes)]


def _next_steps(
    known: Sequence[Knowledge], machine: Machine, pin: Pin | None, clients: Mapping[str, str]
) -> tuple[str, ...]:
    """Commands, one a line, that work in PowerShell as well as in a POSIX shell."""
    present = machine.torch.version if machine.torch else None
    install = [install_command(pin, over=present)] if pin and not pin.installed else []
    settled = all(each.complete and each.same_driver and not each.unstable for each in known)
    probe = [] if settled and not install else ["hwcompat probe"]
    return (*install, *probe, *(f"hwcompat recommend --for {name} -o cfg.yaml" for name in sorted(clients)))


def _unique(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _unique_cautions(known: Sequence[Knowledge]) -> tuple[Caution, ...]:
    return tuple(dict.fromkeys(caution for each in known for caution in each.cautions))
