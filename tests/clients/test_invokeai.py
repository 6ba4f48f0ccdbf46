"""invokeai.yaml against real InvokeAI releases, one of each schema: its own start loads the file, and says which dtype
it would load weights in. scripts/make_client_environments.py builds the environments."""

from __future__ import annotations

import pytest
import yaml
from clients import launching
from clients.image_programs import CASES, HOSTILE, WITHOUT_FP16, hostile
from recommendations import ALL_OK, BROKEN, GOOD, UNKNOWN, recommendation

from hwcompat import emitters
from hwcompat.errors import MachineError

VERSIONS = launching.versions("invokeai")
SCHEMA = {"4.0.0": "4.0.0", "4.2.9": "4.0.2", "5.15.0": "4.0.2", "6.14.2": "4.0.3"}
PRECISION = {
    **dict.fromkeys(CASES, "float16"),
    **dict.fromkeys((*WITHOUT_FP16, "cpu", "apple, unknown"), "float32"),
    "only bf16": "bfloat16",
}


def text_of(rec, version=None):
    return emitters.render(rec, "invokeai", version)


def keys(rec, version=None):
    return yaml.safe_load(text_of(rec, version))


# --- what is written --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("version", [None, "4.0.0", "5.0.0", "6.14.2"])
def test_precision_follows_the_verdicts_of_weights(case, version):
    found = keys(CASES[case], version)
    assert found["precision"] == PRECISION[case]
    assert found.get("device") == ("cpu" if case == "cpu" else None)
    assert set(found) <= {"schema_version", "precision", "device"}


@pytest.mark.parametrize(
    ("version", "schema"),
    [
        (None, "4.0.0"), ("not a version", "4.0.0"), ("4.0.4", "4.0.0"), ("4.1.0", "4.0.1"), ("4.2.5", "4.0.1"),
        ("4.2.6", "4.0.2"), ("4.2.7.post1", "4.0.2"), ("6.12.0", "4.0.2"), ("6.13.0", "4.0.3"), ("7.0.0", "4.0.3"),
    ],
)  # fmt: skip
def test_each_release_gets_its_own_schema_and_an_unknown_one_the_oldest(version, schema):
    assert keys(GOOD, version)["schema_version"] == schema


@pytest.mark.parametrize(
    ("version", "section"), [("3.0.2", "Memory/Performance"), ("3.1.0", "Device"), ("3.7.0", "Device")]
)
def test_3x_has_sections_and_a_warning(version, section):
    assert keys(UNKNOWN, version) == {"InvokeAI": {section: {"precision": "float32"}}}
    assert "warning: 3.x reads another kind of file" in text_of(UNKNOWN, version)


@pytest.mark.parametrize(("version", "warned"), [("3.5.1", False), ("3.6.0", True), ("3.7.0", True), ("4.0.0", False)])
def test_releases_that_ignore_float32_are_warned_of(version, warned):
    assert ("ignores float32" in text_of(UNKNOWN, version)) is warned
    assert "ignores float32" not in text_of(GOOD, version)


@pytest.mark.parametrize(("version", "warned"), [(None, True), ("4.0.4", True), ("4.1.0", False), ("6.14.2", False)])
def test_apples_gpus_are_float16_before_4_1(version, warned):
    assert ("on Apple's GPUs whatever is set" in text_of(CASES["apple, unknown"], version)) is warned


def test_memory_and_models_that_are_bfloat16_anyway_are_told():
    told = " ".join(text_of(UNKNOWN, "6.14.2").split())
    for words in ("twice the memory", "enable_partial_loading: true", "bf16 is unknown"):
        assert words in told
    assert "--prefer memory" in text_of(CASES["slow"])
    unstable = recommendation(verdicts=ALL_OK, because="unstable hardware (expected on another build)")
    assert "--prefer memory" not in text_of(unstable)
    assert "bf16 is" not in text_of(GOOD)


def test_faulty_tf32_has_no_key_but_a_variable():
    assert "NVIDIA_TF32_OVERRIDE=0" in text_of(recommendation(verdicts={"tf32": "faulty"}))
    assert set(keys(recommendation(verdicts={"tf32": "faulty"}))) == {"schema_version", "precision"}


def test_nothing_where_float32_is_faulty():
    with pytest.raises(MachineError, match="do not train"):
        text_of(BROKEN)


@pytest.mark.parametrize("word", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("system", ["linux", "windows"])
def test_hostile_words_stay_in_comments(word, system):
    found = keys(hostile(word, os=system), word)
    assert found == {"schema_version": "4.0.0", "precision": "float32"}


# --- real releases ----------------------------------------------------------------------------------------------------

PROVED_CASES = ("faulty", "good", "only bf16", "cpu")
WRONG = {
    "key": ("\nprecision:", "\ndtype:"),
    "value": ('"float32"', '"fp32"'),
    "no schema": ("\nschema_version:", "\n# schema"),
    "a later schema": ('version: "4', 'version: "9'),
}


def start(version, texts, folder, gpu="NVIDIA T1000"):
    """name -> what the release makes of the file of that name; all in one process."""
    for name, text in texts.items():
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "invokeai.yaml").write_text(text, encoding="utf-8", newline="\n")
    roots = {name: str(folder / name) for name in texts}
    done = launching.run(
        f"invokeai-{version}", launching.HERE / "load_invokeai.py", gpu, *roots.values(), folder=folder
    )
    found = launching.effective(done)
    return {name: found[root] for name, root in roots.items()}


@pytest.fixture(scope="module", params=VERSIONS)
def release(request, tmp_path_factory):
    """A version, its folder, and what it made of every file of these tests."""
    version, folder = request.param, tmp_path_factory.mktemp("invokeai")
    own = text_of(recommendation(), version)
    assert all(own.count(old) == 1 for old, _ in WRONG.values())
    texts = {
        **{case: text_of(CASES[case], version) for case in PROVED_CASES},
        "no version": text_of(CASES["faulty"]),
        "auto": own.replace('"float32"', '"auto"'),
        **{name: own.replace(old, new) for name, (old, new) in WRONG.items()},
    }
    return version, folder, start(version, texts, folder)


@launching.needs_clients
@pytest.mark.parametrize("case", PROVED_CASES)
def test_weights_get_the_dtype_that_was_meant(case, release):
    version, folder, found = release
    expected = {"precision": PRECISION[case], "device": "cpu" if case == "cpu" else "auto", "schema": SCHEMA[version]}
    assert found[case] == {**expected, "dtype": PRECISION[case]}
    assert not (folder / case / "invokeai.yaml.bak").exists(), "a file of this release's own schema is not migrated"


@launching.needs_clients
def test_the_file_for_an_unknown_version_is_migrated_and_means_the_same(release):
    version, folder, found = release
    assert (found["no version"]["dtype"], found["no version"]["schema"]) == ("float32", SCHEMA[version])
    assert (
        keys(CASES["faulty"])["precision"]
        == yaml.safe_load((folder / "no version/invokeai.yaml").read_text())["precision"]
    )


@launching.needs_clients
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_key_or_value_is_refused_so_the_load_is_a_real_test(wrong, release):
    version, _, found = release
    if (version, wrong) == ("4.0.0", "no schema"):
        assert found[wrong]["schema"] == "4.0.0", "4.0 takes such a file for one of its own"
    else:
        assert "Failed to load config file" in found[wrong]["refused"] or "schema_version" in found[wrong]["refused"]


@launching.needs_clients
def test_auto_is_float16_on_a_card_that_no_name_tells(release):
    """The T1000 has the chip of the GTX 1650; without the file InvokeAI would compute in float16 on it."""
    assert release[2]["auto"]["dtype"] == "float16"


@launching.needs_clients
def test_the_two_names_it_knows_are_float32_whatever_is_set(tmp_path):
    version = VERSIONS[-1]
    found = start(version, {"good": text_of(GOOD, version)}, tmp_path, "NVIDIA GeForce GTX 1650")["good"]
    assert (found["precision"], found["dtype"]) == ("float16", "float32")
