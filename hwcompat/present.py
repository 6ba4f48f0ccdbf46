"""What a person reads: a Report, an Environment or a Recommendation as a few plain ASCII lines. Pure text, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .model import CAPABILITIES, Environment, Gpu, Measurement, Recommendation, Report, Result
from .wording import ascii_line, gpu_words

_PRECISIONS = ("fp32", "tf32", "fp16", "bf16", "fp8", "amp_fp16", "amp_bf16", "memory")
_SPEED = {
    "fp32": ("fp32_tflops",),
    "tf32": ("tf32_tflops",),
    "fp16": ("fp16_tflops",),
    "bf16": ("bf16_tflops",),
    "amp_fp16": ("amp_fp16_speedup",),
    "amp_bf16": ("amp_bf16_speedup",),
    "memory": ("bandwidth_gbs",),
}
_WIDTH = 160
MOST_LINES = 12


def probe_lines(report: Report, rec: Recommendation | None, commands: Sequence[str]) -> list[str]:
    """At most a dozen lines a device: the verdict, what to do, one line a precision, cautions, the next command."""
    if report.interrupted:
        return [headline(report), _unfinished(report)]
    lines = [headline(report)]
    lines += [action_line(report, rec)] if rec else []
    lines += [_fitted(line) for line in precision_lines(report)]
    lines += [_fitted(line) for line in telemetry_lines(report)]
    end = [_closing(report), *(f"next: {command}" for command in commands[:1])]
    lines += _caution_lines(report, MOST_LINES - len(lines) - len(end)) + end
    return [ascii_line(line) for line in lines]


def headline(report: Report) -> str:
    """Card, driver, torch, verdict."""
    return f"{subject(report)}: {overall(report)}"


def subject(report: Report) -> str:
    """The device under test with what it ran on."""
    env = report.environment
    parts = [gpu_words(report.gpu) if report.gpu else (env.cpu or "CPU")]
    if report.gpu and env.driver:
        parts.append(f"driver {env.driver}")
    if env.torch:
        parts.append(f"torch {env.torch.version}")
    label = f"[simulated {report.simulated}] " if report.simulated else ""
    return label + ", ".join(parts)


def overall(report: Report) -> str:
    """The verdict in one phrase."""
    verdicts = {name: verdict.value for name, verdict in report.capabilities.items()}
    faulty = [name for name in CAPABILITIES if verdicts.get(name) == "faulty"]
    if report.interrupted:
        return "INTERRUPTED, no verdict"
    if faulty:
        return f"FAULTY in {', '.join(faulty)}"
    if report.failures:
        return f"{len(report.failures)} of {len(report.results)} checks went wrong"
    if not report.ok:
        return "nothing was measured"
    slow = [name for name in ("fp16", "amp_fp16", "bf16", "amp_bf16") if verdicts.get(name) == "slow"]
    return f"correct, but slow in {', '.join(slow)}" if slow else "no fault found"


def action_line(report: Report, rec: Recommendation) -> str:
    """What to set, and whose fault it is."""
    if not rec.trainable:
        return "=> do not train on this card with this build: fp32 itself is faulty"
    words = [
        f"{name}: {_yaml_word(rec.settings[name].value)}" for name in ("amp", "half", "dtype") if name in rec.settings
    ]
    tail = ""
    if "faulty" in (v.value for v in report.capabilities.values()):
        tail = (
            "  (the card, not your data; start a new run from pretrained weights,"
            " do not resume the poisoned checkpoint: resume restores its old arguments)"
        )
    return "=> " + "  ".join(words) + tail


def _yaml_word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def precision_lines(report: Report) -> list[str]:
    """One line a precision that was measured: correct? faster? and the number or operation behind it."""
    lines = []
    for name in _PRECISIONS:
        verdict = report.capabilities.get(name)
        if verdict is None or verdict.because[:1] == ("not measured",):
            continue  # told once, in the closing line
        speed = "; ".join(text for key in _SPEED.get(name, ()) if (text := speed_words(key, report.speed)))
        because = verdict.because[0] if verdict.because else ""
        shown = because if verdict.value != "ok" else ""
        lines.append(f"{name:9}{verdict.value:12}" + "; ".join(part for part in (speed, shown) if part))
    return [line.rstrip() for line in lines]


def telemetry_lines(report: Report) -> list[str]:
    """One line: how hot the card got, its clock and what held it back; none where nobody answered."""
    words = {"temperature": "{0.low:g} to {0.high:g} {0.unit}", "sm_clock": "SM clock {0.low:g} to {0.high:g} {0.unit}"}
    words["power"] = "up to {0.high:.0f} {0.unit}"
    parts = [form.format(report.telemetry[name]) for name, form in words.items() if name in report.telemetry]
    held = report.telemetry["sm_clock"].note if "sm_clock" in report.telemetry else ""
    parts += [f"held back by {held} of samples"] if held else []
    return ["during the test: " + ", ".join(parts)] if parts else []


def speed_words(key: str, speed: Mapping[str, Measurement]) -> str:
    """A measurement with its spread, in words."""
    found = speed.get(key)
    if found is None:
        return ""
    noisy = f" ({found.note})" if found.note else ""
    if key.endswith("_speedup"):
        return f"training step {found.value:.2f}x the speed of fp32 ({found.low:.2f} to {found.high:.2f}){noisy}"
    return f"{found.value:.3g} {found.unit}{noisy}"


def _caution_lines(report: Report, room: int) -> list[str]:
    """The cautions in at most `room` lines; if they are more, the last one counts the rest."""
    told = [
        _fitted(f"caution: {c.operation}: {c.detail}" + (f"; {c.workaround}" if c.workaround else ""))
        for c in report.cautions
    ]
    if len(told) <= room:
        return told
    shown = max(room - 1, 0)
    return [*told[:shown], f"caution: {len(told) - shown} more in the report (--json)"]


def _unfinished(report: Report) -> str:
    bad = f"; first: {result_words(report.failures[0])}" if report.failures else ""
    return f"{len(report.results)} probes had finished{bad}"


def _closing(report: Report) -> str:
    checks = sum(result.cases for result in report.results)
    untested = [
        n for n in CAPABILITIES if report.capabilities.get(n) is None or report.capabilities[n].value == "unknown"
    ]
    missing = f"; not tested: {', '.join(untested)}" if untested else ""
    if report.ok:
        return f"no fault found by {checks} checks on this build{missing}"
    if not report.failures:
        reasons = [r.detail or (r.skipped_cases[0] if r.skipped_cases else "") for r in report.results]
        return "nothing was measured" + next((f": {reason}" for reason in reasons if reason), "")
    worst = report.failures[0] if report.failures else None
    return f"{checks} checks ran{missing}" + (f"; first: {result_words(worst)}" if worst else "")


def result_words(result: Result) -> str:
    """conv.forward float16 fail at 3x3 ...: numbers."""
    place = f" at {result.case}" if result.case else ""
    return _fitted(f"{result.probe} {result.dtype} {result.status}{place}: {result.detail}")


def _fitted(line: str) -> str:
    return line if len(line) <= _WIDTH else line[: _WIDTH - 3] + "..."


def env_lines(env: Environment) -> list[str]:
    """The Environment, one fact a line; what nobody could read is left out and told in the notes."""
    memory = f", {env.memory_bytes / 2**30:.1f} GiB" if env.memory_bytes else ""
    system = f"{env.os}{' (WSL)' if env.wsl else ''} {env.os_version or ''} on {env.arch}".replace("  ", " ")
    lines = [f"system   {system}", f"cpu      {env.cpu or 'unknown'}, {env.cpu_count or '?'} threads{memory}"]
    lines.append(f"python   {env.python or 'unknown'}")
    lines.append(f"torch    {_torch_words(env)}")
    if env.driver:
        lines.append(f"driver   {env.driver}" + (f", announces CUDA {env.driver_cuda}" if env.driver_cuda else ""))
    lines += [f"gpu {n}    {_gpu_line(gpu)}" for n, gpu in enumerate(env.gpus)] or ["gpu      none"]
    lines += [f"client   {name} {version}" for name, version in (env.torch.clients if env.torch else {}).items()]
    lines += [f"note     {note}" for note in env.notes]
    return [ascii_line(line) for line in lines]


def _torch_words(env: Environment) -> str:
    if env.torch is None:
        return "none"
    torch = env.torch
    parts = [torch.version, f"{torch.build} build"]
    parts += [f"CUDA {torch.cuda}"] if torch.cuda else []
    parts += [f"cuDNN {torch.cudnn}"] if torch.cudnn else []
    parts += [" ".join(torch.arch_list)] if torch.arch_list else []
    return ", ".join(parts)


def _gpu_line(gpu: Gpu) -> str:
    parts = [gpu_words(gpu), f"{gpu.vram_bytes / 2**30:.1f} GiB" if gpu.vram_bytes else ""]
    parts.append(f"cuda:{gpu.torch_index}" if gpu.torch_index is not None else "not seen by torch")
    parts.append(f"{gpu.temperature_c} C" if gpu.temperature_c is not None else "")
    if gpu.sm_clock_mhz is not None:
        parts.append(f"{gpu.sm_clock_mhz} of {gpu.sm_clock_max_mhz or '?'} MHz")
    parts.append(f"{gpu.ecc_uncorrected} uncorrected ECC errors" if gpu.ecc_uncorrected else "")
    parts.append(f"throttled: {', '.join(gpu.throttle_reasons)}" if gpu.throttle_reasons else "")
    parts.append(f"{gpu.other_processes} other processes" if gpu.other_processes else "")
    return ", ".join(part for part in parts if part)
