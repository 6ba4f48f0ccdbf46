"""`hwcompat probe --capture FILE`: a capture from a training, replayed here; a corrupt one is refused, nothing run."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from hwcompat import recapture
from hwcompat.errors import DataError, MachineError

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def captures(tmp_path_factory):
    """(a capture with inputs, one without) of an overflow in a float16 product that was watched."""
    torch = pytest.importorskip("torch")
    import hwcompat

    torch.manual_seed(0)
    model = torch.nn.Linear(8, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watch = hwcompat.watch(model, optimizer=optimizer)

    def step(x):
        out = model(x)
        half = (300 * out).half()
        loss = torch.mm(half, half.t()).float().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    watch.step(step, torch.randn(6, 8))
    assert watch.finding.cause == "fp16-overflow", watch.finding
    folder = tmp_path_factory.mktemp("captures")
    watch.save_capture(str(folder / "full.capture"), include_inputs=True)
    watch.save_capture(str(folder / "bare.capture"))
    return folder / "full.capture", folder / "bare.capture"


def command(*arguments):
    line = [sys.executable, "-m", "hwcompat", "probe", *map(str, arguments)]
    return subprocess.run(line, cwd=REPOSITORY, capture_output=True, text=True, timeout=600)


def test_an_operation_that_leaves_its_range_is_no_fault_of_the_machine(captures):
    done = command("--capture", captures[0], "--device", "cpu", "--python", sys.executable, "--check")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("cpu, torch ")
    assert ": pass: aten.mm.default float16 [6, 4] x [4, 6]" in lines[0]
    assert lines[1].startswith("do: ")
    assert "fp16-overflow" in done.stdout
    assert "caution" not in done.stdout
    assert done.stdout.isascii()


def test_without_inputs_it_says_that_numbers_stood_for_them(captures):
    done = command("--capture", captures[1], "--device", "cpu", "--python", sys.executable, "--json")
    told = json.loads(done.stdout)
    assert told["made_up"] is True
    assert told["inputs"] is False
    assert told["there"]["finding"]["cause"] == "fp16-overflow"


class Evil:
    def __reduce__(self):
        return Path.touch, (Path("executed"),)


@pytest.mark.parametrize("kind", ["empty", "text", "pickle", "cut"])
def test_a_corrupt_capture_is_refused_and_nothing_of_it_is_run(captures, tmp_path, kind):
    full = captures[0].read_bytes()
    content = {"empty": b"", "text": b"hello", "pickle": pickle.dumps(Evil()), "cut": full[: len(full) // 2]}[kind]
    path = tmp_path / "bad.capture"
    path.write_bytes(content)
    done = command("--capture", path, "--python", sys.executable)
    assert done.returncode == 4
    assert "unusable capture" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(REPOSITORY.glob("executed"))


def test_a_missing_file_and_a_missing_device_are_told(captures, tmp_path):
    assert command("--capture", tmp_path / "none.capture").returncode == 4
    missing = command("--capture", captures[0], "--device", "cuda:7", "--python", sys.executable)
    assert missing.returncode == 3
    assert "no device cuda:7" in missing.stderr


def told(wrong, cause=None, kind=""):
    finding = cause and {"cause": cause, "certainty": "proved", "kind": kind, "evidence": ["a line"], "remedy": "do it"}
    there = {"device": "card", "torch": "2.1.0", "finding": {"cause": "hardware", "certainty": "proved"}}
    return {
        "op": "aten.mm.default", "dtype": "float16", "shapes": [[2, 2]], "wrong": wrong, "finding": finding,
        "here": {"device": "here", "torch": "2.2.0"}, "there": there, "made_up": False, "note": "", "inputs": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (told(False), "pass"),
        (told(True, "fp16-overflow"), "pass"),
        (told(True, "hardware", "persistent"), "fail"),
        (told(True, "hardware", "transient"), "flaky"),
        (told(True, "library"), "fail"),
        (told(True, "unknown"), "fail"),
    ],
)
def test_the_status_blames_the_machine_only_for_what_is_its_own(answer, status):
    found = recapture.judged(answer)
    assert found.status == status
    assert f"here, torch 2.2.0: {status}: aten.mm.default" in recapture.lines(found)[0]


def test_what_the_replay_cannot_do_becomes_an_error_with_a_hint():
    with pytest.raises(DataError, match="unusable capture: not a capture file"):
        recapture.judged({"refused": "not a capture file"})
    with pytest.raises(MachineError, match="no device"):
        recapture.judged({"missing": "no device cuda:9 here"})


def test_a_capture_becomes_the_skeleton_of_a_probe_without_its_numbers(captures):
    script = REPOSITORY / "scripts" / "probe_from_capture.py"
    done = subprocess.run([sys.executable, script, captures[0]], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    names: dict[str, object] = {}
    exec(compile(done.stdout, "skeleton", "exec"), names)  # our own text
    assert names["INPUTS"] == (((6, 4), (4, 1), "float16"), ((4, 6), (1, 4), "float16"))
    assert "K = 4 products is at most\n4 * 22 ** 2 = 1936 <= 2 ** 11" in done.stdout
    torch = pytest.importorskip("torch")
    generator = torch.Generator().manual_seed(0)
    made = [names["made"](torch, generator, *one) for one in names["INPUTS"]]  # type: ignore[operator]
    assert [(t.stride(), t.dtype) for t in made] == [((4, 1), torch.float16), ((1, 4), torch.float16)]
    exact = made[0].double() @ made[1].double()
    assert (exact.abs() <= 2**11).all()


def test_the_script_refuses_what_is_no_capture(tmp_path):
    (tmp_path / "bad").write_bytes(b"no")
    script = REPOSITORY / "scripts" / "probe_from_capture.py"
    done = subprocess.run([sys.executable, script, tmp_path / "bad"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 4
    assert "unusable capture" in done.stderr
