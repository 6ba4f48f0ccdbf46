"""The copy probes are silent on a healthy machine and see lost tails, zeros, stale bytes and wrong strides."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from probes.injected import first_failure, outcome

from hwcompat.probes import context, judge
from hwcompat.probes.simulate import _dispatch
from hwcompat.probes.suite import memory_copy, memory_peer


@pytest.mark.parametrize("seed", [0, 3])
def test_a_healthy_machine_is_silent(seed: int) -> None:
    result = outcome("memory.copy", "int32", seed=seed)
    assert (result["status"], result["detail"], result["skipped_cases"]) == ("pass", "", [])


def caught(name: str, change: Any) -> str:
    """The first failing case where `change(args, out)` follows every operator `name`."""

    def alter(called: str, func: Any, args: Any, kwargs: Any, out: Any) -> Any:
        return change(args, out) if called == name else out

    return first_failure("memory.copy", "int32", _dispatch.after_each(torch, alter))[0]


def zero_tail(args: Any, out: Any) -> Any:
    if out.dim() == 1 and out.numel() % 16 and out.dtype == torch.float16:
        out[-1] = 0
    return out


@pytest.mark.parametrize("name", ["copy_", "clone"])
def test_a_lost_tail_in_one_dtype_is_caught(name: str) -> None:
    assert "float16" in caught(name, zero_tail)


@pytest.mark.parametrize("name", ["fill_", "zero_", "ones", "full"])
def test_a_fill_that_misses_the_last_element_is_caught(name: str) -> None:
    def change(args: Any, out: Any) -> Any:
        if out.numel() > 1:
            out.view(-1)[-1] = 0 if name != "zero_" else 1
        return out

    assert "fills" in caught(name, change)


def test_a_strided_copy_that_keeps_the_order_of_memory_is_caught() -> None:
    def change(args: Any, out: Any) -> Any:
        if args[0].is_contiguous() or args[0].dim() != 4:
            return out
        base = args[0].as_strided((args[0].numel(),), (1,)) if args[0].stride()[0] else args[0].reshape(-1)
        return base.reshape(out.shape).contiguous() if base.numel() == out.numel() else out

    assert "strides" in caught("clone", change)


def test_every_third_copy_of_zeros_is_caught() -> None:
    calls: list[int] = []

    def change(args: Any, out: Any) -> Any:
        calls.append(1)
        return out.zero_() if len(calls) % 3 == 0 else out

    assert caught("copy_", change)


def test_patterns_differ_from_their_neighbours() -> None:
    ctx = context.Context(torch, "cpu", "int32")
    for name in memory_copy._NAMES:
        bits = memory_copy.integers(ctx, memory_copy.numbers(ctx, name, 4097))
        same = (bits[1:] == bits[:-1]).double().mean()
        assert float(same) < (0.7 if name == "bool" else 0.02), name


def test_the_large_block_runs_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    ctx = context.Context(torch, "cpu", "int32")
    assert memory_copy.block(ctx, 2**22 + 1).status == "pass"


# --- peers ------------------------------------------------------------------------------------------------------------
def test_one_card_is_skipped_with_the_reason() -> None:
    result = outcome("memory.peer", "int32")
    assert result["status"] == "skipped"
    assert "two CUDA devices" in result["skipped_cases"][0]


class Part:
    """A tensor said to live on a device; what goes directly from cuda:0 to cuda:1 arrives as zeros if `broken`."""

    def __init__(self, tensor: Any, place: str, broken: bool) -> None:
        self.tensor, self.place, self.broken = tensor, place, broken

    def to(self, place: str) -> Part:
        peer = self.place.startswith("cuda") and place.startswith("cuda") and self.place != place
        return Part(self.tensor * (0 if peer and self.broken else 1), place, self.broken)

    def copy_(self, other: Part) -> None:
        self.tensor = other.to(self.place).tensor


class FakeTorch:
    """Just enough of torch for two GPUs."""

    int32 = torch.int32
    equal = staticmethod(torch.equal)

    def __init__(self, broken: bool) -> None:
        self.broken = broken
        self.cuda = SimpleNamespace(device_count=lambda: 2, synchronize=lambda device: None)

    def arange(self, size: int, dtype: Any) -> Any:
        broken = self.broken

        class Counter:
            def __init__(self, tensor: Any) -> None:
                self.tensor = tensor

            def __add__(self, number: int) -> Counter:
                return Counter(self.tensor + number)

            def to(self, place: str) -> Part:
                return Part(self.tensor, place, broken)

            def numel(self) -> int:
                return int(self.tensor.numel())

        return Counter(torch.arange(min(size, 5000), dtype=dtype))

    def full_like(self, part: Part, value: int) -> Part:
        return Part(torch.full_like(part.tensor, value), part.place, self.broken)


class FakeContext:
    """A context on cuda:0 whose host copies come from Part."""

    def __init__(self, broken: bool) -> None:
        self.torch, self.device = FakeTorch(broken), SimpleNamespace(index=0)

    def host(self, part: Part) -> Any:
        return part.tensor

    def exact_integers(self, host: Any, want: Any, note: str) -> judge.Judgement:
        return judge.exact_integers(torch, host, want.tensor, note)

    @staticmethod
    def all_of(*judgements: Any) -> judge.Judgement:
        return context.combine(judgements)


@pytest.mark.parametrize("broken", [False, True])
def test_peer_copies_of_zeros_are_caught(broken: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    ctx = FakeContext(broken)
    monkeypatch.setattr(FakeTorch, "equal", staticmethod(lambda a, b: torch.equal(a, b.tensor)))
    cases = list(memory_peer.cases(ctx))
    assert [label for label, _ in cases] == ["cuda:0 to cuda:1", "cuda:1 to cuda:0"]
    judgements = [case() for _, case in cases]
    assert [j.status for j in judgements] == ["fail" if broken else "pass"] * 2
    if broken:
        assert "directly" in judgements[0].detail
