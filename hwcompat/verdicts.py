"""Turns the results of one device into a verdict a capability, and cautions for what is confined to one operation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from .model import CAPABILITIES, VERDICTS, Caution, Measurement, Result, Verdict

CAPABILITY_OF = {
    ("dtype", "float32"): "fp32",
    ("dtype", "float16"): "fp16",
    ("dtype", "bfloat16"): "bf16",
    ("amp", "float16"): "amp_fp16",
    ("amp", "bfloat16"): "amp_bf16",
}
"""(FEEDS of the probe, dtype of the result) -> the capability it speaks about."""

WHOLE_FEEDS = ("tf32", "fp8", "memory")
"""FEEDS that name their capability whatever the dtype. Any of their probes decides: memory, for one, has no core
operation, and a bit that does not keep its value is never confined to one operation."""

KERNELS_OF = {"amp_fp16": ("fp32", "fp16"), "amp_bf16": ("fp32", "bf16")}
"""Autocast runs these kernels, so what is wrong with them is wrong with it."""

CORE_EFFECT = {
    "fail": ("faulty", "gives wrong results"),
    "crash": ("faulty", "crashes"),
    "flaky": ("unknown", "unstable: failed once and passed when repeated"),
    "hang": ("unknown", "did not finish, so nothing is known of its values"),
    "oom": ("unknown", "ran out of memory, so nothing is known of its values"),
    "error": ("unknown", "was not judged: the check itself broke"),
    "unsupported": ("unknown", "is not supported here"),
}
"""Status of a core probe on default kernels -> (the best verdict still possible, what to say). Others leave it `ok`."""

UNSTABLE_ADVICE = (
    "the same calculation gave two answers: suspect heat, power supply, overclocking or undervolting; "
    "no other dtype is a cure, repeat after checking them"
)
UNMEASURED = ("not measured",)
NO_CORE = ("no core operation was measured",)
NOISE = ("noisy", "busy", "throttled")
"""Words in a measurement's note that make its speed unknown."""

ALGORITHM_WAYS = {
    "wrong with heuristic": ("cuDNN's default choice", "leave torch.backends.cudnn.benchmark = False"),
    "wrong with benchmark": ("cudnn.benchmark = True", "set torch.backends.cudnn.benchmark = True"),
    "wrong with cudnn off": ("cuDNN switched off", "set torch.backends.cudnn.enabled = False"),
}
"""Keys of the convolution algorithm probe's data (count of wrong geometries) -> (the way's name, how to take it)."""


class ProbeFacts(Protocol):
    """The attributes of a catalogue probe that judging needs."""

    @property
    def feeds(self) -> str: ...
    @property
    def core(self) -> bool: ...
    @property
    def workaround(self) -> str: ...


class Ratio(NamedTuple):
    """Speed over fp32 with its interval; `clean` is False if the card was throttled, busy or noisy."""

    value: float
    low: float
    high: float
    clean: bool

    @property
    def slower(self) -> bool:
        return self.clean and self.high < 1

    @property
    def faster(self) -> bool:
        return self.clean and self.low > 1

    def __str__(self) -> str:
        noise = "" if self.clean else ", measured on a noisy, busy or throttled device"
        return f"{self.value:.2f}x the speed of fp32 ({self.low:.2f} to {self.high:.2f}{noise})"


def judge(
    results: Sequence[Result],
    speed: Mapping[str, Measurement],
    *,
    compute_capability: str | None,
    bf16_native: bool | None,
    probes: Mapping[str, ProbeFacts],
) -> tuple[Mapping[str, Verdict], tuple[Caution, ...]]:
    """A verdict for every capability, and the cautions.

    compute_capability  "7.5", "gfx1100" or None
    bf16_native         has the device bf16 units? None where nobody says, as for every CPU
    probes              probe id -> its catalogue entry; results of other probes are ignored
    """
    groups = _by_capability(results, probes)
    correct = {name: _correctness(name, groups.get(name, ()), probes) for name in CAPABILITIES}
    coupled = {name: _with_kernels(name, correct) for name in CAPABILITIES}
    emulated = is_emulated(compute_capability, bf16_native)
    verdicts = {name: _graded(name, verdict, speed, emulated) for name, verdict in coupled.items()}
    return verdicts, _cautions(results, probes)


def capability_of(feeds: str, dtype: str) -> str | None:
    """The capability that a probe with these FEEDS speaks about in this dtype; None if it speaks about none."""
    if feeds in WHOLE_FEEDS:
        return feeds
    if feeds == "dtype" and dtype.startswith("float8"):
        return "fp8"
    return CAPABILITY_OF.get((feeds, dtype))


def is_emulated(compute_capability: str | None, bf16_native: bool | None) -> bool:
    """True where bf16 runs without hardware for it: by the tables, or on CUDA below 8.0 whatever torch answers.

    torch.cuda.is_bf16_supported() counts emulation as support: https://github.com/pytorch/pytorch/pull/148322
    """
    return bf16_native is False or _below_ampere(compute_capability)


def _below_ampere(compute_capability: str | None) -> bool:
    major = (compute_capability or "").split(".")[0]
    return major.isdigit() and int(major) < 8


def amp_ratio(capability: str, speed: Mapping[str, Measurement]) -> Ratio | None:
    """The measured speed of `capability` over fp32, or None where it was not measured."""
    direct = speed.get(f"{capability}_speedup")
    if direct is not None:
        return Ratio(direct.value, direct.low, direct.high, is_clean(direct))
    ours, fp32 = speed.get(f"{capability}_tflops"), speed.get("fp32_tflops")
    if capability == "fp32" or ours is None or fp32 is None or min(fp32.low, fp32.value) <= 0:
        return None
    clean = is_clean(ours) and is_clean(fp32)
    return Ratio(ours.value / fp32.value, ours.low / fp32.high, ours.high / fp32.low, clean)


def is_clean(measurement: Measurement) -> bool:
    """False if the device was throttled, busy or noisy meanwhile."""
    return not any(word in measurement.note.lower() for word in NOISE)


# --- correctness ------------------------------------------------------------------------------------------------------


def _by_capability(results: Sequence[Result], probes: Mapping[str, ProbeFacts]) -> dict[str, list[Result]]:
    groups: dict[str, list[Result]] = {}
    for result in results:
        probe = probes.get(result.probe)
        name = capability_of(probe.feeds, result.dtype) if probe else None
        if name:
            groups.setdefault(name, []).append(result)
    return groups


def _correctness(name: str, results: Sequence[Result], probes: Mapping[str, ProbeFacts]) -> Verdict:
    judged = [r for r in results if r.status != "skipped"]
    if not judged:
        return Verdict("unknown", UNMEASURED)
    deciding = _deciding(name, judged, probes)
    core = [r for r in deciding if probes[r.probe].core] or deciding  # casts to fp8 alone are no support for fp8
    if core and all(r.status == "unsupported" for r in core):
        return Verdict("unsupported", (_said(core[0], "is not supported here"),))
    effects = [CORE_EFFECT[r.status] for r in deciding if r.status in CORE_EFFECT]
    unstable = [_said(r, CORE_EFFECT["flaky"][1]) for r in judged if r.status == "flaky" and r not in deciding]
    if effects or unstable:
        value = _worst([value for value, _ in effects] + ["unknown"] * bool(unstable))
        return Verdict(value, (*_troubles(deciding, value), *unstable))
    return _passed(deciding)


def _deciding(name: str, results: Sequence[Result], probes: Mapping[str, ProbeFacts]) -> list[Result]:
    return [r for r in results if name in WHOLE_FEEDS or probes[r.probe].core]


def _troubles(results: Iterable[Result], value: str) -> tuple[str, ...]:
    """A sentence for each result that led to `value`, the worst kind first."""
    effects = [(r, *CORE_EFFECT[r.status]) for r in results if r.status in CORE_EFFECT]
    ordered = sorted(effects, key=lambda e: (-VERDICTS.index(e[1]), e[0].probe, e[0].case))
    return tuple(_said(result, text) for result, effect, text in ordered if effect == value or value != "faulty")


def _passed(deciding: Sequence[Result]) -> Verdict:
    passed = [r for r in deciding if r.status in ("pass", "feature")]
    if not passed:
        return Verdict("unknown", NO_CORE)
    names = ", ".join(sorted({r.probe for r in passed}))
    shrunk = sorted({r.probe for r in deciding if r.skipped_cases})
    left_out = (f"not fully covered here: {', '.join(shrunk)}",) if shrunk else ()
    return Verdict("ok", (f"{len(passed)} core checks passed: {names}", *left_out))


def _said(result: Result, text: str) -> str:
    where = f" at {result.case}" if result.case else ""
    numbers = f": {result.detail}" if result.detail else ""
    return f"{result.probe} in {result.dtype} {text}{where}{numbers}"


def _worst(values: Sequence[str]) -> str:
    return max(values, key=VERDICTS.index)


def _with_kernels(name: str, correct: Mapping[str, Verdict]) -> Verdict:
    """A faulty, unsupported or unstable kernel drags the autocast that runs it down to its own verdict."""
    own = correct[name]
    for kernel in KERNELS_OF.get(name, ()):
        below = correct[kernel]
        trouble = below.value != "ok" and below.because not in (UNMEASURED, NO_CORE)
        if trouble and VERDICTS.index(below.value) >= VERDICTS.index(own.value):
            own = Verdict(below.value, tuple(f"autocast runs {kernel} kernels: {text}" for text in below.because))
    return own


# --- speed ------------------------------------------------------------------------------------------------------------


def _graded(name: str, verdict: Verdict, speed: Mapping[str, Measurement], emulated: bool) -> Verdict:
    """`ok` becomes `emulated` or `slow` where that was found; every `because` gets the measured speed."""
    if verdict.value != "ok":
        return verdict
    ratio = amp_ratio(name, speed)
    because = (*verdict.because, *_speed_sentence(ratio))
    if emulated and name in ("bf16", "amp_bf16"):
        return Verdict("emulated", (*because, "this card has no bf16 arithmetic: it is emulated"))
    return Verdict("slow" if ratio and ratio.slower else "ok", because)


def _speed_sentence(ratio: Ratio | None) -> tuple[str, ...]:
    if ratio is None:
        return ()
    decided = ratio.slower or ratio.faster
    return (str(ratio) if decided else f"speed unknown: {ratio}",)


# --- cautions ---------------------------------------------------------------------------------------------------------


def _cautions(results: Sequence[Result], probes: Mapping[str, ProbeFacts]) -> tuple[Caution, ...]:
    found = [_caution(result, probes[result.probe]) for result in results if result.probe in probes]
    return tuple(caution for caution in found if caution)


def _caution(result: Result, probe: ProbeFacts) -> Caution | None:
    if set(result.data) & set(ALGORITHM_WAYS):
        return _algorithms(result)
    if result.status == "flaky":
        return Caution(f"{result.probe} ({result.dtype})", result.detail, UNSTABLE_ADVICE, result.probe)
    if probe.core or probe.feeds in WHOLE_FEEDS or result.status not in CORE_EFFECT:
        return None
    return Caution(
        f"{result.probe} ({result.dtype})",
        _said(result, CORE_EFFECT[result.status][1]),
        probe.workaround or _general_advice(result.dtype),
        result.probe,
    )


def _general_advice(dtype: str) -> str:
    if dtype in ("float16", "bfloat16") or dtype.startswith("float8"):
        return f"avoid this operation in {dtype}: run it in float32"
    return f"avoid this operation in {dtype} with this build: run it on the CPU, or try another torch build"


def _algorithms(result: Result) -> Caution | None:
    """Names the way of choosing a convolution algorithm that is right, where another one is wrong."""
    wrong = [way for way in ALGORITHM_WAYS if result.data.get(way)]
    right = [way for way in ALGORITHM_WAYS if result.data.get(way) == 0]
    if not wrong:
        return None
    detail = f"wrong with {' and with '.join(ALGORITHM_WAYS[way][0] for way in wrong)}"
    advice = ALGORITHM_WAYS[right[0]][1] if right else f"none of the ways is right: do not use {result.dtype}"
    return Caution(f"convolution algorithms ({result.dtype})", _with_numbers(detail, result), advice, result.probe)


def _with_numbers(detail: str, result: Result) -> str:
    return f"{detail}; {result.detail}" if result.detail else detail
