"""Each check of settings: a file in which it speaks, and nearly the same file in which it is silent."""

from __future__ import annotations

import importlib
import json
import os
import re
from dataclasses import replace
from pathlib import Path

import hypothesis
import pytest
import yaml
from diagnosing import FAULTY, GOOD, OLD, clue, found, known, written
from hypothesis import given
from hypothesis import strategies as st

from hwcompat import diagnose
from hwcompat.diagnose.checks.weight_decay import bound
from hwcompat.diagnose.config import check_names, formats, read_config
from hwcompat.errors import DataError, UsageError
from hwcompat.model import Verdict
from hwcompat.tables import data_folders

YOLO = "task: detect\nimgsz: 640\nclose_mosaic: 10\n"
HYP = "anchor_t: 4.0\nfl_gamma: 0.0\niou_t: 0.2\nobj: 1.0\n"
HF = "output_dir: out\nper_device_train_batch_size: 8\nnum_train_epochs: 3\n"
TIMM = "model: resnet50\nopt_eps: 1.0e-8\nsched: cosine\ndrop_path: 0.1\n"
LIGHT = "trainer:\n  max_epochs: 3\n  accelerator: gpu\n"
ACC = "compute_environment: LOCAL_MACHINE\ndistributed_type: 'NO'\nmachine_rank: 0\n"


def ds(**blocks: object) -> str:
    return json.dumps({"train_micro_batch_size_per_gpu": 4, "zero_optimization": {"stage": 1}, **blocks}, indent=1)


def asked(folder: Path, text: str, gpu: str | None = GOOD, version: str | None = None) -> diagnose.Answer:
    name = "settings.json" if text.startswith("{") else "settings.yaml"
    return diagnose.settings(written(folder, name, text), known(gpu), None, version)


# check, text that makes it speak, text that does not, card, version
CASES = [
    ("config.unknown-key", YOLO + "optimzer: SGD\n", YOLO + "optimizer: SGD\n", GOOD, "8.3.250"),
    ("config.unknown-key", YOLO + "quantize: 16\n", YOLO + "half: true\n", GOOD, "8.4.79"),
    ("config.unknown-key", YOLO + "half: true\n", YOLO + "quantize: 16\n", GOOD, "8.4.80"),
    ("config.unknown-key", HF + "no_cuda: true\n", HF + "use_cpu: true\n", GOOD, "5.23.0"),
    ("config.unknown-key", HF + "learning_rat: 1.0\n", HF + "model_name_or_path: t5\n", GOOD, "5.23.0"),
    ("config.unknown-key", ACC + "mixed_precison: 'no'\n", ACC + "mixed_precision: 'no'\n", GOOD, "1.15.0"),
    ("config.unknown-key", TIMM + "amp_dtyp: float16\n", TIMM + "amp_dtype: float16\n", GOOD, "1.0.28"),
    ("config.unknown-key", LIGHT + "  precison: 32\n", LIGHT + "  precision: 32\n", GOOD, "2.6.6"),
    ("config.unknown-key", ds(fp16={"enabled": True, "foo": 1}), ds(fp16={"enabled": True}), GOOD, "0.19.8"),
    ("config.unknown-key", HYP + "lr: 0.01\nlr_0: 1\n", HYP + "lr0: 0.01\n", GOOD, "7.0"),
    ("config.key-by-version", YOLO + "half: true\n", YOLO + "amp: true\n", GOOD, None),
    ("hardware.faulty", YOLO + "amp: true\n", YOLO + "amp: false\n", FAULTY, "8.3.250"),
    ("hardware.faulty", YOLO, YOLO + "amp: false\n", FAULTY, "8.3.250"),
    ("hardware.faulty", YOLO + "amp: false\n", YOLO + "amp: false\n# on a card that is fine\n", FAULTY, "8.2.90"),
    ("hardware.faulty", HF + "fp16: true\n", HF + "fp16: false\n", FAULTY, None),
    ("hardware.faulty", ACC + "mixed_precision: fp16\n", ACC + "mixed_precision: 'no'\n", FAULTY, None),
    ("hardware.faulty", ds(fp16={"enabled": True}), ds(fp16={"enabled": False}), FAULTY, None),
    ("hardware.faulty", LIGHT + "  precision: 16-mixed\n", LIGHT + "  precision: 32-true\n", FAULTY, None),
    ("hardware.faulty", TIMM + "amp: true\n", TIMM + "amp: false\n", FAULTY, None),
    ("hardware.faulty", HYP + "lr0: 0.01\n", HYP + "lr0: 0.01\n", FAULTY, None),
    ("hardware.emulated", HF + "bf16: true\n", HF + "bf16: false\n", FAULTY, None),
    ("config.both-dtypes", HF + "fp16: true\nbf16: true\n", HF + "bf16: true\n", GOOD, None),
    (
        "config.both-dtypes",
        ds(fp16={"enabled": True}, bf16={"enabled": True}),
        ds(fp16={"enabled": True}, bf16={"enabled": False}),
        GOOD,
        None,
    ),
    ("config.text-for-boolean", HF + 'fp16: "no"\n', HF + "fp16: no\n", GOOD, None),
    ("config.amp-word", YOLO + "amp: 1\n", YOLO + "amp: true\n", GOOD, None),
    ("config.amp-word", YOLO + 'amp: "True"\n', YOLO + "amp: True\n", GOOD, None),
    ("config.amp-word", YOLO + "amp:\n", YOLO + "amp: false\n", GOOD, None),
    ("config.amp-word-too-new", YOLO + "amp: bf16\n", YOLO + "amp: true\n", GOOD, "8.4.128"),
    ("config.half-does-not-train", YOLO + "half: true\n", YOLO + "mode: predict\nhalf: true\n", GOOD, None),
    ("config.yaml-no", ACC + "mixed_precision: no\n", ACC + "mixed_precision: 'no'\n", GOOD, None),
    ("config.precision-word", ACC + "mixed_precision: float16\n", ACC + "mixed_precision: fp16\n", GOOD, None),
    ("config.precision-word", LIGHT + "  precision: fp16\n", LIGHT + "  precision: bf16-mixed\n", GOOD, "2.6.6"),
    ("config.precision-word", LIGHT + "  precision: 16-mixed\n", LIGHT + "  precision: 16\n", GOOD, "1.9.5"),
    ("config.auto", ds(fp16={"enabled": "auto"}), ds(fp16={"enabled": False}), GOOD, None),
    ("config.apex", ds(amp={"enabled": True}), ds(amp={"enabled": False}), GOOD, None),
    ("config.number-is-text", YOLO + "lr0: 1e-3\n", YOLO + "lr0: 1.0e-3\n", GOOD, None),
    ("config.nonfinite", YOLO + "lr0: .nan\n", YOLO + "lr0: 0.01\n", GOOD, None),
    ("config.negative", HF + "weight_decay: -0.1\n", HF + "weight_decay: 0.1\n", GOOD, None),
    ("config.optimizer-auto", YOLO + "lr0: 0.001\n", YOLO + "lr0: 0.001\noptimizer: SGD\n", GOOD, None),
    ("config.lr-high", HF + "learning_rate: 0.1\n", HF + "learning_rate: 5.0e-5\n", GOOD, None),
    ("config.lr-high", YOLO + "optimizer: AdamW\nlr0: 0.02\n", YOLO + "optimizer: SGD\nlr0: 0.02\n", GOOD, None),
    ("config.lr-high", TIMM + "opt: sgd\nlr: 20\n", TIMM + "opt: sgd\nlr: 0.1\n", GOOD, None),
    ("config.lr-zero", TIMM + "opt: sgd\nlr: 0.0\n", TIMM + "opt: sgd\nlr: 0.1\n", GOOD, None),
    (
        "config.warmup-bias-lr",
        YOLO + "optimizer: Adam\nwarmup_bias_lr: 0.1\n",
        YOLO + "optimizer: SGD\nwarmup_bias_lr: 0.1\n",
        GOOD,
        None,
    ),
    ("config.warmup-bias-lr", HYP + "warmup_bias_lr: 10.0\n", HYP + "warmup_bias_lr: 0.1\n", GOOD, None),
    (
        "config.lr-times-decay",
        TIMM + "opt: adamw\nlr: 0.1\nweight_decay: 30\n",
        TIMM + "opt: adam\nlr: 0.1\nweight_decay: 30\n",
        GOOD,
        None,
    ),
    ("config.decay-large",
     HYP + "lr0: 0.1\nweight_decay: 1.0\n", HYP + "lr0: 0.01\nweight_decay: 0.0005\n",
     GOOD, None),
    (
        "config.eps-in-fp16",
        TIMM + "model_dtype: float16\n",
        TIMM + "amp: true\namp_dtype: float16\n",
        GOOD,
        None,
    ),
    ("config.eps-zero", HF + "adam_epsilon: 0.0\n", HF + "adam_epsilon: 1.0e-8\n", GOOD, None),
    ("config.no-scaler", LIGHT + "  precision: 16-true\n", LIGHT + "  precision: 16-mixed\n", GOOD, None),
    ("config.no-scaler",
     ds(fp16={"enabled": True, "loss_scale": 1}), ds(fp16={"enabled": True, "loss_scale": 0}),
     GOOD, None),
    ("config.scale-large",
     ds(fp16={"enabled": True, "loss_scale": 1e6}), ds(fp16={"enabled": False, "loss_scale": 1e6}),
     GOOD, None),
    (
        "config.scale-large",
        ds(fp16={"enabled": True, "initial_scale_power": 32}),
        ds(fp16={"enabled": True, "initial_scale_power": 16}),
        GOOD,
        None,
    ),
    ("config.hysteresis",
     ds(fp16={"enabled": True, "hysteresis": 50}), ds(fp16={"enabled": True, "hysteresis": 2}),
     GOOD, None),
    (
        "config.least-scale",
        ds(fp16={"enabled": True, "min_loss_scale": 131072}),
        ds(fp16={"enabled": True, "min_loss_scale": 1}),
        GOOD,
        None,
    ),
    (
        "config.scale-window",
        ds(fp16={"enabled": True, "loss_scale_window": 5}),
        ds(fp16={"enabled": True, "loss_scale_window": 1000}),
        GOOD,
        None,
    ),
    ("config.fp16-without-zero",
     ds(fp16={"enabled": True}, zero_optimization={"stage": 0}), ds(fp16={"enabled": True}),
     GOOD, "0.19.8"),
    ("config.resume", YOLO + "resume: runs/last.pt\n", YOLO + "resume: false\n", GOOD, None),
    ("config.no-clipping", HF + "max_grad_norm: 0.0\n", HF + "max_grad_norm: 1.0\n", GOOD, None),
    ("config.nan-filter", HF, HF + "logging_nan_inf_filter: false\n", GOOD, None),
    ("config.full-eval", HF + "fp16_full_eval: true\n", HF + "fp16_full_eval: false\n", GOOD, None),
    ("config.batch-of-one", YOLO + "batch: 1\n", YOLO + "batch: 16\n", GOOD, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("check", "wrong", "right", "gpu", "version"), CASES, ids=[f"{n}-{c[0]}" for n, c in enumerate(CASES)]
)
def test_a_check_speaks_where_it_should_and_is_silent_otherwise(tmp_path, check, wrong, right, gpu, version):
    answer = asked(tmp_path, wrong, gpu, version)
    assert check in found(answer)
    told = clue(answer, check)
    assert told.source
    assert all(place.file.endswith((".yaml", ".json")) for place in told.places)
    healthy_card = right == wrong or "on a card that is fine" in right
    assert check not in found(asked(tmp_path, right, GOOD if healthy_card else gpu, version))


def test_every_check_of_settings_has_a_case() -> None:
    folder = Path(diagnose.__file__).parent / "checks"
    ids = {
        one
        for name in check_names()
        for one in re.findall(
            r'"((?:config|hardware)\.[a-z0-9-]+)"', (folder / f"{name}.py").read_text(encoding="utf-8")
        )
    }
    assert ids - {case[0] for case in CASES} == {"hardware.unsupported", "hardware.float32-faulty"}
    assert len(formats()) == 7


@pytest.mark.parametrize(
    ("text", "client"),
    [(YOLO, "ultralytics"), (HYP, "yolov5"), (HF, "transformers"), (TIMM, "timm"), (LIGHT, "lightning"),
     (ACC, "accelerate"), (ds(), "deepspeed"),
     ("# start with: yolo train cfg=cfg.yaml model=... data=...\namp: false\n", "ultralytics")],
)  # fmt: skip
def test_a_file_is_recognised_by_its_keys(tmp_path, text, client):
    name = "settings.json" if text.startswith("{") else "settings.yaml"
    assert read_config(written(tmp_path, name, text), known().keys).client == client


@pytest.mark.parametrize("client", ["ultralytics", "transformers", "accelerate", "deepspeed", "timm"])
def test_what_recommend_writes_has_nothing_to_find(tmp_path, client):
    """On the very machine it was written for, the file of `hwcompat recommend --for` draws no finding."""
    import hwcompat

    for gpu in (FAULTY, GOOD, OLD):
        rec = hwcompat.recommend(gpu=gpu, driver="580.65", os="linux", arch="x86_64", python="3.11")
        text = hwcompat.render(rec, client)
        path = written(tmp_path, "written.json" if text.startswith("{") else "written.yaml", text)
        answer = diagnose.settings(path, known(gpu), client)
        assert [each.check for each in answer.findings] == []


@pytest.mark.parametrize(
    ("optimizer", "momentum", "nesterov"),
    [("sgd", 0.0, False), ("sgd", 0.9, False), ("sgd", 0.937, True), ("adamw", 0.9, False)],
)
@pytest.mark.parametrize("side", [0.99, 1.01])
def test_the_bound_of_weight_decay_is_where_the_recurrence_turns(optimizer, momentum, nesterov, side):
    """Just below the bound the weight shrinks by decay alone, just above it grows."""
    product = bound(optimizer, momentum, nesterov) * side
    weight, velocity = 1.0, 0.0
    for _ in range(20_000):
        gradient = product * weight
        if optimizer == "adamw":
            weight -= gradient
            continue
        velocity = momentum * velocity + gradient
        weight -= gradient + momentum * velocity if nesterov and momentum else velocity
        if abs(weight) > 1e6:
            break
    assert (abs(weight) > 1e3) == (side > 1)


def test_a_place_names_file_line_key_and_the_text_as_written(tmp_path):
    answer = asked(tmp_path, YOLO + "lr0: 1e-3\n")
    place = clue(answer, "config.number-is-text").places[0]
    assert (place.line, place.key, place.value) == (4, "lr0", "1e-3")
    answer = asked(tmp_path, ds(fp16={"enabled": True, "loss_scale": 1}))
    place = clue(answer, "config.no-scaler").places[0]
    text = ds(fp16={"enabled": True, "loss_scale": 1}).splitlines()
    assert "loss_scale" in text[place.line - 1]


def test_the_hardware_comes_first_and_without_a_machine_it_is_said_so(tmp_path):
    answer = asked(tmp_path, YOLO + "optimzer: SGD\namp: true\nlr0: 0.5\n", FAULTY, "8.3.250")
    assert answer.clues[0].check == "hardware.faulty"
    assert "start a new run from pretrained weights" in answer.clues[0].change
    unknown = asked(tmp_path, YOLO + "amp: true\n", None, "8.3.250")
    assert any("no torch here" in gap for gap in unknown.not_checked)


def test_a_file_of_nobody_and_a_client_of_nobody_are_refused(tmp_path):
    with pytest.raises(DataError, match="no client known"):
        asked(tmp_path, "colour: blue\n")
    with pytest.raises(DataError, match="data set"):
        asked(tmp_path, "train: images/train\nval: images/val\nnames: [a]\n")
    with pytest.raises(UsageError, match="no client is called"):
        diagnose.settings(written(tmp_path, "a.yaml", YOLO), known(), "yolo9000")


def test_a_whole_args_yaml_with_defaults_says_nothing_of_folklore(tmp_path):
    """A client's own dump holds every default: none of them is advice that somebody followed."""
    keys = sorted(known().keys.names("ultralytics"))
    text = "".join(f"{key}: {'false' if key == 'half' else 'null'}\n" for key in keys if key not in ("amp", "lr0"))
    answer = asked(tmp_path, text + "amp: false\n", GOOD, "8.3.250")
    assert not [check for check in found(answer) if check.startswith("folklore")]
    assert "folklore.half-does-not-govern-training" in found(asked(tmp_path, YOLO + "half: false\n"))


def verdicts(**words: str) -> diagnose.Knowledge:
    """The knowledge with a machine of these verdicts, as a report of its own would give them."""
    rec = known(GOOD).machine
    told = {
        name: Verdict(word, ("measured here on torch 2.13.0, 2026-11-21, level standard: 3 of 4 values wrong",))
        for name, word in words.items()
    }
    made = replace(rec, verdicts={**rec.verdicts, **told}, trainable=words.get("fp32") != "faulty", warnings=("fp32",))
    return diagnose.Knowledge(data_folders(), lambda: made)


def test_a_precision_that_the_card_lacks_is_told(tmp_path):
    path = written(tmp_path, "a.yaml", HF + "bf16: true\n")
    assert "hardware.unsupported" in found(diagnose.settings(path, verdicts(amp_bf16="unsupported")))
    assert not [c for c in found(diagnose.settings(path, verdicts(amp_bf16="ok"))) if c.startswith("hardware")]


def test_where_float32_is_faulty_nothing_else_matters(tmp_path):
    path = written(tmp_path, "a.yaml", HF + "fp16: true\nlearning_rate: 1.0\n")
    answer = diagnose.settings(path, verdicts(fp32="faulty"))
    assert answer.clues[0].check == "hardware.float32-faulty"


def test_what_this_machine_measured_is_proved_and_what_is_known_of_its_kind_is_suspected(tmp_path):
    path = written(tmp_path, "a.yaml", HF + "fp16: true\n")
    assert clue(diagnose.settings(path, verdicts(amp_fp16="faulty")), "hardware.faulty").certainty == "proved"
    assert clue(diagnose.settings(path, known(FAULTY)), "hardware.faulty").certainty == "suspected"


blocks = st.dictionaries(st.sampled_from(["enabled", "stage", "dtype"]), st.booleans(), max_size=2)
words = st.sampled_from(["auto", "fp16", "1e-3", "", "no"])
odd = st.none() | st.booleans() | st.integers() | st.floats() | words | st.lists(st.integers(), max_size=2) | blocks
fuzzed = hypothesis.settings(
    max_examples=40, deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize("client", formats())
@given(data=st.data())
@fuzzed
def test_no_value_of_a_known_key_makes_a_check_fail(tmp_path, client, data):
    """Whatever stands behind the keys that checks look at, the answer is clues or a DataError, never a crash."""
    module = importlib.import_module(f"hwcompat.diagnose.configs.{client}")
    keys = [*getattr(module, "NAMES", {}).values(), *module.TELLING, "fp16", "bf16", "amp", "trainer", "precision"]
    chosen = data.draw(st.dictionaries(st.sampled_from([k for k in keys if "." not in k]), odd, min_size=1, max_size=8))
    path = written(tmp_path, "a.yaml", yaml.safe_dump(chosen))
    answer = diagnose.settings(
        path, known(FAULTY), client, data.draw(st.sampled_from([None, "1.0", "8.4.190", "0.19.8"]))
    )
    assert all(each.what and each.change for each in answer.clues)


# --- what the clients themselves ship ---------------------------------------------------------------------------------


@pytest.mark.clients
@pytest.mark.parametrize("version", ["8.0.200", "8.2.90", "8.3.250", "8.4.80", "8.4.190"])
def test_the_defaults_of_ultralytics_draw_no_finding(version):
    folder = os.environ.get("HWCOMPAT_TEST_CLIENTS") or pytest.skip("needs HWCOMPAT_TEST_CLIENTS")
    path = Path(folder) / f"ultralytics-{version}" / "ultralytics" / "cfg" / "default.yaml"
    assert diagnose.settings(path, known(GOOD), None, version).findings == ()


@pytest.mark.clients
@pytest.mark.checkouts
@pytest.mark.parametrize("version", ["6.2", "7.0", "2026.8"])
def test_the_hyperparameters_of_yolov5_draw_no_finding(version):
    folder = os.environ.get("HWCOMPAT_TEST_CLIENTS") or pytest.skip("needs HWCOMPAT_TEST_CLIENTS")
    paths = sorted((Path(folder) / "checkouts" / f"yolov5-{version}" / "data" / "hyps").glob("*.yaml"))
    assert len(paths) >= 5
    for path in paths:
        answer = diagnose.settings(path, known(GOOD), None, version)
        assert answer.findings == ()
        assert "(yolov5" in answer.looked_at[0]
