"""The fingerprint judges nothing but finiteness, and its digest moves with a single bit."""

from __future__ import annotations

import pytest
import torch
from probes.injected import fault, outcome

from hwcompat.probes import context

DTYPES = ("float32", "float16", "bfloat16")


def one_ulp(args, out):
    out.view(-1)[7] = torch.nextafter(out.view(-1)[7], out.new_tensor(float("inf")))
    return out


def nan(args, out):
    return torch.full_like(out, float("nan"))


@pytest.mark.parametrize("dtype", DTYPES)
def test_two_runs_give_one_digest_whatever_the_threads(dtype):
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        first = outcome("fingerprint.random", dtype)
        torch.set_num_threads(1)
        second = outcome("fingerprint.random", dtype)
        assert torch.get_num_threads() == 1, "the caller's number of threads comes back"
    finally:
        torch.set_num_threads(threads)
    assert (first["status"], first["detail"]) == ("pass", "")
    assert first["digest"] == second["digest"] != ""
    assert first["digest"] != outcome("fingerprint.random", dtype, seed=1)["digest"]


def test_a_difference_of_one_unit_is_seen_in_the_digest_and_judged_by_nobody():
    healthy = outcome("fingerprint.random", "float16")
    sick = outcome("fingerprint.random", "float16", fault("mm", one_ulp))
    assert sick["status"] == "pass"
    assert sick["digest"] != healthy["digest"]


def test_a_result_that_is_not_finite_is_a_fault():
    assert outcome("fingerprint.random", "bfloat16", fault("mm", nan))["status"] == "fail"


def test_without_a_fixed_workspace_nothing_is_kept_on_cuda(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    monkeypatch.setattr(context.Context, "kind", "cuda")
    result = outcome("fingerprint.random", "float16")
    assert (result["status"], result["digest"]) == ("skipped", "")
    assert "CUBLAS_WORKSPACE_CONFIG" in result["detail"]
