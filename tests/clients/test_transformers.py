"""The arguments of Hugging Face Transformers' Trainer: what the file says, and what real releases make of it.

scripts/make_client_environments.py builds the environments; HWCOMPAT_TEST_CLIENTS names their folder.
"""

from __future__ import annotations

import pytest
import yaml
from clients import launching
from hypothesis import given
from hypothesis import strategies as st
from recommendations import ALL_OK, BROKEN, FAULTY, GPU, KINDS, TURING, recommendation

from hwcompat import emitters
from hwcompat.errors import MachineError
from hwcompat.model import Gpu, Setting

VERSIONS = launching.versions("transformers")
AMPERE = Gpu("NVIDIA A10", chip="GA102", compute_capability="8.6")


def text_of(rec, version=None):
    return emitters.render(rec, "transformers", version)


def keys(rec, version=None):
    return yaml.safe_load(text_of(rec, version))


def said(rec, version=None):
    """The comments as one line of words."""
    return " ".join(line.lstrip("# ") for line in text_of(rec, version).splitlines() if line.startswith("#"))


def good(dtype="bfloat16", verdicts=ALL_OK, **facts):
    return recommendation(True, True, dtype, verdicts, **{"gpus": (AMPERE,), **facts})


CARDS = {**KINDS, "good": good()}
"""The shared kinds, the good one on a card with native bfloat16: old releases ask for that."""


def with_tf32(value, *gpus, **facts):
    settings = {**FAULTY.settings, "tf32": Setting(value, "measured")}
    return recommendation(settings=settings, gpus=gpus, **facts)


# --- what the file says -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [None, "no version", "4.20.0", *VERSIONS, "6.0"])
@pytest.mark.parametrize(
    ("kind", "fp16", "bf16"),
    [("faulty", False, False), ("good", False, True), ("turing", True, False), ("unknown", False, False)],
)
def test_one_boolean_at_most_is_true_in_every_version(kind, fp16, bf16, version):
    found = keys(CARDS[kind], version)
    folder = found.pop("output_dir", None)
    assert folder == (None if version in ("4.57.6", "5.23.0", "6.0") else "trainer_output")
    assert found == {"fp16": fp16, "bf16": bf16, "fp16_full_eval": False, "bf16_full_eval": False, "tf32": False}
    assert all(type(value) is bool for value in found.values())


def test_booleans_are_bare_since_any_text_counts_as_true():
    assert "fp16: false\nbf16: true\n" in text_of(good())


def test_a_card_that_cannot_train_gets_no_file():
    with pytest.raises(MachineError, match="do not train"):
        text_of(BROKEN)


@pytest.mark.parametrize(
    ("version", "key"), [(None, "use_cpu"), ("4.31.0", "no_cuda"), ("4.32.0", "use_cpu"), ("5.23.0", "use_cpu")]
)
def test_on_a_cpu_it_is_told_so_under_the_name_of_the_time(version, key):
    found = keys(good(device="cpu", gpus=()), version)
    assert found[key] is True
    assert {"use_cpu", "no_cuda", "tf32"} & set(found) == {key}
    assert (found["fp16"], found["bf16"]) == (False, True)


def test_fp16_is_never_named_on_a_cpu():
    rec = good("float16", {**ALL_OK, "amp_bf16": "slow"}, device="cpu", gpus=())
    assert (keys(rec)["fp16"], keys(rec)["bf16"]) == (False, False)


@pytest.mark.parametrize(
    ("gpus", "setting", "value"),
    [((AMPERE,), True, True), ((AMPERE,), False, False), ((GPU,), True, False), ((AMPERE, GPU), True, False),
     ((Gpu("unknown"),), True, True), ((), False, False)],
)  # fmt: skip
def test_tf32_is_true_only_where_it_is_recommended_and_the_cards_have_it(gpus, setting, value):
    assert keys(with_tf32(setting, *gpus), "5.23.0")["tf32"] is value


@pytest.mark.parametrize("device", ["rocm", "mps", "xpu", "cpu"])
def test_tf32_has_no_key_outside_cuda_where_true_would_be_refused(device):
    assert "tf32" not in keys(with_tf32(True, device=device))


def test_old_releases_leave_tf32_in_convolutions_so_a_faulty_one_is_turned_off_from_outside():
    rec = recommendation(verdicts={"tf32": "faulty"}, gpus=(AMPERE,))
    assert "NVIDIA_TF32_OVERRIDE=0" in said(rec, "4.31.0")
    assert "NVIDIA_TF32_OVERRIDE" not in said(rec, "4.32.0")


@pytest.mark.parametrize(
    ("device", "version", "accelerate", "bf16"),
    [("mps", None, "1.15.0", False), ("mps", "4.41.0", "1.15.0", False), ("mps", "5.23.0", "1.10.1", False),
     ("mps", "5.23.0", None, False), ("mps", "5.23.0", "1.11.0", True), ("xpu", "5.23.0", "0.32.0", True),
     ("xpu", "5.23.0", None, False), ("rocm", "4.34.0", None, False), ("rocm", "4.35.0", None, True),
     ("abacus", "5.23.0", "1.15.0", False)],
)  # fmt: skip
def test_other_devices_autocast_from_the_releases_that_can(device, version, accelerate, bf16):
    clients = {"accelerate": accelerate} if accelerate else {}
    found = keys(good(device=device, gpus=(), clients=clients, verdicts={**ALL_OK, "amp_fp16": "slow"}), version)
    assert (found["fp16"], found["bf16"]) == (False, bf16)


@pytest.mark.parametrize(("version", "bf16"), [(None, False), ("4.34.0", False), ("4.35.0", True), ("5.23.0", True)])
def test_emulated_bfloat16_is_named_only_to_releases_that_take_it(version, bf16):
    rec = recommendation(True, False, "bfloat16", {"amp_bf16": "emulated", "amp_fp16": "faulty"}, gpus=(GPU,))
    assert (keys(rec, version)["fp16"], keys(rec, version)["bf16"]) == (False, bf16)


def test_full_evaluation_stays_off_and_the_reason_speaks_of_the_card():
    assert "fp16_full_eval: fp16 is faulty" in said(FAULTY)
    assert "bf16_full_eval: bf16 is emulated" in said(TURING)
    assert "fp16_full_eval: correct on this card, but the model stays in fp16" in said(TURING)
    slow = recommendation(True, False, "float16", {**ALL_OK, "bf16": "slow"})
    assert "fp16_full_eval: fp16 is not known to pay" in said(slow)
    assert "bf16_full_eval: bf16 is slow" in said(slow)


def test_the_comments_say_how_to_use_it_and_what_it_does_not_decide():
    words = said(FAULTY, "5.23.0")
    assert words.startswith("For transformers 5.23.0; in the training script:")
    assert 'HfArgumentParser(TrainingArguments).parse_yaml_file("training_args.yaml")' in words
    assert 'TrainingArguments(**yaml.safe_load(open("training_args.yaml"' in words
    assert "dtype=torch.float32" in words
    assert "under accelerate launch its own mixed_precision counts" in words
    assert "under accelerate launch" not in said(good())


def test_several_cards_get_the_command_that_starts_one_process_each():
    assert "torchrun --nproc-per-node 2 train.py" in said(good(gpus=(GPU, GPU)))
    assert "torchrun" not in said(good(gpus=(GPU, GPU), os="windows"))
    assert "torchrun" not in said(good())


@pytest.mark.parametrize(("version", "warned"), [("4.31.0", True), ("4.32.1", False), (None, False)])
def test_releases_before_the_oldest_supported_one_are_warned_of(version, warned):
    assert ("no longer supported" in said(good(), version)) is warned


@given(st.text(max_size=200))
def test_no_reason_or_name_breaks_out_of_its_comment(text):
    rec = good(because=text, evidence=(text,), warnings=(text,), gpus=(Gpu(text),), driver=text)
    assert " ".join(keys(rec)) == "output_dir fp16 bf16 fp16_full_eval bf16_full_eval tf32"


# --- what real releases make of it ------------------------------------------------------------------------------------

CPU = good(device="cpu", gpus=())


def files(version):
    """By what is tried: the text, some with a line added that shows what the client would do."""
    off, cpu = text_of(FAULTY, version), text_of(CPU, version)
    on_cpu = "no_cuda: true\n" if version == "4.31.0" else "use_cpu: true\n"
    return {
        "off": off,
        "launched": off,
        "cpu": cpu,
        "any cpu": text_of(CPU),
        "bf16": text_of(good(), version) + on_cpu,
        "fp16": text_of(TURING, version),
        "tf32": text_of(with_tf32(True, AMPERE), version),
        "full eval": cpu + "bf16_full_eval: true\n",
        "unknown key": off + "amp: true\n",
        "both": cpu + "fp16: true\n",
        "text": cpu + 'bf16: false\nbf16_full_eval: "no"\n',
    }


@pytest.fixture(scope="module", params=VERSIONS)
def trained(request, tmp_path_factory):
    """One process a version, since starting it is what takes the time."""
    folder = tmp_path_factory.mktemp("transformers")
    places = {}
    for name, text in files(request.param).items():
        path = folder / f"{name}.yaml"
        path.write_text(text, encoding="utf-8", newline="\n")
        places[name] = f"{path}@bf16" if name == "launched" else str(path)
    program = launching.HERE / "train_transformers.py"
    done = launching.run(f"transformers-{request.param}", program, *places.values(), folder=folder)
    found = launching.effective(done)
    return request.param, {name: found[place] for name, place in places.items()}


def fields(version, fp16=False, bf16=False, cpu=False):
    expected = {
        "output_dir": "trainer_output", "fp16": fp16, "bf16": bf16, "fp16_full_eval": False, "bf16_full_eval": False,
        "tf32": None if cpu else False,
    }  # fmt: skip
    flag = {"no_cuda": cpu} if version == "4.31.0" else {"use_cpu": cpu}
    return {**expected, **flag, **({"no_cuda": False} if version in ("4.32.1", "4.57.6") else {})}


STEP = {"steps": 1, "device": "cpu", "scaler": False, "weights afterwards": "torch.float32"}


@launching.needs_clients
def test_a_step_is_trained_in_float32_where_fp16_is_faulty(trained):
    version, found = trained
    assert found["off"] == {
        "fields": fields(version), "mixed_precision": "no", "native_amp": False,
        "training": "torch.float32", "evaluation": "torch.float32", **STEP,
    }  # fmt: skip


@launching.needs_clients
def test_a_step_is_trained_in_bfloat16_on_a_cpu_that_is_good_at_it(trained):
    version, found = trained
    expected = {
        "fields": fields(version, bf16=True, cpu=True), "mixed_precision": "bf16", "native_amp": True,
        "training": "torch.bfloat16", "evaluation": "torch.bfloat16", **STEP,
    }  # fmt: skip
    assert found["cpu"] == expected
    if version == "4.31.0":
        assert "not used by the HfArgumentParser: ['use_cpu']" in found["any cpu"]["refused"]
    else:
        assert found["any cpu"] == expected


@launching.needs_clients
def test_the_file_for_a_card_says_bfloat16_too(trained):
    _, found = trained
    assert (found["bf16"]["mixed_precision"], found["bf16"]["training"]) == ("bf16", "torch.bfloat16")
    assert found["bf16"]["fields"]["tf32"] is False


@launching.needs_clients
def test_fp16_is_read_as_such_and_a_cpu_refuses_or_ignores_it(trained):
    version, found = trained
    if version in ("4.31.0", "4.32.1"):
        assert "FP16 Mixed precision training" in found["fp16"]["refused"]
    else:
        assert found["fp16"]["fields"] == fields(version, fp16=True)
        assert (found["fp16"]["mixed_precision"], found["fp16"]["training"]) == ("fp16", "torch.float32")


@launching.needs_clients
def test_tf32_is_read_as_such_since_it_is_refused_without_the_card(trained):
    assert "--tf32 requires Ampere" in trained[1]["tf32"]["refused"]


@launching.needs_clients
def test_wrong_keys_are_refused_so_the_load_is_a_real_test(trained):
    _, found = trained
    assert "not used by the HfArgumentParser: ['amp']" in found["unknown key"]["refused"]
    assert "At most one of fp16 and bf16" in found["both"]["refused"]


@launching.needs_clients
def test_text_counts_as_true_which_is_why_booleans_are_bare(trained):
    assert trained[1]["text"]["evaluation"] == "torch.bfloat16"


@launching.needs_clients
def test_full_evaluation_leaves_sixteen_bit_weights_which_is_why_it_stays_off(trained):
    assert trained[1]["full eval"]["weights afterwards"] == "torch.bfloat16"


@launching.needs_clients
def test_accelerate_launch_decides_where_both_are_false_as_the_comment_says(trained):
    assert trained[1]["launched"]["mixed_precision"] == "bf16"
    assert trained[1]["launched"]["training"] == "torch.bfloat16"
