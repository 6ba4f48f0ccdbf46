"""The precision part of a DeepSpeed configuration: what it says, and what real releases make of it on a CPU.

scripts/make_client_environments.py builds the environments; HWCOMPAT_TEST_CLIENTS names their folder.
"""

from __future__ import annotations

import json
import socket
from dataclasses import replace

import pytest
from clients import launching
from hypothesis import given
from hypothesis import strategies as st
from recommendations import ALL_OK, BROKEN, FAULTY, GOOD, GPU, KINDS, TURING, UNKNOWN, recommendation

from hwcompat import emitters
from hwcompat.errors import MachineError

VERSIONS = launching.versions("deepspeed")
NEWEST, OLDEST = VERSIONS[-1], VERSIONS[0]
BLOCKS = {"fp16", "bf16", "torch_autocast", "zero_optimization"}
FP16 = {"enabled": True, "loss_scale": 0, "initial_scale_power": 16}
OFF, ON, ZERO = {"enabled": False}, {"enabled": True}, {"stage": 1}
P100 = replace(GPU, chip="GP100", compute_capability="6.0")


def keys(rec, version=None):
    return json.loads(emitters.render(rec, "deepspeed", version))


def good(dtype="bfloat16", verdicts=ALL_OK, **facts):
    return recommendation(True, True, dtype, verdicts, **facts)


def enabled(found):
    return [name for name in ("fp16", "bf16", "torch_autocast") if found.get(name, OFF)["enabled"]]


# --- what the file says -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [None, "no version", "0.5.10", "0.9.5", OLDEST, "0.17.1"])
@pytest.mark.parametrize("rec", [FAULTY, UNKNOWN])
def test_off_is_said_and_nothing_else(rec, version):
    assert keys(rec, version) == {"fp16": OFF, "bf16": OFF}


@pytest.mark.parametrize("version", ["0.17.2", "0.18.4", NEWEST, "1.0"])
@pytest.mark.parametrize("rec", [FAULTY, UNKNOWN])
def test_releases_with_autocast_are_told_that_it_is_off(rec, version):
    assert keys(rec, version) == {"fp16": OFF, "bf16": OFF, "torch_autocast": OFF}


@pytest.mark.parametrize(
    ("version", "more"),
    [(None, {"zero_optimization": ZERO}), ("0.6.0", {}), (OLDEST, {}), ("0.17.2", {"torch_autocast": OFF}),
     ("0.17.6", {"torch_autocast": OFF, "zero_optimization": ZERO}),
     ("0.18.4", {"torch_autocast": OFF, "zero_optimization": ZERO}), ("0.18.6", {"torch_autocast": OFF}),
     (NEWEST, {"torch_autocast": OFF})],
)  # fmt: skip
def test_bfloat16_has_its_block_and_zero_where_a_step_is_wrong_without_it(version, more):
    assert keys(GOOD, version) == {"fp16": OFF, "bf16": ON, **more}


@pytest.mark.parametrize(
    ("version", "more"),
    [(None, {"zero_optimization": ZERO}), ("0.5.10", {}), (OLDEST, {}), ("0.17.2", {"torch_autocast": OFF}),
     ("0.18.2", {"torch_autocast": OFF}), ("0.18.3", {"torch_autocast": OFF, "zero_optimization": ZERO}),
     (NEWEST, {"torch_autocast": OFF, "zero_optimization": ZERO})],
)  # fmt: skip
def test_float16_has_dynamic_loss_scaling_and_zero_where_it_needs_it(version, more):
    assert keys(TURING, version) == {"fp16": FP16, "bf16": OFF, **more}


@pytest.mark.parametrize("word", ["faulty", "unknown", "unsupported"])
def test_without_right_bfloat16_weights_only_autocast_is_left(word):
    rec = good(verdicts={**ALL_OK, "bf16": word, "fp16": "faulty", "amp_fp16": "faulty"})
    assert keys(rec, NEWEST) == {"fp16": OFF, "bf16": OFF, "torch_autocast": {"enabled": True, "dtype": "bfloat16"}}
    for version in (None, OLDEST, "0.17.6"):
        assert enabled(keys(rec, version)) == []


@pytest.mark.parametrize("word", ["faulty", "unknown", "unsupported"])
@pytest.mark.parametrize("version", [None, OLDEST, NEWEST])
def test_without_right_float16_weights_it_stays_off(version, word):
    rec = good("float16", {**ALL_OK, "fp16": word, "bf16": "emulated", "amp_bf16": "emulated"})
    assert enabled(keys(rec, version)) == []


def test_releases_before_bf16_get_fp16_only_where_it_is_right():
    assert enabled(keys(GOOD, "0.5.10")) == ["fp16"]
    assert enabled(keys(good(verdicts={**ALL_OK, "amp_fp16": "slow"}), "0.5.10")) == []


@pytest.mark.parametrize("version", [None, OLDEST, NEWEST])
def test_cards_that_deepspeed_refuses_fp16_on_train_in_float32(version):
    rec = good("float16", {"fp16": "ok", "amp_fp16": "ok"}, gpus=(P100,))
    assert enabled(keys(rec, version)) == []
    assert enabled(keys(replace(rec, gpus=(GPU, P100)), version)) == []
    assert enabled(keys(replace(rec, gpus=(GPU,)), version)) == ["fp16"]
    assert enabled(keys(replace(rec, gpus=(replace(P100, compute_capability=None),)), version)) == ["fp16"]


def test_the_reasons_that_json_cannot_hold_are_notes():
    told = " ".join(emitters.notes(GOOD, "deepspeed"))
    for words in ("bfloat16 autocast: measured", "train_micro_batch_size_per_gpu", "keep stage 1"):
        assert words in told
    assert "stage 1" not in " ".join(emitters.notes(GOOD, "deepspeed", "0.17.2"))
    assert "amp off: measured" in " ".join(emitters.notes(FAULTY, "deepspeed"))
    assert emitters.notes(GOOD, "yaml") == ()


@pytest.mark.parametrize(
    ("device", "dtype", "block"),
    [("cpu", "bfloat16", ["bf16"]), ("rocm", "float16", ["fp16"]), ("xpu", "bfloat16", ["bf16"]),
     ("mps", "bfloat16", []), ("mps", "float16", []), ("abacus", "float16", [])],
)  # fmt: skip
def test_other_devices(device, dtype, block):
    assert enabled(keys(good(dtype, device=device, gpus=()), NEWEST)) == block


def test_a_cpu_never_gets_float16():
    rec = good("float16", {**ALL_OK, "amp_bf16": "slow"}, device="cpu", gpus=())
    assert enabled(keys(rec, NEWEST)) == []


def test_a_card_that_cannot_train_gets_no_file():
    with pytest.raises(MachineError, match="do not train"):
        keys(BROKEN)


@given(st.text(max_size=200))
@pytest.mark.parametrize("kind", KINDS)
def test_no_reason_gets_into_the_file(kind, because):
    rec = replace(KINDS[kind], evidence=(because,), warnings=(because,), date=because, driver=because)
    for version in (None, NEWEST):
        text = emitters.render(rec, "deepspeed", version)
        assert text == emitters.render(KINDS[kind], "deepspeed", version)
        assert set(json.loads(text)) <= BLOCKS
        assert len(enabled(json.loads(text))) <= 1


# --- real releases ----------------------------------------------------------------------------------------------------
# One process a release, since importing takes most of the time.


def jobs(version):
    """name -> configuration; the one with autocast last."""
    turing = keys(TURING, version)
    return {
        "faulty": keys(FAULTY, version),
        "good": keys(GOOD, version),
        "turing": turing,
        "faulty, any version": keys(FAULTY),
        "good, any version": keys(GOOD),
        "turing, any version": keys(TURING),
        "fp16 without ZeRO": {name: block for name, block in turing.items() if name != "zero_optimization"},
        "both": {**keys(FAULTY, version), "bf16": ON, "fp16": FP16},
        "a wrong key in bf16": {**keys(FAULTY, version), "bf16": {**ON, "dtype": "bfloat16"}},
        "autocast": keys(good(verdicts={"amp_bf16": "ok"}), version),
    }


@pytest.fixture(scope="module", params=VERSIONS)
def real(request, tmp_path_factory):
    """(version, name of the job -> what DeepSpeed made of it)."""
    folder = tmp_path_factory.mktemp("deepspeed")
    files = []
    for number, job in enumerate(jobs(request.param).values()):
        files.append(folder / f"{number}.json")
        files[-1].write_text(json.dumps(job), encoding="utf-8", newline="\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    done = launching.run(
        f"deepspeed-{request.param}", launching.HERE / "train_deepspeed.py", *files, folder=folder, timeout=180,
        DS_ACCELERATOR="cpu", RANK="0", LOCAL_RANK="0", WORLD_SIZE="1", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port),
    )  # fmt: skip
    return request.param, dict(zip(jobs(request.param), launching.effective(done), strict=True))


def refused(found):
    """Float16 depends on the processor, and 0.14 refuses it on any: then DeepSpeed has read the file and says so."""
    return "fp16 is not supported" in found.get("refused", "")


@launching.needs_clients
@pytest.mark.parametrize("named", ["", ", any version"])
@pytest.mark.parametrize(
    ("kind", "block", "weights"),
    [("faulty", None, "float32"), ("good", "bf16", "bfloat16"), ("turing", "fp16", "float16")],
)
def test_three_steps_are_trained_in_the_precision_of_the_file(real, kind, block, weights, named):
    """Each step moves a weight by one: a loss scale that is not taken back out would show."""
    version, answers = real
    found = answers[kind + named]
    if refused(found):
        assert block == "fp16"
        return
    assert found["version"] == version
    assert [name for name in ("fp16", "bf16", "torch_autocast") if found["engine"][name]] == ([block] if block else [])
    assert (found["fp16"], found["bf16"]) == (block == "fp16", block == "bf16")
    assert found["stage"] == jobs(version)[kind + named].get("zero_optimization", {"stage": 0})["stage"]
    assert found["engine"]["dynamic_loss_scale"] is (True if block == "fp16" else None)
    assert (found["inside"], found["weights"]) == (f"torch.{weights}", f"torch.{weights}")
    assert found["moved"] == -3.0


@launching.needs_clients
def test_autocast_keeps_the_weights_in_float32(real):
    version, answers = real
    found = answers["autocast"]
    on = version == NEWEST
    assert found["engine"]["torch_autocast"] is (None if version == OLDEST else on)
    inside = "torch.bfloat16" if on else "torch.float32"
    assert (found["inside"], found["weights"], found["moved"]) == (inside, "torch.float32", -3.0)


@launching.needs_clients
def test_without_zero_only_the_newest_release_needs_what_the_file_says(real):
    """When this fails, DeepSpeed scales float16 gradients without ZeRO again: say so in the emitter's table."""
    version, answers = real
    found = answers["fp16 without ZeRO"]
    assert refused(found) or found["moved"] == (-3.0 / 2**16 if version == NEWEST else -3.0)


@launching.needs_clients
def test_wrong_blocks_are_refused_so_the_load_is_a_real_test(real):
    version, answers = real
    assert "simultaneously" in answers["both"]["refused"]
    if version == OLDEST:  # it picks the keys that it knows out of the block
        assert answers["a wrong key in bf16"]["bf16"] is True
    else:
        assert "Extra inputs" in answers["a wrong key in bf16"]["refused"]
