"""The collectives check: exact by construction, sound over real ranks, and every planted fault is named."""

from __future__ import annotations

import json
import os
import platform
import socket
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hwcompat.collectives import exact, judge, operations, place, plan
from hwcompat.errors import MachineError, UsageError
from hwcompat.fleet import ranks

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
SCHEMA = json.loads((REPOSITORY / "hwcompat/collectives/collectives.schema.json").read_text(encoding="utf-8"))
OLD_PYTHON = os.environ.get("HWCOMPAT_TEST_OLD_PYTHON", "")
LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"
DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}


# --- the integers -----------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(world=st.integers(1, 3000), name=st.sampled_from(sorted(DTYPES)), element=st.integers(0, exact.PERIOD - 1))
def test_no_partial_sum_leaves_what_the_format_holds(world: int, name: str, element: int) -> None:
    """The sum of magnitudes bounds every partial sum in every order; it is read off at one element of every rank."""
    digits, ranks_seen = exact.DIGITS[name], range(0, world, max(1, world // 40))
    shares = [exact.shares(torch, rank, world, digits) for rank in ranks_seen]
    most = 2**digits // min(world, 2**digits)
    assert all(int(share.abs().max()) <= most for share in shares)
    giving = sum((rank + element * min(world, 2**digits)) % world < min(world, 2**digits) for rank in range(world))
    assert giving * most <= 2**digits
    for share in shares:
        assert torch.equal(share.to(DTYPES[name]).to(torch.int64), share)


@pytest.mark.parametrize("name", sorted(DTYPES))
@pytest.mark.parametrize("world", [2, 3, 8, 300])
def test_every_order_of_adding_gives_the_same_bits(world: int, name: str) -> None:
    digits, dtype = exact.DIGITS[name], DTYPES[name]
    shares = [exact.shares(torch, rank, world, digits).to(dtype) for rank in range(world)]
    answer = exact.sums(torch, world, digits)
    orders = [range(world), range(world - 1, -1, -1), [*range(0, world, 2), *range(1, world, 2)]]
    for order in orders:
        total = torch.zeros(exact.PERIOD, dtype=dtype)
        for rank in order:
            total = total + shares[rank]
        assert torch.equal(total.to(torch.int64), answer)
    assert int(answer.abs().max()) > 2 ** (digits - 1), "the sums need all the digits"


@pytest.mark.parametrize("name", ["float16", "float32"])
def test_sums_do_not_survive_rounding_to_bf16(name: str) -> None:
    answer = exact.sums(torch, 8, exact.DIGITS[name])
    assert (answer.to(torch.bfloat16).to(torch.int64) != answer).float().mean() > 0.3


@pytest.mark.parametrize("world", [2, 5, 16])
def test_a_maximum_is_held_by_one_rank_alone(world: int) -> None:
    peaks = torch.stack([exact.peaks(torch, rank, world, 8) for rank in range(world)])
    top = peaks.max(0)
    assert torch.equal(top.indices, torch.arange(exact.PERIOD) % world)
    assert int((peaks == top.values).sum(0).max()) == 1
    assert torch.equal(top.values, exact.maxima(torch, world, 8))
    assert bool((top.values[1::2] < 0).all()), "an accumulator that begins with 0 would win"


def test_a_pattern_is_the_same_wherever_it_is_cut() -> None:
    pattern = exact.labels(torch, 1, 2, 4, 24)
    whole = exact.stretched(torch, pattern, torch.float32, 0, 3 * exact.PERIOD)
    assert torch.equal(exact.stretched(torch, pattern, torch.float32, 8000, 500), whole[8000:8500])
    assert int(pattern.abs().max()) <= 2**24


def test_the_plan_has_every_collective_in_every_dtype_and_place() -> None:
    cases = plan.cases(3, (1, 257), 1)
    assert [case.number for case in cases] == list(range(len(cases)))
    wanted = {(n, d, p) for n, kind in operations.KINDS.items() for d in DTYPES for p in kind.in_place}
    assert {(case.collective, case.dtype, case.in_place) for case in cases} == wanted
    assert {case.root for case in cases if case.collective == "broadcast"} <= {0, 1, 2}
    sizes = [case.elements for case in cases if case.collective == "all_reduce.sum" and case.dtype == "float32"]
    assert sizes == [1, 257, 2**18 - 1]


# --- what the findings come to ----------------------------------------------------------------------------------------


def _case(name: str, elements: int = 10) -> operations.Case:
    return operations.Case(4, name, "float16", elements, True, 0 if name == "broadcast" else None)


def _found(rank: int, status: str = "pass", samples: tuple = (), checksum: str = "aa", detail: str = "") -> dict:
    return {
        "rank": rank,
        "status": status,
        "wrong": len(samples),
        "samples": [list(one) for one in samples],
        "checksum": checksum,
        "changed": False,
        "detail": detail,
    }


def _line(case: operations.Case, findings: dict, world: int = 4, truth: str | None = None) -> dict:
    return judge.case_line(case, world, findings, truth, lambda rank, element: 10 * (rank + 1))


def test_a_rank_that_never_came_and_one_that_did_not_return_are_told_apart() -> None:
    line = _line(_case("broadcast"), {0: _found(0), 1: None, 3: _found(3)})
    assert (line["status"], line["missing"], line["stuck"]) == ("hang", [2], [1])
    assert line["detail"] == "rank 2 never came; rank 1 came and did not return"
    assert line["suspects"] == [2]


def test_a_lost_connection_makes_it_a_crash() -> None:
    lost = _found(0, "error", detail="RuntimeError: Connection closed by peer")
    assert _line(_case("broadcast"), {0: lost, 1: None}, 2)["status"] == "crash"


def test_a_sum_without_one_share_points_at_that_rank() -> None:
    samples = ((0, 5, 35), (7, -25, 5))
    line = _line(_case("all_reduce.sum"), {rank: _found(rank, "fail", samples) for rank in range(4)})
    assert (line["status"], line["suspects"]) == ("fail", [2])
    assert "rank 0 got 5 for 35 at element 0 (2 wrong)" in line["detail"]


def test_a_checksum_convicts_a_rank_that_believes_itself_right() -> None:
    findings = {rank: _found(rank, checksum="bb" if rank == 3 else "aa") for rank in range(4)}
    line = _line(_case("all_gather"), findings, truth="aa")
    assert (line["status"], line["suspects"]) == ("fail", [3])


def test_only_what_all_ranks_lack_is_unsupported() -> None:
    lacking = {rank: _found(rank, "unsupported", detail="no") for rank in range(2)}
    assert _line(_case("all_to_all"), lacking, 2)["status"] == "unsupported"
    assert _line(_case("all_to_all"), {**lacking, 1: _found(1)}, 2)["status"] == "error"
    assert judge.worst({"pass", "unsupported"}) == "pass"


@pytest.mark.parametrize(
    ("environ", "rank", "world"),
    [
        ({"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "SLURM_PROCID": "0", "SLURM_NTASKS": "2"}, 3, 8),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "2", "SLURM_LOCALID": "0"}, 1, 2),
        ({"OMPI_COMM_WORLD_RANK": "5", "OMPI_COMM_WORLD_SIZE": "6"}, 5, 6),
    ],
)
def test_a_rank_is_read_from_its_launcher(environ: dict[str, str], rank: int, world: int) -> None:
    found = place.find(None, None, None, None, {**environ, "MASTER_ADDR": "n1"})
    assert (found.rank, found.world, found.rendezvous) == (rank, world, "tcp://n1:29500")
    agent = place.find(None, None, None, None, {**environ, "MASTER_ADDR": "n1", "TORCHELASTIC_USE_AGENT_STORE": "True"})
    assert not agent.serves


@pytest.mark.parametrize("environ", [{}, {"RANK": "0", "WORLD_SIZE": "2"}, {"RANK": "0", "WORLD_SIZE": "1"}])
def test_a_rank_that_nobody_placed_says_what_to_set(environ: dict[str, str]) -> None:
    with pytest.raises(place.Lost):
        place.find(None, None, None, None, environ)


# --- real ranks over gloo ---------------------------------------------------------------------------------------------


def _run(fault: str, where: int, count: int, sizes: str, timeout: float = 60.0) -> ranks.Outcome:
    asked = ranks.Settings(sys.executable, count, "gloo", timeout, sizes, 0)
    found = ranks.check(asked, program=[str(HERE / "faulty_rank.py"), fault, str(where)])
    for line in found.lines:
        jsonschema.validate(line, SCHEMA)
    return found


def _bad(found: ranks.Outcome) -> dict[tuple[str, int], dict]:
    return {(line["collective"], line["elements"]): dict(line) for line in found.bad if line["dtype"] == "float16"}


def test_three_sound_ranks_agree_bit_for_bit_in_the_command(command: list[str], tmp_path: Path) -> None:
    line = [*command, "fleet", "collectives", "--backend", "gloo", "--ranks", "3", "--sizes", "1,8193", "--megabytes"]
    done = subprocess.run(
        [*line, "0", "--json", "--check"], cwd=REPOSITORY, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(text) for text in done.stdout.splitlines()]
    for one in lines:
        jsonschema.validate(one, SCHEMA)
    assert lines[-1]["status"] == "pass"
    assert lines[-1]["counts"] == {"pass": len(plan.cases(3, (1, 8193), 0))}
    assert platform.node() not in done.stdout


def test_every_planted_fault_is_found_and_its_rank_named() -> None:
    """One run of three ranks with six faults; the sound cases between them stay sound."""
    found = _run("Several", 1, 3, "5,257,259")
    bad = _bad(found)
    assert set(bad) == {
        ("all_reduce.sum", 5),
        ("all_reduce.max", 5),
        ("all_reduce.sum", 257),
        ("all_reduce.sum", 259),
        ("all_gather", 2),
        ("broadcast", 5),
        ("all_to_all", 2),
    }
    corrupted = bad["all_reduce.sum", 5]
    assert corrupted["suspects"] == [1]
    assert [one["samples"][0][0] for one in corrupted["ranks"]] == [3]
    assert bad["all_reduce.sum", 257]["suspects"] == [1], "its share is missing in the sums of all"
    assert len(bad["all_reduce.sum", 257]["ranks"]) == 3
    assert len(bad["all_reduce.sum", 259]["ranks"]) == 3, "rounded to bf16"
    assert bad["all_gather", 2]["suspects"] == [1], "what it sent is wrong everywhere"
    assert bad["broadcast", 5]["suspects"] == [1]
    assert bad["broadcast", 5]["ranks"][0]["samples"][0][1] in ("nan", "-0.0")
    assert "input" in bad["all_to_all", 2]["detail"]
    lacking = {line["elements"] for line in found.cases if line["status"] == "unsupported"}
    assert lacking == {257}
    assert not found.ok


@pytest.mark.parametrize(
    ("fault", "where", "status", "missing", "stuck"),
    [("Hangs", 1, "hang", [], [1]), ("Late", 1, "hang", [1], []), ("Dies", 1, "crash", [], [1])],
)
def test_a_rank_that_does_not_come_back_is_named(
    fault: str, where: int, status: str, missing: list[int], stuck: list[int]
) -> None:
    found = _run(fault, where, 2, "1", timeout=5.0)
    (line,) = found.bad
    assert line["collective"] == "broadcast"
    assert (line["status"], line["missing"]) == (status, missing)
    assert line["stuck"] in (stuck, [0])  # rank 0 waits for a rank that never came
    if fault == "Dies":
        assert any("rank 1 ended early: exit code 9" in note for note in found.notes)
    (end,) = [one for one in found.lines if one["event"] == "end"]
    assert end["counts"]["skipped"] > 0


def test_the_death_of_rank_0_is_told_by_the_others() -> None:
    found = _run("Dies", 0, 2, "1", timeout=3.0)
    assert any("rank 0 ended early: exit code 9" in note for note in found.notes)
    assert not found.ok


@pytest.mark.parametrize(("fault", "codes"), [("Sound", {0}), ("Hangs", {70})])
def test_ranks_that_a_launcher_placed_meet_at_rank_0(tmp_path: Path, fault: str, codes: set[int]) -> None:
    """As under srun: rank 0 serves the meeting place, and goes last."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    placed = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "SLURM_NTASKS": "2", "OMP_NUM_THREADS": "1"}
    left_out = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "TORCHELASTIC_USE_AGENT_STORE")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    line = [sys.executable, str(HERE / "faulty_rank.py"), fault, "1", "--backend", "gloo", "--sizes", "1"]
    line += ["--megabytes", "0", "--dtypes", "float16", "--timeout", "20" if fault == "Sound" else "4"]
    started = [
        subprocess.Popen(
            [*line, "--out", str(tmp_path / "out")],
            env={**kept, **placed, "SLURM_PROCID": str(rank), "GLOO_SOCKET_IFNAME": LOOPBACK},
            stderr=(tmp_path / f"err.{rank}").open("wb"),
        )
        for rank in range(2)
    ]
    assert {one.wait(120) for one in started} == codes
    lines = [json.loads(text) for text in (tmp_path / "out").read_text(encoding="ascii").splitlines()]
    assert lines[-1]["status"] == ("pass" if fault == "Sound" else "hang")
    private = json.loads((tmp_path / "out.private.json").read_text(encoding="ascii"))
    assert [one["rank"] for one in private["ranks"]] == [0, 1]
    assert b"Traceback" not in (tmp_path / "err.1").read_bytes()


def test_a_meeting_place_is_used_once(tmp_path: Path) -> None:
    """What an earlier run left there would pass for the answers of this one."""
    line = [sys.executable, str(ranks.PROGRAM), "--backend", "gloo", "--world", "2", "--timeout", "10", "--sizes", "1"]
    line += ["--megabytes", "0", "--rendezvous", f"file://{tmp_path / 'store'}", "--dtypes", "float32"]
    for codes in ([0, 0], [66, 66]):
        started = [
            subprocess.Popen([*line, "--rank", str(rank), "--out", str(tmp_path / "out")], stderr=subprocess.DEVNULL)
            for rank in range(2)
        ]
        assert [one.wait(120) for one in started] == codes
    (refusal,) = map(json.loads, (tmp_path / "out").read_text(encoding="ascii").splitlines())
    assert "name a new file" in refusal["error"]


@pytest.mark.old_python
@pytest.mark.skipif(not OLD_PYTHON, reason="HWCOMPAT_TEST_OLD_PYTHON names no Python 3.8 with an old torch")
def test_ranks_of_an_old_torch_check_what_its_backend_offers() -> None:
    found = ranks.check(ranks.Settings(OLD_PYTHON, 2, "gloo", 60.0, "1,1021", 0))
    for line in found.lines:
        jsonschema.validate(line, SCHEMA)
    assert found.ok
    passed = {(line["collective"], line["dtype"]) for line in found.cases if line["status"] == "pass"}
    lacking = {"reduce_scatter"}  # https://github.com/pytorch/pytorch/blob/v1.12.1/torch/csrc/distributed/c10d
    assert passed >= {(name, dtype) for name in set(operations.KINDS) - lacking for dtype in ("float16", "float32")}


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (RuntimeError("no support for _allgather_base in Gloo process group"), True),
        (RuntimeError("ProcessGroup gloodoes not support _reduce_scatter_base"), True),
        (RuntimeError("Invalid scalar type"), True),
        (AttributeError("module has no attribute"), True),
        (RuntimeError("Connection closed by peer"), False),
    ],
)
def test_what_a_backend_lacks_is_told_from_what_goes_wrong(error: Exception, answer: bool) -> None:
    assert operations.lacking(error) is answer


def test_what_cannot_be_started_says_so() -> None:
    with pytest.raises(UsageError, match="nobody to talk to"):
        ranks.check(ranks.Settings(sys.executable, 1, "gloo"))
    with pytest.raises(MachineError, match="no-python cannot be used: cannot start"):
        ranks.choose(str(HERE / "no-python"), "gloo", 2)
    with pytest.raises(MachineError, match="cannot start"):
        ranks.check(ranks.Settings(str(HERE / "no-python"), 2, "gloo"))
    if not torch.cuda.is_available():
        with pytest.raises(MachineError, match=r"could not be checked: .*no CUDA device"):
            ranks.check(ranks.Settings(sys.executable, 2, "nccl", 20.0))
