"""The adapters of `hwcompat.watching` in real releases of the clients: broken trainings named, healthy ones left alone.

scripts/make_client_environments.py builds the environments; HWCOMPAT_TEST_CLIENTS names their folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from clients import launching
from clients.test_ultralytics import dataset, png

import hwcompat
from hwcompat import watching

REPOSITORY = Path(__file__).resolve().parents[2]
COMMON = ("healthy", "healthy+", "nan+", "overflow+", "lr+")
LIGHTNING = (*COMMON, "scaler", "scaler+", "scaler-nan+", "accumulate", "accumulate+", "accumulate-nan+", "label+")
MANUAL = ("manual", "manual+", "manual-nan+")
YOLO = ("healthy", "healthy+", "nan+", "overflow+")


def ends(versions):
    """The oldest and the newest."""
    return [versions[0], versions[-1]]


def answers(environment, program, *arguments, folder, stub=False):
    done = launching.run(environment, launching.HERE / program, *arguments, folder=folder, stub=stub, timeout=900)
    return launching.effective(done)["answers"]


@pytest.fixture(scope="module", params=ends(launching.versions("pytorch_lightning")))
def lightning(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lightning")
    return answers(f"pytorch_lightning-{request.param}", "watch_lightning.py", *LIGHTNING, *MANUAL, folder=folder)


@pytest.fixture(scope="module", params=ends(launching.versions("transformers")))
def transformers(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("transformers")
    return answers(f"transformers-{request.param}", "watch_transformers.py", *LIGHTNING, folder=folder)


@pytest.fixture(scope="module", params=ends(launching.versions("ultralytics")))
def ultralytics(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("yolo")
    data = dataset(folder)
    for n in range(4, 16):
        png(folder / "data" / "images" / f"{n}.png", 13 * n)
        (folder / "data" / "labels" / f"{n}.txt").write_text("0 0.5 0.5 0.5 0.5\n", encoding="utf-8")
    model = "yolo26n.yaml" if request.param.startswith("8.4") else "yolov8n.yaml"
    program = "watch_ultralytics.py"
    return answers(f"ultralytics-{request.param}", program, data, model, *YOLO, folder=folder, stub=True)


def assert_named(found, cause, step, *certainties):
    """Named, ended at the bad step, and with weights that are as before it."""
    assert found["finding"], found
    assert (found["finding"]["cause"], found["finding"]["step"]) == (cause, step), found["text"]
    assert found["finding"]["certainty"] in certainties
    assert found["finite"]


def assert_left_alone(found, *pairs):
    """Not one bit of the weights differs, and nothing was said."""
    for plain, watched in pairs:
        assert found[watched].get("finding") is None, found[watched]["text"]
        assert found[plain].get("weights") == found[watched].get("weights")
        assert found[plain].get("steps") == found[watched].get("steps")


@launching.needs_clients
def test_lightning(lightning):
    pairs = [("healthy", "healthy+"), ("scaler", "scaler+"), ("accumulate", "accumulate+"), ("manual", "manual+")]
    assert_left_alone(lightning, *pairs)
    for job in ("nan+", "accumulate-nan+", "manual-nan+", "scaler-nan+"):
        if "skipped" not in lightning[job]:
            assert_named(lightning[job], "bad-data", 5, "proved")
            assert lightning[job]["finding"]["sample"] == 2
    assert lightning["nan+"]["steps"] == 6
    assert_named(lightning["overflow+"], "fp16-overflow", 5, "proved")
    assert lightning["overflow+"]["finding"]["module"] == "body.2"
    assert 'precision="32-true"' in lightning["overflow+"]["finding"]["remedy"] or "bf16-mixed" in str(lightning)
    assert lightning["lr+"]["finding"]["cause"] == "learning-rate", lightning["lr+"]["text"]
    assert "configure_optimizers" in lightning["lr+"]["finding"]["remedy"]
    assert_named(lightning["label+"], "bad-labels", 5, "proved")
    assert lightning["label+"]["error"] == "IndexError"


@launching.needs_clients
def test_transformers(transformers):
    pairs = [("healthy", "healthy+"), ("scaler", "scaler+"), ("accumulate", "accumulate+")]
    assert_left_alone(transformers, *pairs)
    for job in ("nan+", "accumulate-nan+", "scaler-nan+"):
        assert_named(transformers[job], "bad-data", 5, "proved")
        assert transformers[job]["finding"]["sample"] == 2
    assert transformers["nan+"]["steps"] == 6
    assert_named(transformers["overflow+"], "fp16-overflow", 5, "proved")
    assert "fp16=False" in transformers["overflow+"]["finding"]["remedy"]
    assert transformers["lr+"]["finding"]["cause"] == "learning-rate", transformers["lr+"]["text"]
    assert "learning_rate" in transformers["lr+"]["finding"]["remedy"]
    assert_named(transformers["label+"], "bad-labels", 5, "proved")
    assert all(found["clean"] for found in transformers.values()), "nothing of the watch is left on the Trainer"


@launching.needs_clients
def test_ultralytics(ultralytics):
    assert_left_alone(ultralytics, ("healthy", "healthy+"))
    assert ultralytics["healthy"]["ema"] == ultralytics["healthy+"]["ema"]
    assert_named(ultralytics["nan+"], "bad-data", 2, "proved")
    assert ultralytics["nan+"]["finding"]["sample"] == 1
    assert ultralytics["nan+"]["steps"] == 3
    assert_named(ultralytics["overflow+"], "fp16-overflow", 2, "proved")
    assert "amp=False" in ultralytics["overflow+"]["finding"]["remedy"]
    assert "resume" in ultralytics["overflow+"]["finding"]["remedy"]


LAUNCHED = [
    *(
        (f"pytorch_lightning-{v}", "lightning", "pytorch_lightning")
        for v in ends(launching.versions("pytorch_lightning"))
    ),
    *((f"lightning-{v}", "lightning", "lightning.pytorch") for v in launching.versions("lightning")),
    *((f"transformers-{v}", "transformers", "") for v in ends(launching.versions("transformers"))),
]


@launching.needs_clients
@pytest.mark.parametrize(("environment", "client", "package"), LAUNCHED, ids=[each[0] for each in LAUNCHED])
def test_a_client_in_an_unedited_program_gets_its_adapter_and_trains_to_its_end(environment, client, package, tmp_path):
    out = tmp_path / "found.json"
    program = launching.HERE / "launch_client.py"
    variables = {
        **os.environ, "PYTHONPATH": str(Path(launching.FOLDER or "") / environment), "PACKAGE": package,
        "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1",
    }  # fmt: skip
    code = f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); from hwcompat.cli import run; run(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, "diagnose", "--json", "-o", str(out), "--",
         str(launching.python()), str(program), client],
        cwd=tmp_path, env=variables, capture_output=True, text=True, encoding="utf-8", timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "STEPS 6" in done.stdout, "the program is never stopped"
    found = json.loads(out.read_text(encoding="utf-8"))
    assert found["processes"][0]["client"] == client
    first = found["findings"][0]
    assert (first["cause"], first["step"], first["sample"]) == ("bad-data", 3, 1), first["text"]


def test_the_module_is_light():
    code = (
        "import sys; from hwcompat import watching; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_is_no_model_is_refused():
    pytest.importorskip("torch")
    with pytest.raises(TypeError, match="the model whose train"):
        watching.ultralytics("yolo11n.pt")


def test_every_remedy_is_for_a_cause_that_exists_and_is_documented():
    pytest.importorskip("torch")
    from hwcompat.replay import CAUSES
    from hwcompat.replay.adapters import CLIENTS, remedies

    assert set(remedies.REMEDIES) == set(CLIENTS) == set(remedies.CHECKPOINT) == set(remedies.NAMES)
    for table in remedies.REMEDIES.values():
        assert set(table) <= set(CAUSES)
        assert all(text and url.startswith("https://") for text, url in table.values())
        assert {"hardware", "fp16-overflow", "learning-rate"} <= set(table)


def test_a_finding_keeps_its_own_remedy_beside_the_clients_words():
    pytest.importorskip("torch")
    from hwcompat.replay.adapters import remedies

    plain = hwcompat.Finding("fp16-overflow", "proved", 3, remedy="compute in float32")
    told = remedies.in_words_of("ultralytics", plain).remedy
    assert told.startswith("compute in float32; Ultralytics: train(amp=False)")
    assert remedies.in_words_of("nobody", plain) == plain
