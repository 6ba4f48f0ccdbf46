"""What is written loads back with the types that were meant, in plain ASCII, and never says more than the evidence."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from recommendations import ALL_OK, BROKEN, FAULTY, GOOD, KINDS, PIN, TURING, UNKNOWN, recommendation

from hwcompat import emitters
from hwcompat.emitters._text import release, scalar
from hwcompat.errors import MachineError, UsageError
from hwcompat.model import Caution, Setting

KEYS = "amp half dtype grad_scaler channels_last cudnn_benchmark tf32 torch cuda torchvision torchaudio index_url"
# --- the list of formats ----------------------------------------------------------------------------------------------


def test_formats_are_found_by_listing_and_state_their_proof():
    assert {"json", "ultralytics", "yaml"} <= set(emitters.names())
    for name in emitters.names():
        module = __import__(f"hwcompat.emitters.{name}", fromlist=["emit"])
        assert module.PROOF in ("launched", "parsed", "schema")
        assert emitters.file_name(name) == module.FILE
        assert module.__doc__


def test_listing_imports_no_format_and_rendering_only_the_one_asked_for():
    code = (
        "import sys; from hwcompat import emitters; emitters.names();"
        "loaded = [m for m in sys.modules if m.startswith('hwcompat.emitters.')]; assert not loaded, loaded;"
        "emitters.file_name('yaml');"
        "assert 'hwcompat.emitters.ultralytics' not in sys.modules and 'hwcompat.emitters.json' not in sys.modules;"
        "assert not {'torch', 'pandas', 'yaml'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["ultralytic", "YAML", "../errors", "_text", ""])
def test_an_unknown_format_gets_the_nearest_names(name):
    with pytest.raises(UsageError) as caught:
        emitters.render(GOOD, name)
    told = caught.value.hint.removeprefix("nearest: ").split(", ")
    assert told
    assert set(told) <= set(emitters.names())
    if name in ("ultralytic", "YAML"):
        assert told[0] in ("ultralytics", "yaml")


@pytest.mark.parametrize("name", emitters.names())
@pytest.mark.parametrize("rec", KINDS.values(), ids=KINDS)
def test_every_format_is_printable_ascii_with_plain_line_ends(name, rec):
    text = emitters.render(rec, name)
    assert text.isascii()
    assert "\r" not in text
    assert all(line.isprintable() for line in text.splitlines())
    assert text.endswith("\n")


# --- generic YAML -----------------------------------------------------------------------------------------------------


def test_generic_yaml_has_these_keys_in_this_order_with_these_types():
    loaded = yaml.safe_load(emitters.render(GOOD, "yaml"))
    assert " ".join(loaded) == KEYS
    assert loaded == {
        "amp": True, "half": True, "dtype": "bfloat16", "grad_scaler": False, "channels_last": False,
        "cudnn_benchmark": False, "tf32": False, "torch": "2.13.0", "cuda": "cu126", "torchvision": "0.28.0",
        "torchaudio": None, "index_url": PIN.index_url,
    }  # fmt: skip
    flags = ("amp", "half", "grad_scaler", "channels_last", "cudnn_benchmark", "tf32")
    assert all(type(loaded[name]) is bool for name in flags)


def test_the_first_comment_names_the_command_of_the_clients_own_file():
    first = emitters.render(FAULTY, "yaml").splitlines()[0]
    assert first.startswith("# For programs and people")
    assert first.endswith("hwcompat recommend --for ultralytics -o cfg.yaml")


def test_comments_name_the_gpu_the_evidence_the_date_and_who_is_to_blame():
    comments = " ".join(line.lstrip("# ") for line in emitters.render(FAULTY, "yaml").splitlines() if line[:1] == "#")
    for word in ("GTX 1660 Ti", "TU116", "10de:2182", "tu11x-fp16-conv", "2026-11-20", "the card, not your data"):
        assert word in comments


def test_pins_that_look_like_numbers_stay_text():
    odd = recommendation(settings={"torch": Setting("2.10", "x"), "cuda": Setting("126", "x")})
    loaded = yaml.safe_load(emitters.render(odd, "yaml"))
    assert (loaded["torch"], loaded["cuda"]) == ("2.10", "126")


def test_without_training_settings_the_keys_are_null_and_the_clients_file_is_refused():
    loaded = yaml.safe_load(emitters.render(BROKEN, "yaml"))
    assert " ".join(loaded) == KEYS
    assert loaded["amp"] is None
    with pytest.raises(MachineError, match="do not train"):
        emitters.render(BROKEN, "ultralytics", "8.4.190")


@given(st.text(max_size=200))
def test_no_reason_can_break_out_of_its_comment(because):
    text = emitters.render(recommendation(because=because, evidence=(because,), warnings=(because,)), "yaml")
    assert " ".join(yaml.safe_load(text)) == KEYS


@given(
    st.one_of(st.none(), st.booleans(), st.integers(0, 99), st.text(st.characters(min_codepoint=33, max_codepoint=126)))
)
def test_a_scalar_loads_back_with_its_type(value):
    loaded = yaml.safe_load(f"key: {scalar(value)}")["key"]
    assert loaded == value
    assert type(loaded) is type(value)


# --- Ultralytics ------------------------------------------------------------------------------------------------------


def keys(rec, version=None):
    return yaml.safe_load(emitters.render(rec, "ultralytics", version))


@pytest.mark.parametrize(
    ("version", "faulty", "good", "turing"),
    [
        (None, {"amp": False}, {"amp": True}, {"amp": True}),
        ("not a version", {"amp": False}, {"amp": True}, {"amp": True}),
        ("8.0.50", {"half": False}, {"half": False}, {"half": False}),
        ("8.0.200", {"amp": False, "half": False}, {"amp": True, "half": True}, {"amp": True, "half": True}),
        ("8.4.79", {"amp": False, "half": False}, {"amp": True, "half": True}, {"amp": True, "half": True}),
        ("8.4.80", {"amp": False, "quantize": None}, {"amp": True, "quantize": 16}, {"amp": True, "quantize": 16}),
        ("8.4.128", {"amp": False, "quantize": None}, {"amp": True, "quantize": 16}, {"amp": True, "quantize": 16}),
        ("8.4.130", {"amp": False, "quantize": None}, {"amp": "bf16", "quantize": 16}, {"amp": True, "quantize": 16}),
        ("8.5.0rc1", {"amp": False, "quantize": None}, {"amp": "bf16", "quantize": 16}, {"amp": True, "quantize": 16}),
    ],
)
def test_each_version_gets_only_keys_it_knows(version, faulty, good, turing):
    assert keys(FAULTY, version) == faulty
    assert keys(UNKNOWN, version) == faulty
    assert keys(GOOD, version) == good
    assert keys(TURING, version) == turing


def test_half_never_without_amp():
    only_half = recommendation(False, True, "float32", ALL_OK)
    assert keys(only_half, "8.2.90") == {"amp": False, "half": False}
    assert keys(only_half, "8.4.190") == {"amp": False, "quantize": None}


def test_amp_needs_right_fp16_kernels_since_validation_runs_in_fp16_even_beside_bf16():
    rec = recommendation(True, False, "bfloat16", {**ALL_OK, "fp16": "faulty", "amp_fp16": "faulty"})
    for version in (None, "8.3.250", "8.4.190"):
        assert keys(rec, version)["amp"] is False
    assert "validates in fp16" in emitters.render(rec, "ultralytics", "8.4.190")


def test_true_means_float16_so_bfloat16_alone_does_not_turn_it_on():
    rec = recommendation(True, False, "bfloat16", {**ALL_OK, "amp_fp16": "slow"})
    assert keys(rec, "8.4.128")["amp"] is False
    assert keys(rec, "8.4.130")["amp"] == "bf16"


def test_emulated_bfloat16_is_never_named():
    rec = recommendation(True, False, "bfloat16", {**ALL_OK, "amp_fp16": "slow", "amp_bf16": "emulated"})
    assert keys(rec, "8.4.190")["amp"] is False


def test_no_autocast_on_a_cpu():
    rec = recommendation(True, False, "bfloat16", ALL_OK, gpus=(), device="cpu")
    assert keys(rec, "8.4.190")["amp"] is False


@pytest.mark.parametrize(("version", "warned"), [("8.2.95", True), ("8.2.96", False), (None, False)])
def test_versions_that_always_validate_in_fp16_are_warned_of(version, warned):
    assert ("whatever is set here" in emitters.render(FAULTY, "ultralytics", version)) is warned


def test_provenance_is_in_comments_only():
    text = emitters.render(FAULTY, "ultralytics", "8.4.190")
    assert [line for line in text.splitlines() if not line.startswith("#")] == ["amp: false", "quantize: null"]
    assert "GTX 1660 Ti" in text
    assert "tu11x-fp16-conv" in text


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("8.4.80", (8, 4, 80)), ("v8.4", (8, 4)), ("8.4.80.post1", (8, 4, 80)), ("8.4.80rc1", (8, 4, 80)),
     ("x", None), (None, None)],
)  # fmt: skip
def test_versions_are_read_by_their_numbers(text, numbers):
    assert release(text) == numbers


# --- JSON -------------------------------------------------------------------------------------------------------------


def test_json_holds_values_reasons_and_no_place_of_the_card():
    rec = recommendation(cautions=(Caution("conv3d", "wrong", "run it in float32", "bf16-conv3d"),))
    loaded = json.loads(emitters.render(rec, "json"))
    assert loaded["settings"]["amp"] == {
        "value": False, "because": "measured", "considered": [], "change": [],
    }  # fmt: skip
    assert loaded["pin"]["torch"] == "2.13.0"
    assert loaded["cautions"][0]["operation"] == "conv3d"
    assert loaded["gpus"][0]["chip"] == "TU116"
    assert "pci_bus_id" not in loaded["gpus"][0]
