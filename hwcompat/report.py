"""Report <-> JSON, redaction, and the report's row in the matrix.

`report.schema.json` is the contract: what it does not name is private and never written (paths of interpreters, bus
addresses), its lengths bound what is written and read, its patterns are checked on every file. A text marked `x-prose`
there may quote anything, so the names of this machine and user are taken out of it as well.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

from . import digests, matrix, redaction, schema, verdicts
from .errors import DataError, UsageError
from .model import (
    BAD_STATUSES,
    CAPABILITIES,
    Caution,
    Environment,
    Gpu,
    Measurement,
    Report,
    Result,
    Row,
    TorchFacts,
    Verdict,
)

SCHEMA = 1
MAX_BYTES = 4 * 2**20
"""The longest text `from_json` looks at: ten times a report of 1000 results with ten named cases each (0.4 MB)."""
SCHEMA_FILE = Path(__file__).with_name("report.schema.json")

_DROP = object()
_AGAIN = "probe again to get a readable report"
_Schema = Mapping[str, Any]


def new_id() -> str:
    """16 random hexadecimal digits; nothing of the machine is in them."""
    return secrets.token_hex(8)


@lru_cache(maxsize=1)
def json_schema() -> _Schema:
    """The published JSON Schema (draft 2020-12) of a report file."""
    found: _Schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    return found


def to_json(report: Report) -> str:
    """The report as JSON text, redacted, ending in a line feed. `from_json` gives `redact(report)` back."""
    document = {"schema": SCHEMA, **_public(report)}
    return json.dumps(document, ensure_ascii=True, allow_nan=False, indent=1) + "\n"


def environment_json(environment: Environment) -> str:
    """What is known of a machine as JSON text, redacted like the `environment` of a report."""
    document = _conform(environment, {"$ref": "#/$defs/environment"}, redaction.machine_names())
    return json.dumps(document, ensure_ascii=True, allow_nan=False, indent=1) + "\n"


def from_json(text: str, part: Callable[[Any], Any] | None = None) -> Report:
    """The report in `text`, whoever wrote it. DataError unless it is valid by the schema, finite and at most 4 MiB.

    part: gives what the reader needs of the parsed document; what it leaves out is neither checked nor in the report.
    """
    try:
        document = part(_parsed(text)) if part else _parsed(text)
        if reason := _wrong_version(document) or _violation(document):
            raise ValueError(reason)
        return _report_of(_without_anything_personal(document))
    except RecursionError:
        raise DataError("not a hwcompat report: nested too deeply", _AGAIN) from None
    except ValueError as error:
        raise DataError(f"not a hwcompat report: {error}", _AGAIN) from None


def read_report(path: Path) -> Report:
    """`from_json` of a file; DataError names the file."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES} bytes")
        return from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}", "name a report file that can be read") from error
    except ValueError as error:
        raise DataError(f"{path}: not a hwcompat report: {error}", _AGAIN) from None
    except DataError as error:
        raise DataError(f"{path}: {error.message}", error.hint) from None


def redact(report: Report) -> Report:
    """The report as it may leave the machine: private facts gone, texts scrubbed and bounded, numbers finite.

    Redacting twice changes nothing more. A measurement that is not finite is left out.
    """
    return _report_of(_public(report))


def _without_anything_personal(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """A valid document as `redact` would have written it, whoever did. Of digests, half of a lean report's texts, the
    schema fixes names and values to the letter: there is nothing to take out."""
    return {**_conform({**document, "digests": {}}, json_schema(), ()), "digests": document.get("digests", {})}


# --- what may be written ----------------------------------------------------------------------------------------------


def _public(report: Report) -> dict[str, Any]:
    document: dict[str, Any] = _conform(report, json_schema(), redaction.machine_names())
    return document


def _conform(value: Any, form: _Schema, names: Sequence[str]) -> Any:
    """`value` as plain JSON values, with what the schema does not allow for taken out, cut or dropped."""
    if "$ref" in form or "anyOf" in form:
        form = _resolved(form, value)
    if type(value) is str:  # most values are; the questions below take longer than the answer
        return _conform_text(value, form, names)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _conform_number(value, form)
    if dataclasses.is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return _conform_mapping(value, form, names)
    if isinstance(value, list | tuple):
        kept = (_conform(item, form.get("items", {}), names) for item in value[: form.get("maxItems")])
        return [item for item in kept if item is not _DROP]
    return _conform_text(str(value), form, names)


def _resolved(form: _Schema, value: Any) -> _Schema:
    while "$ref" in form or "anyOf" in form:
        if "$ref" in form:
            form = schema.referred(form, json_schema())
        else:
            form = next(one for one in form["anyOf"] if (one == {"type": "null"}) == (value is None))
    return form


def _conform_mapping(value: Mapping[str, Any], form: _Schema, names: Sequence[str]) -> Any:
    known, rest = form.get("properties", {}), form.get("additionalProperties", False)
    naming = {"x-prose": True, **form.get("propertyNames", {})}
    kept = {}
    for key, item in islice(value.items(), form.get("maxProperties")):
        if (allowed := known.get(key, rest)) is not False:
            name = key if key in known else _conform_text(str(key), naming, names)
            if (conformed := _conform(item, allowed, names)) is not _DROP:
                kept[name] = conformed
    complete = all(key in kept for key in form.get("required", ()) if key != "schema")
    return kept if complete else _DROP


def _conform_number(value: int | float, form: _Schema) -> Any:
    if isinstance(value, int) and abs(value) < 2**64:
        return int(value)  # an IntEnum or a numpy integer too
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        return "nonfinite" if "string" in form.get("type", ()) else _DROP
    return int(number) if "integer" in form.get("type", ()) and number.is_integer() else number


def _conform_text(value: str, form: _Schema, names: Sequence[str]) -> str:
    """Scrubbed and cut to its length, unless it has a form that cannot hold anything personal."""
    if value in form.get("enum", ()) or ("pattern" in form and schema.matches(form["pattern"], value)):
        return value
    limit = form.get("maxLength", 200)
    value = value[: 2 * limit]
    for _ in range(8):  # cutting can leave a new form at the end, and that is taken out again
        before, value = value, redaction.scrub(value, names if form.get("x-prose") else ())
        value = value if len(value) <= limit else f"{value[: limit - 4].rstrip()} ..."
        if value == before:
            break
    return value


# --- reading ----------------------------------------------------------------------------------------------------------

_PARTS: Mapping[tuple[type, str], type] = {
    (Report, "environment"): Environment,
    (Report, "gpu"): Gpu,
    (Report, "results"): Result,
    (Report, "capabilities"): Verdict,
    (Report, "cautions"): Caution,
    (Report, "speed"): Measurement,
    (Report, "telemetry"): Measurement,
    (Report, "others"): Report,
    (Environment, "gpus"): Gpu,
    (Environment, "torch"): TorchFacts,
}
_BY_NAME = ("capabilities", "speed", "telemetry")


def _report_of(document: Mapping[str, Any]) -> Report:
    report: Report = _built(Report, document)
    return report


def _built(kind: type, document: Mapping[str, Any]) -> Any:
    return kind(**{name: _part(kind, name, value) for name, value in document.items() if name != "schema"})


def _part(kind: type, name: str, value: Any) -> Any:
    part = _PARTS.get((kind, name))
    if part is None or value is None:
        return _frozen(value)
    if name in _BY_NAME:
        return MappingProxyType({key: _built(part, item) for key, item in value.items()})
    return tuple(_built(part, item) for item in value) if isinstance(value, list) else _built(part, value)


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return MappingProxyType({key: _frozen(item) for key, item in value.items()})
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _parsed(text: str) -> Any:
    if len(text) > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES} bytes")
    return json.loads(
        text.removeprefix("\ufeff"),
        parse_constant=_refuse_constant,
        parse_float=_finite,
        parse_int=_short_integer,
        object_pairs_hook=_without_twins,
    )


@lru_cache(maxsize=1)
def _accepts() -> Callable[[Any], bool]:
    return schema.compiled(json_schema(), json_schema())


def _violation(document: Any) -> str | None:
    return None if _accepts()(document) else schema.violation(document, json_schema(), json_schema())


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is not a number in JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"the number {digits[:40]} is too large")
    return number


def _short_integer(digits: str) -> int:
    if len(digits) > 21:  # a sign and the 20 digits of 2**64: longer ones only cost time
        raise ValueError(f"the number {digits[:40]} is too large")
    return int(digits)


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):  # two readers could take different ones
        raise ValueError("a name stands twice in one object")
    return found


def _wrong_version(document: Any) -> str | None:
    version = document.get("schema") if isinstance(document, dict) else None
    if type(version) is int and version > SCHEMA:
        return f"it has schema {version}, this hwcompat reads {SCHEMA}: upgrade hwcompat"
    return None


# --- the report's rows ------------------------------------------------------------------------------------------------


def rows(report: Report, contributor: str = "", note: str = "") -> tuple[Row, ...]:
    """One row a device: the report's own, then those of its `others`. UsageError as `to_row`."""
    mine = to_row(report, contributor, note)
    return mine, *(row for other in report.others for row in rows(other, contributor, note))


def to_row(report: Report, contributor: str = "", note: str = "") -> Row:
    """The line of the report's first device in the matrix, redacted, every cell safe text, unknown cells empty.

    UsageError for a simulated or interrupted report, and for one on a card of which nothing is known: none of them
    is evidence about a card.
    """
    _refuse_row(report)
    public = redact(report)
    cells = {
        **_machine_cells(public),
        **(_cpu_cells(public) if public.device == "cpu" else _gpu_cells(public)),
        **{name: verdict.value for name, verdict in public.capabilities.items() if name in CAPABILITIES},
        **{name: _speed_cell(name, public.speed.get(name)) for name in matrix.SPEEDS},
        "failures": _failures(public.results),
        "exact_digest": digests.combined(public.digests, "exact"),
        "fingerprint_digest": digests.combined(public.digests, "fingerprint"),
        "contributor": contributor,
        "note": redaction.scrub(note, redaction.machine_names()),
    }
    return matrix.clean_row(Row(**{name: value or "" for name, value in cells.items()}))


def _refuse_row(report: Report) -> None:
    if report.simulated:
        raise UsageError("a simulated report is never a row of the matrix", "probe without --simulate")
    if report.interrupted:
        raise UsageError("an interrupted report is not a row of the matrix", "let hwcompat probe run to its end")
    if report.device != "cpu" and report.gpu is None:
        raise UsageError(f"nothing is known of the card behind {report.device}", "see hwcompat env for the reason")


def _machine_cells(report: Report) -> dict[str, str | None]:
    environment = report.environment
    torch = environment.torch
    return {
        "os": environment.row_os,
        "arch": environment.arch,
        "python": environment.python,
        "torch": torch.version if torch else None,
        "cuda": cuda_tag(torch) if torch else None,
        "source": "measured",
        "date": report.date[:10],
        "hwcompat": report.hwcompat,
        "suite": report.suite,
        "level": "" if report.partial else report.level,  # without a level a row vouches for nothing
        "report_id": report.id,
    }


def _cpu_cells(report: Report) -> dict[str, str | None]:
    return {"gpu": report.environment.cpu or "CPU", "chip": "cpu"}


def _gpu_cells(report: Report) -> dict[str, str | None]:
    gpu, torch = report.gpu or Gpu(""), report.environment.torch
    slice_ = f" MIG {gpu.mig_profile}" if gpu.mig_profile and gpu.mig_profile not in gpu.name else ""
    return {
        "gpu": gpu.name + slice_,  # a slice has other speeds than the whole card
        "pci_id": gpu.pci_id,
        "pci_subsystem": gpu.pci_subsystem,
        "chip": gpu.chip,
        "compute_capability": gpu.compute_capability,
        "vram_gb": _plain(gpu.vram_bytes / 2**30, 3) if gpu.vram_bytes else None,
        "driver": report.environment.driver,
        "cudnn": torch.cudnn if torch else None,
    }


_TAG = re.compile(r"cpu|xpu|cu\d{2,4}|rocm\d+(?:\.\d+)*")


def cuda_tag(torch: TorchFacts) -> str:
    """The wheel's tag (cpu cu126 rocm6.2 xpu mps): from the version's local part, else from what it was built with.

    A plain version ("2.13.0" from PyPI) and a vendor's ("2.3.0a0+6ddf5cf.nv24.04") carry no tag.
    """
    local = torch.version.partition("+")[2].split(".with")[0]  # "1.13.0+cu117.with.pypi.cudnn"
    if _TAG.fullmatch(local):
        return local
    numbers = re.findall(r"\d+", torch.cuda or "")[:2]
    if torch.build == "cuda":
        return "cu" + "".join(numbers) if numbers else ""
    if torch.build == "rocm":
        return "rocm" + ".".join(numbers) if numbers else ""
    return torch.build


_ABSURD = 1e15
"""No speed or ratio in any unit of the matrix comes near; from here on a number would be written with an exponent."""


def _speed_cell(name: str, measured: Measurement | None) -> str:
    """A cell has no room for doubt: a disturbed measurement, or a ratio whose interval holds 1, stays out."""
    if measured is None or not 0 < measured.value < _ABSURD or not verdicts.is_clean(measured):
        return ""
    undecided = name.endswith("_speedup") and measured.low <= 1 <= measured.high
    return "" if undecided else _plain(measured.value, 4)


def _plain(value: float, digits: int) -> str:
    """Rounded to `digits` significant digits, without an exponent as far as 1e-6 to 1e15."""
    return format(float(f"{value:.{digits}g}"), ".15g")


def _failures(results: Sequence[Result]) -> str:
    """ "probe:dtype:status" of every bad result, sorted; what does not fit is "..."."""
    words = sorted({f"{r.probe}:{r.dtype}:{r.status}" for r in results if r.status in BAD_STATUSES})
    text = " ".join(words)
    limit = next(column.limit for column in matrix.COLUMNS if column.name == "failures")
    return text if len(text) <= limit else f"{text[: limit - 4].rpartition(' ')[0]} ..."
