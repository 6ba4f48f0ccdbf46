"""Hypothesis strategies for reports as a run can produce them, hostile texts and private facts included."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from hwcompat.model import (
    CAPABILITIES,
    STATUSES,
    VERDICTS,
    Caution,
    Environment,
    Gpu,
    Measurement,
    Report,
    Result,
    TorchFacts,
    Verdict,
)

SECRETS = (
    "/home/hidden/venv/bin/python",
    r"C:\Users\Hidden Person\x.py",
    "GPU-1b2c3d4e-hidden-no".replace("hidden-no", "1234-1234-1234-123456789abc"),
    "hidden-user",
    "hidden-host.example.org",
    "00000000:41:00.0",
    "00:1a:2b:3c:4d:5e",
)
"""Put into every text; none of them may come out."""

_secret = st.sampled_from(SECRETS)
_text = st.one_of(
    st.text(max_size=20),
    st.builds("{} {} {}".format, st.text(max_size=8), _secret, st.text(max_size=8)),
    st.sampled_from(["", "nan", "=1+1", "\ud800", "a\nb", "x" * 5000, "conv2d 2x640x64x64"]),
)
_word = st.sampled_from(["NVIDIA A10", "2.13.0+cpu", "", "é", "linux", "7.5", "x" * 300])
_maybe_word = st.none() | _word
_count = st.integers(0, 2**40)
_maybe_count = st.none() | _count
_number = st.floats() | st.integers(0, 10)
_plain = st.none() | st.booleans() | st.integers() | st.floats() | _text
_value: st.SearchStrategy[Any] = st.recursive(
    _plain,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


def some(strategy: st.SearchStrategy[Any], size: int = 2) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, max_size=size).map(tuple)


gpus = st.builds(
    Gpu,
    name=_word,
    pci_id=st.sampled_from([None, "10de:2182"]),
    chip=_maybe_word,
    vram_bytes=_maybe_count,
    retired_pages=_maybe_count,
    remapped_rows=_maybe_count,
    row_remapping=st.sampled_from([None, "ok", "pending", "failed"]),
    mig_profile=_maybe_word,
    throttle_reasons=some(_word),
    torch_index=_maybe_count,
    hidden=st.booleans(),
    pci_bus_id=st.none() | _secret,
)
torches = st.builds(
    TorchFacts,
    version=_word,
    build=_word,
    cuda=_maybe_word,
    arch_list=some(_word),
    flags=st.dictionaries(st.text(max_size=5), _value, max_size=2),
    devices=some(st.fixed_dictionaries({"index": _count, "pci_bus_id": _secret, "uuid": _secret})),
    clients=st.dictionaries(st.text(max_size=5), _word, max_size=2),
    error=st.none() | _text,
)
environments = st.builds(
    Environment,
    os=st.sampled_from(["linux", "windows", "macos"]),
    arch=_word,
    wsl=st.booleans(),
    cpu=_maybe_word,
    executable=st.none() | _secret,
    driver=_maybe_word,
    gpus=some(gpus),
    torch=st.none() | torches,
    notes=some(_text),
)
_digest = st.sampled_from(["0123456789abcdef", "ab" * 32])
results = st.builds(
    Result,
    probe=st.sampled_from(["conv.forward", "linear.backward"]),
    dtype=st.sampled_from(["float16", "bfloat16"]),
    status=st.sampled_from(STATUSES),
    case=_text,
    detail=_text,
    seconds=_number,
    failed_cases=some(_text),
    skipped_cases=some(_text),
    cases=_count,
    data=st.dictionaries(st.text(max_size=5), _value, max_size=2),
    digest=st.just("") | _digest,
)
measurements = st.builds(Measurement, value=_number, unit=_word, low=_number, high=_number, count=_count, note=_text)


def _reports(others: st.SearchStrategy[tuple[Report, ...]]) -> st.SearchStrategy[Report]:
    return st.builds(
        Report,
        id=st.sampled_from(["00000000000000aa", "00000000000000bb"]),
        date=st.sampled_from(["2026-11-21T01:02:03Z", "2026-11-21T01:02:03.123456+00:00"]),
        hwcompat=_word,
        suite=_word,
        level=st.sampled_from(["quick", "standard", "full"]),
        seed=st.integers(0, 2**63),
        device=st.sampled_from(["cpu", "cuda:0", "mps"]),
        environment=environments,
        gpu=st.none() | gpus,
        results=some(results),
        capabilities=st.dictionaries(
            st.sampled_from(CAPABILITIES),
            st.builds(Verdict, value=st.sampled_from(VERDICTS), because=some(_text)),
            max_size=3,
        ),
        cautions=some(st.builds(Caution, operation=_text, detail=_text, workaround=_text, source=_text), 1),
        speed=st.dictionaries(st.sampled_from(["fp32_tflops", "bandwidth_gbs"]), measurements, max_size=2),
        digests=st.dictionaries(st.sampled_from(["exact/a/float16/v1/quick", "fingerprint/a"]), _digest, max_size=2),
        telemetry=st.dictionaries(st.sampled_from(["temperature", "sm_clock", "power"]), measurements, max_size=2),
        simulated=st.none() | _word,
        interrupted=st.booleans(),
        partial=st.booleans(),
        notes=some(_text),
        others=others,
    )


reports = _reports(some(_reports(st.just(())), 1))
