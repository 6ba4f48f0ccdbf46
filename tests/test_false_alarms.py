"""The counting of false alarms: whole runs, bounds, and which kept results still speak for today's code."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from hwcompat.probes import catalogue

SCRIPT = Path(__file__).parents[1] / "scripts" / "false_alarms.py"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    spec = importlib.util.spec_from_file_location("false_alarms", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("trials", [1, 20, 300, 30_000])
def test_the_bound_of_no_event_is_the_closed_form(script, trials):
    assert script.upper_bound(0, trials) == pytest.approx(1 - 0.05 ** (1 / trials), rel=0.01)


def test_the_bound_of_three_events_is_the_tabled_one(script):
    """Exact binomial bound of 3 in 20 (Clopper and Pearson 1934): 0.3437."""
    assert script.upper_bound(3, 20) == pytest.approx(0.3437, abs=1e-3)


def outcome(seed, status="pass", probe="matmul.integer", features=0):
    return {
        "seed": seed,
        "status": status,
        "probe": probe,
        "dtype": "float32",
        "features": features,
        "bound_used": None,
    }


def test_a_run_with_two_alarms_counts_once(script):
    probes = {p.id: p for p in catalogue.listing()}
    told = script.summary([outcome(1, "fail"), outcome(1, "error", "norm.layer"), outcome(2)], probes)
    assert (told["whole runs"], told["runs with an alarm"]) == (2, 1)
    assert told["results"] == {"fail": 1, "error": 1, "pass": 1}
    assert told["by rule"]["INTERVAL"]["alarms"] == 1


def test_results_of_other_code_are_not_counted(script, tmp_path, monkeypatch):
    ledger = tmp_path / "ledger.jsonl"
    words = ["false_alarms", "--runs", "1", "--only", "cast.widen", "--ledger", str(ledger)]
    monkeypatch.setattr("sys.argv", words)
    assert script.main() == 0
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert {o["dtype"] for o in lines} == {"float16", "bfloat16"}

    ledger.write_text("".join(json.dumps({**o, "status": "fail"}) + "\n" for o in lines))
    assert script.main() == 1, "kept results of the same code count"
    ledger.write_text("".join(json.dumps({**o, "status": "fail", "code": "older"}) + "\n" for o in lines))
    assert script.main() == 0, "results of older code are computed again"


def test_the_code_of_a_probe_covers_what_it_imports(script):
    files = script.island_code.reached(Path(catalogue.find("conv.forward").path))
    reached = {file.stem for file in files}
    assert {"convolution", "judge", "transform", "rounding"} <= reached
