"""A simulated fleet: report files and sidecars of thousands of GPUs, with sick ones among them, known by name.

It shares no code with what judges a fleet: files are written as text, keys and digests are made here. Used by
scripts/bench_fleet.py at size and by tests in small.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RUN = "simulated"
CARDS_A_NODE = 8
Place = tuple[str, str]
"""Node and slot."""


@dataclass(frozen=True)
class Model:
    """One model of the fleet with what a healthy card measures, and how much healthy ones differ."""

    name: str
    pci_id: str
    chip: str
    capability: str
    gib: float
    speeds: dict[str, float]  # TFLOP/s and GB/s
    noise: float  # relative standard deviation between healthy cards
    share: float  # of the fleet's nodes
    tail: bool = False  # noise with heavy tails (Student's t with 5 degrees of freedom)
    quantum: float = 0.0  # relative step of a coarse clock


def _speeds(fp32: float, tf32: float, fp16: float, bf16: float, memory: float) -> dict[str, float]:
    found = {"fp32_tflops": fp32, "tf32_tflops": tf32, "fp16_tflops": fp16, "bf16_tflops": bf16}
    return {**found, "bandwidth_gbs": memory, "copy_gbs": 0.9 * memory}


MODELS = (
    Model("NVIDIA H100 80GB HBM3", "10de:2330", "GH100", "9.0", 79.1, _speeds(51, 378, 731, 725, 2980), 0.012, 0.45),
    Model(
        "NVIDIA A100-SXM4-80GB", "10de:20b2", "GA100", "8.0", 79.2, _speeds(19, 127, 262, 265, 1730), 0.008, 0.3, True
    ),
    Model("Tesla V100-SXM2-32GB", "10de:1db5", "GV100", "7.0", 31.7, _speeds(14.5, 14.4, 93, 9.8, 790), 0.02, 0.15),
    Model("NVIDIA L40S", "10de:26b9", "AD102", "8.9", 44.4, _speeds(60, 110, 210, 214, 690), 0.015, 0.07),
    Model("Tesla T4", "10de:1eb8", "TU104", "7.5", 14.6, _speeds(6.1, 6.0, 24, 2.9, 240), 0.0, 0.03, quantum=0.005),
)
BUILDS = (("2.13.0+cu126", "12.6", "9.10.2", "570.86.15"), ("2.11.0+cu124", "12.4", "9.1.0", "550.54.14"))

SICK = ("faulty", "fingerprint", "slow", "throttled", "memory", "flaky", "crash", "host")
"""Kinds of cards that are found by their report; the planted word is the kind of finding that must name them."""
LOST = ("unreachable", "crashed", "timeout", "truncated")
"""Kinds that leave no usable report."""


@dataclass
class Planted:
    """What was put where: (node, slot) of every sick card, nodes that are sick as a whole, and cards that are lost."""

    cards: dict[tuple[str, str], str] = field(default_factory=dict)
    slow_nodes: set[str] = field(default_factory=set)
    lost: dict[tuple[str, str], str] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)  # nodes that never answered
    total: int = 0


def simulate(folder: Path, cards: int, seed: int, each: int = 6, level: str = "standard", probes: int = 120) -> Planted:
    """Write a fleet of `cards` GPUs into `folder` and its inventory to folder/inventory.txt.

    each: how many of every kind of sick card, of slow nodes and of nodes that never answered; probes: of a report, in
    three dtypes each.
    """
    some = random.Random(seed)
    nodes = [f"rack{n // 32:02d}-node{n:04d}" for n in range(cards // CARDS_A_NODE)]
    planted = _plant(some, nodes, each)
    (folder / "shards").mkdir(parents=True)
    run = {"schema": 1, "id": RUN, "hwcompat": "0.1.0", "suite": "1", "level": level, "seed": 0}
    (folder / "fleet.json").write_text(json.dumps(run))
    (folder / "inventory.txt").write_text("".join(f"{node},{CARDS_A_NODE}\n" for node in nodes))
    for node, kind in zip(nodes, _kinds(some, len(nodes)), strict=True):
        if node not in planted.silent:
            for slot in map(str, range(CARDS_A_NODE)):
                _write(folder, some, kind, (node, slot), planted, level, probes)
    return planted


def _kinds(some: random.Random, nodes: int) -> list[tuple[Model, tuple[str, str, str, str]]]:
    """A model and a build for every node: each pair on at least ten nodes, the rest by the shares. Where nodes are few,
    so are the pairs: a slow node must stay a small part of its kind."""
    pairs = [(model, build) for build in BUILDS for model in MODELS][: max(1, nodes // 10)]
    least = [pair for pair in pairs for _ in range(10)][:nodes]
    weights = [model.share * (3 if build == BUILDS[0] else 1) for model, build in pairs]
    found = [*least, *some.choices(pairs, weights, k=nodes - len(least))]
    some.shuffle(found)
    return found


def _plant(some: random.Random, nodes: list[str], each: int) -> Planted:
    planted = Planted(total=len(nodes) * CARDS_A_NODE)
    chosen = iter(some.sample(nodes, each * (len(SICK) + len(LOST) + 2)))
    for kind in (*SICK, *LOST):
        for _ in range(each):
            place = (next(chosen), str(some.randrange(CARDS_A_NODE)))
            (planted.cards if kind in SICK else planted.lost)[place] = kind
    planted.slow_nodes = {next(chosen) for _ in range(max(1, each // 3))}
    planted.silent = {next(chosen) for _ in range(each)}
    return planted


# --- one card ---------------------------------------------------------------------------------------------------------


def _write(
    folder: Path, some: random.Random, kind: Any, place: Place, planted: Planted, level: str, probes: int
) -> None:
    key = hashlib.sha256("\0".join((RUN, *place)).encode()).hexdigest()[:16]
    lost = planted.lost.get(place)
    outcome = lost if lost in ("unreachable", "crashed", "timeout") else "measured"
    content = b""
    if outcome == "measured":
        content = _content(some, kind, place, planted, level, probes)
        written = content[: len(content) // 2] if lost == "truncated" else content
        (folder / "shards" / f"{key}.json").write_bytes(written)
    sidecar = {
        "schema": 1, "run": RUN, "node": place[0], "slot": place[1], "outcome": outcome, "detail": "", "seconds": 61.5,
        "pci_bus_id": f"0000:{int(place[1]) + 16:02x}:00.0", "attempts": 1,
        "sha256": hashlib.sha256(content).hexdigest(),
    }  # fmt: skip
    (folder / "shards" / f"{key}.private.json").write_text(json.dumps(sidecar))


def _content(
    some: random.Random, kind: Any, place: tuple[str, str], planted: Planted, level: str, probes: int
) -> bytes:
    model, build = kind
    sick = planted.cards.get(place)
    factor = some.uniform(0.45, 0.75) if sick == "slow" else 0.6 if place[0] in planted.slow_nodes else 1.0
    speed = json.dumps(_speed(some, model, factor, throttled=sick == "throttled"))
    telemetry = json.dumps(_telemetry(some, throttled=sick == "throttled"))
    text = _template(model, build, level, probes, sick)
    made = {"@ID@": f"{some.getrandbits(64):016x}", '"@SPEED@"': speed, '"@TELEMETRY@"': telemetry,
            "@ODD@": f"{some.getrandbits(256):064x}"}  # fmt: skip
    for mark, value in made.items():
        text = text.replace(mark, value)
    return text.encode()


def _noise(some: random.Random, model: Model) -> float:
    deviate = some.gauss(0, 1)
    if model.tail:
        deviate /= math.sqrt(some.gammavariate(2.5, 2) / 5)
    value = 1 + model.noise * deviate
    if model.quantum:
        value = 1 - model.quantum * (some.random() < 0.2)
    return value


def _speed(some: random.Random, model: Model, factor: float, throttled: bool) -> dict[str, Any]:
    found = {}
    for name, usual in model.speeds.items():
        value = usual * factor * _noise(some, model) * (0.8 if throttled else 1)
        unit = "GB/s" if name.endswith("gbs") else "TFLOP/s"
        note = "8192^3; throttled" if throttled else "8192^3"
        found[name] = _measurement(value, unit, 0.99 * value, 1.01 * value, 15, note)
    return found


def _telemetry(some: random.Random, throttled: bool) -> dict[str, Any]:
    degrees, clock = some.gauss(93 if throttled else 64, 3), some.gauss(1200 if throttled else 1900, 20)
    share = some.randint(30, 95)
    note = f"hardware thermal slowdown in {share} %" if throttled else "software power cap in 12 %"
    return {
        "temperature": _measurement(degrees, "C", degrees - 9, degrees + 4, 60, ""),
        "sm_clock": _measurement(clock, "MHz", clock - 90, clock + 80, 60, note),
    }


def _measurement(value: float, unit: str, low: float, high: float, count: int, note: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "low": low, "high": high, "count": count, "note": note}


_TEMPLATES: dict[Any, str] = {}


def _template(model: Model, build: tuple[str, str, str, str], level: str, probes: int, sick: str | None) -> str:
    """The report's text with marks for what differs from card to card."""
    name = (model.name, build, level, probes, None if sick in ("slow", "throttled") else sick)
    if name not in _TEMPLATES:
        _TEMPLATES[name] = json.dumps(_document(model, build, level, probes, name[4]), indent=1) + "\n"
    return _TEMPLATES[name]


def _document(model: Model, build: tuple[str, ...], level: str, probes: int, sick: str | None) -> dict[str, Any]:
    torch, cuda, cudnn, driver = build
    gpu = {
        "name": model.name, "vendor": "nvidia", "pci_id": model.pci_id, "pci_subsystem": "10de:16c1",
        "chip": model.chip, "compute_capability": model.capability, "vram_bytes": int(model.gib * 2**30),
        "ecc_uncorrected": 3 if sick == "memory" else 0,
        "temperature_c": 40, "throttle_reasons": [], "torch_index": 0,
    }  # fmt: skip
    words = ("fp32", "tf32", "fp16", "bf16", "amp_fp16", "amp_bf16", "memory")
    document = {
        "schema": 1, "id": "@ID@", "date": "2026-11-21T10:00:00Z", "hwcompat": "0.1.0", "suite": "1", "level": level,
        "seed": 0, "device": "cuda:0",
        "environment": {
            "os": "linux", "arch": "x86_64", "python": "3.11.7", "driver": driver, "gpus": [gpu],
            "torch": {"version": torch, "build": "cuda", "cuda": cuda, "cudnn": cudnn, "arch_list": ["sm_70", "sm_90"]},
            "notes": ["torch read from the interpreter that runs hwcompat"],
        },
        "gpu": gpu,
        "results": [_result(n, dtype) for n in range(probes) for dtype in ("float32", "float16", "bfloat16")],
        "capabilities": {one: {"value": "ok", "because": ["28 core checks passed"]} for one in words},
        "cautions": [], "speed": "@SPEED@", "telemetry": "@TELEMETRY@",
        "digests": _digests(model, build, level, probes),
    }  # fmt: skip
    _make_sick(document, sick)
    return document


def _result(number: int, dtype: str) -> dict[str, Any]:
    return {
        "probe": f"family{number % 12}.probe{number}", "dtype": dtype,
        "status": "feature" if number % 20 == 0 else "pass", "case": "", "detail": "", "seconds": 0.21,
        "failed_cases": [], "skipped_cases": ["2048 x 2048: too large"] if number % 15 == 0 else [], "cases": 24,
        "data": {"checked": 1614958}, "digest": hashlib.sha256(f"{number} {dtype}".encode()).hexdigest(), "version": 1,
    }  # fmt: skip


def _digests(model: Model, build: tuple[str, ...], level: str, probes: int) -> dict[str, str]:
    found = {}
    for number in range(0, probes, 2):
        kind = "fingerprint" if number % 20 == 0 else "exact"
        for dtype in ("float32", "float16", "bfloat16"):
            seen = (number, dtype) if kind == "exact" else (number, dtype, model.name, build)
            name = f"{kind}/family{number % 12}.probe{number}/{dtype}/v1/{level}/large"
            found[name] = hashlib.sha256(repr(seen).encode()).hexdigest()
    return found


def _make_sick(document: dict[str, Any], sick: str | None) -> None:
    result = next(one for one in document["results"] if one["probe"].endswith("probe7") and one["dtype"] == "float16")
    if sick == "faulty":
        result.update(status="fail", case="conv2d 2x640x64x64", detail="3 of 4096 elements", failed_cases=["a", "b"])
        document["capabilities"] = copy.deepcopy(document["capabilities"])
        for name in ("fp16", "amp_fp16"):
            document["capabilities"][name] = {"value": "faulty", "because": ["family7.probe7 gives wrong results"]}
    elif sick == "flaky":
        result.update(status="flaky", case="matmul 4096", detail="failed once")
    elif sick == "crash":
        result.update(status="crash", case="matmul 4096", detail="SIGABRT: unspecified launch failure")
    elif sick in ("fingerprint", "host"):
        kind = "fingerprint/" if sick == "fingerprint" else "exact/"
        document["digests"][next(name for name in document["digests"] if name.startswith(kind))] = "@ODD@"


def named_places(document: dict[str, Any]) -> Iterator[tuple[str, tuple[str, str], bool]]:
    """(kind, (node, slot), whole node) of every card that a private answer in JSON names."""
    for one in document["outliers"]:
        for card in one["cards"]:
            yield one["kind"], (card["node"], card["slot"]), one["whole_node"]


def complaints(document: dict[str, Any], planted: Planted) -> list[str]:
    """What is wrong with an answer about a simulated fleet: nothing, if every planted card and no other is named."""
    named = set(named_places(document))
    wanted = {(kind, place, False) for place, kind in planted.cards.items()}
    wanted |= {("slow", (node, str(slot)), True) for node in planted.slow_nodes for slot in range(CARDS_A_NODE)}
    missing = {(one["node"], one["slot"]) for one in document["missing"]}
    absent = set(planted.lost) | {(node, "") for node in planted.silent}
    return [
        *(f"not found: {one}" for one in sorted(wanted - named)),
        *(f"wrongly accused: {one}" for one in sorted(named - wanted)),
        *(f"not missed: {one}" for one in sorted(absent - missing)),
        *(f"wrongly missed: {one}" for one in sorted(missing - absent)),
    ]
