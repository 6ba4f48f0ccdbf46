"""The load test verifies its first result, then sees any later bit that differs, and says how far it is."""

from __future__ import annotations

import pytest
import torch
from probes.injected import fault, outcome

from hwcompat import api
from hwcompat.probes.suite import burn_load

DTYPES = ("float32", "float16", "bfloat16")


def burn(dtype, injected=None, seconds=0.4, **options):
    return outcome("burn.load", dtype, injected, level="full", load_seconds=seconds, **options)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", [0, 5])
def test_a_healthy_cpu_is_silent(dtype, seed):
    result = burn(dtype, seed=seed)
    assert (result["status"], result["detail"]) == ("pass", "")
    assert result["data"]["repetitions"] > 1


def every(n, change):
    """Alters the result of each n-th call, from the n-th on."""
    calls = iter(range(1, 10**9))

    def alter(args, out):
        return change(out) if next(calls) % n == 0 else out

    return alter


def one_bit(out):
    flat = out.view(-1).view(torch.int16)
    flat[flat.numel() // 2] ^= 1
    return out


def one_nan(out):
    out.view(-1)[-1] = float("nan")
    return out


@pytest.mark.parametrize("change", [one_bit, one_nan])
def test_a_product_that_goes_wrong_after_a_while_is_seen(change):
    result = burn("float16", fault("mm", every(3, change)))
    assert result["status"] == "fail"
    assert "repetition 2" in result["detail"]
    assert "1 of" in result["detail"]


def test_a_gradient_that_goes_wrong_after_a_while_is_seen():
    def alter(out):
        one_bit(out[1])
        return out

    result = burn("bfloat16", fault("convolution_backward", every(4, alter)))
    assert result["status"] == "fail"
    assert "output 2" in result["detail"]


def test_a_product_that_is_always_wrong_is_seen_although_it_repeats_itself():
    assert burn("float16", fault("mm", lambda args, out: one_bit(out)))["status"] == "fail"


def test_a_device_that_compares_wrongly_is_found_out_on_the_host(monkeypatch):
    """torch.equal stands for the device's comparison; the host's own is left alone."""
    monkeypatch.setattr(burn_load, "_HOST_EVERY", 2)
    seen = []

    def alter(args, out):
        seen.append(None)
        return one_bit(out) if len(seen) > 2 else out

    differing = burn_load.differing

    def blind(ctx, golden, outputs, on_host):
        return differing(ctx, golden, outputs, on_host) if on_host else ""

    monkeypatch.setattr(burn_load, "differing", blind)
    assert burn("float16", fault("mm", alter))["status"] == "fail"


def test_it_says_how_far_it_is_and_how_long_it_will_take(monkeypatch):
    monkeypatch.setattr(burn_load, "_TELL_SECONDS", 0.05)
    told = []
    outcome("burn.load", "float32", level="full", load_seconds=0.8, on_progress=lambda *words: told.append(words))
    shares = [share for share, _ in told]
    assert len(told) > 2
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.5 < shares[-1] <= 1
    assert all(0 <= left <= 0.8 for _, left in told)


def test_minutes_are_shared_by_the_dtypes_and_shown_as_progress():
    seen = []
    report = api.probe(
        device="cpu", level="full", only=("burn",), minutes=0.06, progress=lambda done, total, label: seen.append(label)
    )
    assert report.ok
    assert {r.dtype for r in report.results} == set(DTYPES)
    assert all(r.seconds < 20 for r in report.results)
