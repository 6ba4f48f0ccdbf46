"""Reports as JSON: the round trip, the published schema, what hostile files do, and what never leaves the machine."""

from __future__ import annotations

import copy
import dataclasses
import json
import platform
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from report_values import SECRETS, reports

from hwcompat import model, report, schema, store
from hwcompat.errors import DataError
from hwcompat.model import Environment, Measurement, Report, Result, TorchFacts

VALIDATOR = jsonschema.Draft202012Validator(report.json_schema())
SMALL = Report(
    id="0123456789abcdef",
    date="2026-11-21T01:02:03Z",
    hwcompat="0.1.0",
    suite="1",
    level="quick",
    seed=0,
    device="cpu",
    environment=Environment(os="linux", arch="x86_64", torch=TorchFacts("2.13.0+cpu", "cpu")),
    results=(Result("conv.forward", "float16", "pass", cases=3),),
    speed={"fp32_tflops": Measurement(1.5, "TFLOP/s", 1.4, 1.6, 9)},
)
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(autouse=True)
def hidden_machine(monkeypatch: pytest.MonkeyPatch):
    """The names in SECRETS are this machine's own."""
    monkeypatch.setattr(platform, "node", lambda: "hidden-host.example.org")
    monkeypatch.setenv("USER", "hidden-user")


def document(one: Report = SMALL) -> dict[str, Any]:
    return json.loads(report.to_json(one))


# --- laws -------------------------------------------------------------------------------------------------------------


@quick
@given(reports)
def test_a_report_survives_json_redacted_and_valid(one: Report):
    text = report.to_json(one)
    text.encode("ascii")
    VALIDATOR.validate(json.loads(text))
    assert report.from_json(text) == report.redact(one)


@quick
@given(reports)
def test_redacting_twice_changes_nothing_more(one: Report):
    once = report.redact(one)
    assert report.redact(once) == once


@quick
@given(reports)
def test_nothing_personal_is_written(one: Report):
    text = json.loads(json.dumps(report.to_json(one))).replace("\\\\", "\\")
    for secret in (*SECRETS, "hidden", "Person", "executable", "pci_bus_id", "uuid"):
        assert secret not in text.replace("<uuid>", "").replace('"hidden": ', "")
    for public in (report.redact(one), *report.redact(one).others):
        assert public.environment.executable is None
        assert public.gpu is None or public.gpu.pci_bus_id is None


@quick
@given(reports)
def test_verdicts_and_failures_survive_redaction(one: Report):
    public = report.redact(one)
    assert public.ok == one.ok
    assert [(r.probe, r.dtype, r.status) for r in public.failures] == [
        (r.probe, r.dtype, r.status) for r in one.failures
    ]
    assert all(public.verdict(name) == one.verdict(name) for name in model.CAPABILITIES)


# --- the published schema ---------------------------------------------------------------------------------------------

PRIVATE = {("Environment", "executable"), ("Gpu", "pci_bus_id")}
KINDS = {
    "report": model.Report,
    "environment": model.Environment,
    "gpu": model.Gpu,
    "torch": model.TorchFacts,
    "result": model.Result,
    "verdict": model.Verdict,
    "caution": model.Caution,
    "measurement": model.Measurement,
}


@pytest.mark.parametrize(("name", "kind"), KINDS.items(), ids=KINDS)
def test_the_schema_names_every_field_that_is_not_private(name: str, kind: type):
    """A new field of a value must be published here, or be added to PRIVATE on purpose."""
    described = report.json_schema()["$defs"][name]
    fields = [field for field in dataclasses.fields(kind) if (kind.__name__, field.name) not in PRIVATE]
    needed = [f.name for f in fields if f.default is f.default_factory is dataclasses.MISSING]
    assert list(described["properties"]) == ["schema"] * (name == "report") + [field.name for field in fields]
    assert described["required"] == needed
    assert described["additionalProperties"] is False


def test_the_schema_has_the_words_of_the_model():
    defs = report.json_schema()["$defs"]
    assert tuple(defs["result"]["properties"]["status"]["enum"]) == model.STATUSES
    assert tuple(defs["verdict"]["properties"]["value"]["enum"]) == model.VERDICTS
    assert tuple(defs["report"]["properties"]["capabilities"]["propertyNames"]["enum"]) == model.CAPABILITIES


def test_the_schema_is_a_schema_and_bounds_every_text_list_and_mapping():
    jsonschema.Draft202012Validator.check_schema(report.json_schema())
    for part in _parts(report.json_schema()["$defs"]):
        kinds = part.get("type", ())
        if "string" in kinds:
            assert "maxLength" in part or "{" in part["pattern"] or part["pattern"].startswith("^[0-9]{4}-")
        if "array" in kinds:
            assert "maxItems" in part
        if "object" in kinds:
            assert part.get("additionalProperties") is False or "maxProperties" in part


def _parts(value: Any) -> list[Mapping[str, Any]]:
    if isinstance(value, list):
        return [part for item in value for part in _parts(item)]
    if not isinstance(value, dict):
        return []
    return [value] * isinstance(value.get("type"), str | list) + [p for item in value.values() for p in _parts(item)]


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    """A valid document with one place changed, removed or added."""
    root = document(draw(reports))
    node: Any = root
    while isinstance(node, dict | list) and node:
        key = draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        if not isinstance(node[key], dict | list) or not node[key] or draw(st.booleans()):
            break
        node = node[key]
    change = draw(st.sampled_from(["replace", "remove", "add", "none"]))
    if change == "replace":
        node[key] = draw(_odd)
    elif change == "remove":
        del node[key]
    elif change == "add" and isinstance(node, dict):
        node[draw(st.text(max_size=5))] = draw(_odd)
    return root


_odd = st.sampled_from(
    [
        None,
        True,
        0,
        1,
        1.0,
        -1,
        2.5,
        2**70,
        -(2**70),
        "",
        "x",
        "x" * 5000,
        [],
        [1],
        [None] * 2000,
        {},
        {"a": 1},
        "pass",
        "cpu",
    ]
)


@settings(quick, max_examples=200)
@given(damaged())
def test_our_validator_agrees_with_a_full_one(root: Any):
    found = schema.violation(root, report.json_schema(), report.json_schema())
    assert (found is None) == VALIDATOR.is_valid(root), found
    assert schema.compiled(report.json_schema(), report.json_schema())(root) == (found is None)
    assert found is None or "\n" not in found


# --- hostile files ----------------------------------------------------------------------------------------------------

HOSTILE = {
    "empty": "",
    "not JSON": "hello",
    "another object": "{}",
    "list": "[]",
    "number": "3",
    "deep list": "[" * 200_000,
    "deep value": '{"a":' * 100_000,
    "NaN": '{"schema": NaN}',
    "Infinity": '{"schema": -Infinity}',
    "huge exponent": '{"schema": 1e999}',
    "huge integer": '{"schema": ' + "9" * 100_000 + "}",
    "twins": '{"schema": 1, "schema": 1}',
    "schema as text": '{"schema": "1"}',
    "schema true": '{"schema": true}',
    "NUL": "\x00",
    "surrogate": '"\ud800"',
    "too long": " " * (report.MAX_BYTES + 1),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_is_a_data_error_of_one_line(text: str):
    with pytest.raises(DataError) as caught:
        report.from_json(text)
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 400
    assert caught.value.hint


@settings(quick, max_examples=150)
@given(damaged())
def test_a_damaged_report_is_a_report_or_a_data_error(root: Any):
    try:
        one = report.from_json(json.dumps(root))
    except DataError:
        return
    assert report.from_json(report.to_json(one)) == report.redact(one)


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_any_text_is_a_report_or_a_data_error(text: str):
    with pytest.raises(DataError):
        report.from_json(text)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"schema": 2}, "upgrade hwcompat"),
        ({"level": 3}, "report.level: is not of type string"),
        ({"id": "../../x"}, "report.id"),
        ({"id": "0123456789abcdef\n"}, "report.id"),
        ({"device": None}, "report.device"),
        ({"surprise": 1}, "'surprise' has no place here"),
        ({"results": [{"probe": "a", "dtype": "b", "status": "great"}]}, "report.results[0].status"),
        ({"capabilities": {"fp12": {"value": "ok"}}}, "fp12"),
        ({"notes": ["x"] * 201}, "report.notes: has more than 200"),
        ({"seed": 2**80}, "too large"),
        ({"\x1b[2J": 1}, "has no place here"),
    ],
    ids=lambda value: "",
)
def test_a_wrong_field_is_named(change: dict[str, Any], reason: str):
    with pytest.raises(DataError) as caught:
        report.from_json(json.dumps({**document(), **change}))
    assert reason in caught.value.message
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("private", ["executable", "pci_bus_id"])
def test_a_file_with_private_facts_is_refused(private: str):
    root = document()
    root["environment"][private] = "/usr/bin/python3"
    with pytest.raises(DataError, match=private):
        report.from_json(json.dumps(root))


def test_a_foreign_report_comes_out_scrubbed():
    root = document(replace(SMALL, notes=("ok",)))
    root["notes"] = ["\x1b[2Jsee /home/ann/x"]
    assert report.from_json(json.dumps(root)).notes == (" [2Jsee <path>",)


@pytest.mark.parametrize(
    "piece", ["a.", "a-", "/", "~", "a@", "C:\\", "'/", "A1", "fe80:", "serial ", "http://a", "aa:"]
)
def test_a_file_full_of_hostile_texts_is_read(piece: str):
    """1 MiB of it: a pattern that takes quadratic time would need minutes here."""
    root = document()
    root["results"] = [{"probe": "a", "dtype": "b", "status": "pass", "failed_cases": [(piece * 4000)[:4000]] * 250}]
    assert len(report.from_json(json.dumps(root)).results[0].failed_cases) == 250


def test_a_file_is_read_with_or_without_a_bom_and_a_bad_one_is_named(tmp_path: Path):
    path = tmp_path / "r.json"
    path.write_text(report.to_json(SMALL), encoding="utf-8-sig")
    assert report.read_report(path) == report.redact(SMALL)
    path.write_bytes(b"\xff\xfe{}")
    with pytest.raises(DataError, match=r"r\.json"):
        report.read_report(path)
    path.write_bytes(b" " * (report.MAX_BYTES + 1))
    with pytest.raises(DataError, match=r"r\.json"):
        report.read_report(path)
    with pytest.raises(DataError, match="none"):
        report.read_report(tmp_path / "none.json")


# --- what is written --------------------------------------------------------------------------------------------------


def test_numbers_that_are_not_finite_are_words_or_left_out():
    inf, nan = float("inf"), float("nan")
    one = replace(
        SMALL,
        results=(Result("a", "b", "pass", seconds=nan, data={"worst": inf, "list": [nan, 10**400]}),),
        speed={"fp32_tflops": Measurement(inf, "x", 1, 2, 3), "bandwidth_gbs": Measurement(2.0, "x", 1, 2, 3)},
    )
    public = report.redact(one)
    assert public.results[0].seconds == 0.0
    assert public.results[0].data == {"worst": "nonfinite", "list": ("nonfinite", "nonfinite")}
    assert list(public.speed) == ["bandwidth_gbs"]


def test_a_flood_is_cut_and_every_result_is_kept():
    one = replace(SMALL, results=tuple(Result("a", "b", "crash", detail="stderr " * 10**5) for _ in range(100)))
    text = report.to_json(one)
    assert len(text) < report.MAX_BYTES
    assert len(report.from_json(text).failures) == 100


def test_ids_are_random_and_have_the_form_of_the_schema():
    ids = {report.new_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(report.from_json(report.to_json(replace(SMALL, id=one))).id == one for one in ids)


def test_the_stored_report_is_the_public_one_and_the_sidecar_is_apart(private_home: Path):
    gpu = model.Gpu("NVIDIA A10", pci_bus_id="00000000:41:00.0")
    one = replace(SMALL, device="cuda:0", gpu=gpu, environment=replace(SMALL.environment, executable="/home/x/python"))
    path = store.save_report(one.id, report.to_json(one), store.sidecar(gpu.pci_bus_id, one.environment.executable))
    assert store.saved_reports() == (path,)
    assert report.read_report(path) == report.redact(one)
    assert "41:00" not in path.read_text(encoding="utf-8")
    assert store.read_sidecar(one.id)["host"] == "hidden-host.example.org"


def test_an_environment_alone_is_written_as_it_stands_in_a_report():
    environment = replace(SMALL.environment, executable="/home/x/python", notes=("see /home/x",))
    written = json.loads(report.environment_json(environment))
    assert written == document(replace(SMALL, environment=environment))["environment"]
    assert written["notes"] == ["see <path>"]


def test_redaction_does_not_change_the_report_it_is_given():
    before = copy.copy(SMALL)
    report.redact(SMALL)
    assert before == SMALL
