"""The capture file: what it holds, what it leaves out, and that a hostile one is refused without anything being run."""

from __future__ import annotations

import copy
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from replay import loops
from replay.test_devices import Faulty, nan_first
from torch import nn

import hwcompat
from hwcompat import replay


def captured(path: Path, include_inputs: bool) -> Any:
    """A watch that stopped at an overflow in half precision, and wrote it down."""
    torch.manual_seed(0)
    model = loops.mlp()
    nn.init.constant_(model[2].bias, 13.0)
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    watch = hwcompat.watch(model, optimizer=optimizer)
    train_step = loops.step_of(model, optimizer, lambda p, y: torch.exp(p.half()).mean())
    assert loops.run(watch, train_step, loops.pairs()).cause == "fp16-overflow"
    watch.save_capture(path, include_inputs=include_inputs)
    return watch


@pytest.mark.parametrize("include_inputs", [False, True])
def test_a_capture_replays_to_the_same_cause(tmp_path: Path, include_inputs: bool) -> None:
    captured(tmp_path / "bad.capture", include_inputs)
    capture = replay.load_capture(tmp_path / "bad.capture")
    again = replay.replay_capture(capture)
    assert capture["op"] == "aten.exp.default"
    assert again.wrong
    assert again.finding.cause == "fp16-overflow"
    assert again.made_up is not include_inputs


def test_without_asking_no_input_leaves_the_machine_and_never_a_path(tmp_path: Path) -> None:
    captured(tmp_path / "bad.capture", False)
    plain = torch.load(tmp_path / "bad.capture", weights_only=True)
    assert plain["args"][0]["tensor"]["data"] is None
    assert plain["args"][0]["tensor"]["shape"] == [16, 1]
    assert plain["place"]["source"].startswith("test_capture.py:")
    content = (tmp_path / "bad.capture").read_bytes()
    assert str(Path(__file__).parent).encode() not in content
    assert str(Path.home()).encode() not in content or str(Path.home()) == "/"


def test_a_fault_of_the_device_replays_as_the_device_stands(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = loops.mlp(outputs=4)
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    watch = hwcompat.watch(model, optimizer=optimizer)
    train_step = loops.step_of(
        model, optimizer, lambda p, y: nn.functional.cross_entropy(p.float(), y), amp=torch.float16
    )
    device = Faulty(["addmm"], nan_first, when=lambda args, out: out.shape[1] == 4)
    with device:
        loops.run(watch, train_step, loops.labelled())
    watch.save_capture(tmp_path / "card.capture", include_inputs=True)
    capture = replay.load_capture(tmp_path / "card.capture")
    assert not replay.replay_capture(capture).wrong
    with device:
        assert replay.replay_capture(capture).finding.cause == "hardware"


def test_there_is_nothing_to_capture_in_a_healthy_run(tmp_path: Path) -> None:
    model = loops.mlp()
    watch = hwcompat.watch(model, optimizer=torch.optim.SGD(model.parameters(), 0.1))
    with pytest.raises(replay.CaptureError):
        watch.save_capture(tmp_path / "none.capture")
    assert not list(tmp_path.iterdir())


class Bomb:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("touched-by-a-pickle"),)


def test_a_pickle_that_runs_code_is_refused_and_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"kind": "hwcompat-capture", "args": Bomb()}, "bomb.capture")
    Path("raw.capture").write_bytes(pickle.dumps(Bomb()))
    for name in ("bomb.capture", "raw.capture"):
        with pytest.raises(replay.CaptureError):
            replay.load_capture(name)
    assert not Path("touched-by-a-pickle").exists()


def test_an_archive_that_unpacks_to_more_is_refused(tmp_path: Path) -> None:
    captured(tmp_path / "good.capture", False)
    with (
        zipfile.ZipFile(tmp_path / "good.capture") as good,
        zipfile.ZipFile(tmp_path / "bomb.capture", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for entry in good.infolist():
            bomb.writestr(entry.filename, good.read(entry))
        bomb.writestr("archive/data/99", b"\0" * (1 << 20))
    with pytest.raises(replay.CaptureError, match="compressed"):
        replay.load_capture(tmp_path / "bomb.capture")


def put(content: Any, path: list[Any], value: Any) -> Any:
    changed = copy.deepcopy(content)
    target = changed
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    return changed


HOSTILE = [
    (["op"], "aten.from_file.default"),
    (["op"], "aten.full.default"),
    (["op"], "os.system"),
    (["op"], "aten.exp.default.__class__"),
    (["schema"], 99),
    (["args"], "x" * 10),
    (["args", 0], {"tensor": {}}),
    (["args", 0, "tensor", "shape"], [1 << 40]),
    (["args", 0, "tensor", "shape"], [-1, 1]),
    (["args", 0, "tensor", "stride"], [1 << 40, 1]),
    (["args", 0, "tensor", "dtype"], "__class__"),
    (["args", 0, "tensor", "largest"], "inf"),
    (["args", 0], {"value": 1 << 40}),
    (["args", 0], {"list": [{"list": [{"list": [{"list": [{"list": [{"list": []}]}]}]}]}]}),
    (["kwargs"], {"a b": {"value": 1}}),
    (["finding", "evidence"], ["x" * 5000]),
    (["versions"], {"torch": [[[[[[1]]]]]]}),
]


@pytest.mark.parametrize(("path", "value"), HOSTILE, ids=str)
def test_a_capture_with_anything_odd_is_refused_in_one_line(tmp_path: Path, path: list[Any], value: Any) -> None:
    captured(tmp_path / "good.capture", True)
    content = put(torch.load(tmp_path / "good.capture", weights_only=True), path, value)
    torch.save(content, tmp_path / "odd.capture")
    with pytest.raises(replay.CaptureError) as told:
        replay.replay_capture(replay.load_capture(tmp_path / "odd.capture"))
    assert "\n" not in str(told.value)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_file_never_gets_through(tmp_path: Path, data: Any) -> None:
    good = tmp_path / "good.capture"
    if not good.exists():
        captured(good, True)
    content = bytearray(good.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    kind = data.draw(st.sampled_from(["cut", "flip", "insert"]))
    if kind == "cut":
        content = content[:at]
    elif kind == "flip":
        content[at] ^= data.draw(st.integers(1, 255))
    else:
        content[at:at] = data.draw(st.binary(min_size=1, max_size=8))
    damaged = tmp_path / "damaged.capture"
    damaged.write_bytes(bytes(content))
    told = ""
    try:
        replay.replay_capture(replay.load_capture(damaged))
    except replay.CaptureError as error:
        told = str(error)
    assert "\n" not in told
