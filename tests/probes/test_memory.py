"""The memory probe is quiet on good memory and sees stuck bits, aliased addresses, lost copies and a blind counter."""

from __future__ import annotations

import pytest
import torch

from hwcompat.probes import catalogue, context, execute
from hwcompat.probes.simulate import _dispatch
from hwcompat.probes.suite import memory_pattern

WRITES = ("fill_", "copy_", "bitwise_xor_")
WORDS = memory_pattern._BLOCK["cpu"] // 4


def run(**options):
    return execute.run(torch, catalogue.find("memory.pattern"), "int32", **options)


def after_write(fault):
    """Do `fault(block)` after every write to a whole block of the region under test."""

    def alter(name, func, args, kwargs, out):
        if name in WRITES and out.dim() == 1 and out.numel() == WORDS:
            fault(out)
        return out

    return _dispatch.after_each(torch, alter)


@pytest.mark.parametrize("seed", range(4))
def test_good_memory_passes(seed):
    """Every word of 16 MiB is checked in each of the patterns; half of them once more as a copy."""
    result = run(seed=seed)
    assert (result["status"], result["cases"], result["skipped_cases"]) == ("pass", 6, [])
    assert result["checked"] == 5 * 2**22 + 2**21


@pytest.mark.parametrize(("bit", "value"), [(0, 0), (0, 1), (13, 1), (31, 0), (31, 1)])
def test_a_stuck_bit_fails(bit, value):
    """A cell that always reads 0 or 1 is found whatever its place in the word."""
    mask = memory_pattern.signed(1 << bit)

    def stick(block):
        block[12345] = block[12345] | mask if value else block[12345] & ~mask

    with after_write(stick):
        result = run()
    assert result["status"] == "fail"
    assert "12345" in result["detail"]


def test_an_aliased_address_line_fails_where_only_addresses_can_show_it():
    """A write that also lands in another block is invisible to a pattern that is the same everywhere."""
    seen = []

    def alias(block):
        if not any(block.data_ptr() == other.data_ptr() for other in seen):
            seen.append(block)
        if block.data_ptr() != seen[0].data_ptr():
            seen[0][:100] = block[:100]

    with after_write(alias):
        result = run()
    assert (result["status"], result["case"]) == ("fail", "address as data")


def test_a_copy_that_delivers_zeros_fails():
    """Only the copy from block to block is broken."""

    def alter(name, func, args, kwargs, out):
        from_device = name == "copy_" and out.numel() == WORDS and int(args[1][1] - args[1][0]) not in (0, 1)
        return out.zero_() if from_device else out

    with _dispatch.after_each(torch, alter):
        result = run()
    assert (result["status"], result["case"]) == ("fail", "copy on the device")


def test_a_device_that_counts_nothing_cannot_pass():
    """A reduction that always says 0 would call any memory good: the planted word shows it."""

    def alter(name, func, args, kwargs, out):
        return out.zero_() if name == "sum" else out

    with _dispatch.after_each(torch, alter):
        result = run()
    assert result["status"] == "fail"
    assert "planted" in result["detail"]


@pytest.mark.parametrize(
    ("level", "free", "expected"),
    [("standard", 10**9, 4 * 10**8), ("standard", 10**12, 2**31), ("full", 10**9, 78 * 10**7)],
)
def test_the_region_on_an_accelerator_follows_its_free_memory(monkeypatch, level, free, expected):
    """40 % and at most 2 GiB at standard, 78 % at full."""
    monkeypatch.setattr(context.Context, "large", property(lambda self: True))
    monkeypatch.setattr(context.Context, "free_bytes", lambda self: free)
    assert memory_pattern.region_bytes(context.Context(torch, "cpu", "int32", level=level)) == expected


def test_the_blocks_of_an_accelerator_run_as_well(monkeypatch):
    """The branch for accelerators on the CPU: three blocks of 64 MiB, the last without a partner to be copied to."""
    monkeypatch.setattr(context.Context, "large", property(lambda self: True))
    result = run(memory_limit=int(2.5 * 3 * 2**26) + 1)
    assert result["status"] == "pass"
    assert result["checked"] == (5 * 3 + 1) * 2**24
