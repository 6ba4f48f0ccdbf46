"""What only a real CUDA device can show. Everything here skips without one."""

from __future__ import annotations

import pytest

import hwcompat

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def standard() -> hwcompat.Report:
    return hwcompat.probe(level="standard")


def test_a_healthy_card_raises_no_alarm(standard: hwcompat.Report) -> None:
    assert standard.ok, [(r.probe, r.dtype, r.status, r.case, r.detail) for r in standard.failures]


def test_the_card_is_known_by_its_pci_id_and_joined_to_torch(standard: hwcompat.Report) -> None:
    assert standard.device.startswith("cuda")
    assert standard.gpu is not None
    assert standard.gpu.pci_id
    assert standard.gpu.torch_index is not None
    assert standard.environment.driver


def test_speed_was_measured_in_every_precision_the_card_has(standard: hwcompat.Report) -> None:
    assert {"fp32_tflops", "fp16_tflops", "amp_fp16_speedup", "bandwidth_gbs"} <= set(standard.speed)
    assert all(m.low <= m.value <= m.high for m in standard.speed.values())


def test_in_process_and_isolated_runs_agree_bit_for_bit() -> None:
    only = ("matmul.integer", "conv.forward")
    assert hwcompat.probe(only=only, isolate=False).digests == hwcompat.probe(only=only).digests


def test_a_recommendation_follows(standard: hwcompat.Report) -> None:
    rec = hwcompat.recommend(report=standard)
    assert rec.pin is not None
    assert rec.settings["amp"].because
