"""The emitted file against real Ultralytics releases, one from each key era: it loads strictly, and training starts.

scripts/make_client_environments.py builds the environments; HWCOMPAT_TEST_CLIENTS names their folder.
"""

from __future__ import annotations

import struct
import zlib

import pytest
import yaml
from clients import launching

from hwcompat import emitters
from hwcompat.model import Gpu, Recommendation, Setting, Verdict

VERSIONS = launching.versions("ultralytics")


def recommendation(amp, half, dtype, **verdicts):
    values = {"amp": amp, "half": half, "dtype": dtype}
    return Recommendation(
        settings={name: Setting(value, "as tested: a # and a : in a reason") for name, value in values.items()},
        pin=None,
        verdicts={name: Verdict(word) for name, word in verdicts.items()},
        gpus=(Gpu("NVIDIA Test", chip="TU116"),),
        evidence=("known fault: fp16 convolution",),
    )


CASES = {
    "faulty": recommendation(False, False, "float32", fp16="faulty", amp_fp16="faulty"),
    "good bf16": recommendation(
        True, True, "bfloat16", **dict.fromkeys(("fp16", "bf16", "amp_fp16", "amp_bf16"), "ok")
    ),
    "unknown": recommendation(False, False, "float32"),
}


def number(version):
    return tuple(int(part) for part in version.split("."))


def expected(case, version):
    """What each release must make of the file: written from its default.yaml, not from the emitter."""
    words, quantize = number(version) >= (8, 4, 130), number(version) >= (8, 4, 80)
    on = case == "good bf16"
    amp = ("bf16" if words else True) if on else False
    return {
        "amp": amp,
        "half": "absent" if quantize else on,
        "quantize": (16 if on else None) if quantize else "absent",
    }


def run(version, script, *arguments, folder):
    return launching.run(
        f"ultralytics-{version}", launching.HERE / script, *arguments, folder=folder, stub=True, timeout=600,
        YOLO_CONFIG_DIR=str(folder), YOLO_VERBOSE="true", YOLO_AUTOINSTALL="false", YOLO_OFFLINE="true",
        MPLBACKEND="Agg", WANDB_DISABLED="true",
        # Releases before 8.2 read their own checkpoint back in a way that torch refuses by default since 2.6.
        TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD="1",
    )  # fmt: skip


def load(version, text, folder):
    file = folder / "cfg.yaml"
    file.write_text(text, encoding="utf-8", newline="\n")
    return run(version, "load_ultralytics.py", file, folder=folder)


@launching.needs_clients
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES)
def test_the_file_loads_strictly_and_means_what_was_meant(case, version, tmp_path):
    done = load(version, emitters.render(CASES[case], "ultralytics", version), tmp_path)
    found = launching.effective(done)
    assert found == expected(case, version)
    assert type(found["amp"]) is type(expected(case, version)["amp"])
    assert "deprecat" not in (done.stdout + done.stderr).lower()


@launching.needs_clients
@pytest.mark.parametrize("version", VERSIONS)
def test_the_file_for_an_unknown_version_loads_in_every_version(version, tmp_path):
    done = load(version, emitters.render(CASES["faulty"], "ultralytics", None), tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert '"amp": false' in done.stdout


@launching.needs_clients
@pytest.mark.parametrize("version", VERSIONS)
def test_a_wrong_key_is_refused_so_the_load_is_a_real_test(version, tmp_path):
    text = emitters.render(CASES["faulty"], "ultralytics", version)
    wrong = ["dtype: float32\n", "quantize: null\n" if number(version) < (8, 4, 80) else "hwcompat: 1\n"]
    for line in wrong:
        done = load(version, text + line, tmp_path)
        assert done.returncode != 0
        assert "SyntaxError" in done.stderr


# --- a launch ---------------------------------------------------------------------------------------------------------


def png(path, shade):
    """A 64 x 64 grey picture with a brighter square, written without any imaging library."""
    rows = b"".join(
        b"\0" + bytes(255 if 16 <= x < 48 and 16 <= y < 48 else shade for x in range(64) for _ in range(3))
        for y in range(64)
    )
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    parts = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def dataset(folder):
    for kind in ("images", "labels"):
        (folder / "data" / kind).mkdir(parents=True)
    for n in range(4):
        png(folder / "data" / "images" / f"{n}.png", 40 * n)
        (folder / "data" / "labels" / f"{n}.txt").write_text("0 0.5 0.5 0.5 0.5\n", encoding="utf-8")
    description = {"path": str(folder / "data"), "train": "images", "val": "images", "names": {0: "square"}}
    (folder / "data.yaml").write_text(yaml.safe_dump(description), encoding="utf-8")
    return folder / "data.yaml"


@launching.needs_clients
@pytest.mark.parametrize("version", VERSIONS)
def test_training_starts_with_the_file_and_keeps_amp_off(version, tmp_path):
    cfg = tmp_path / "cfg.yaml"
    cfg.write_text(emitters.render(CASES["faulty"], "ultralytics", version), encoding="utf-8", newline="\n")
    model = "yolo26n.yaml" if number(version) >= (8, 4, 80) else "yolov8n.yaml"
    done = run(
        version, "train_ultralytics.py", "detect", "train", f"cfg={cfg}", f"model={model}", f"data={dataset(tmp_path)}",
        "epochs=1", "imgsz=64", "batch=4", "device=cpu", "workers=0", "plots=False", f"project={tmp_path / 'runs'}",
        "name=run", folder=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    written = yaml.safe_load((tmp_path / "runs" / "run" / "args.yaml").read_text(encoding="utf-8"))
    assert written["amp"] is False
    assert (tmp_path / "runs" / "run" / "weights" / "last.pt").exists()
    fetched = [path for path in tmp_path.rglob("*.pt") if "weights" not in path.parts]
    assert not fetched
