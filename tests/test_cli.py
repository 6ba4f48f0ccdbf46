"""The command line as a person meets it: what is on stdout, what on stderr, which exit code."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from hwcompat import api, cli, emitters, matrix
from hwcompat.errors import UsageError

CARD = ["--gpu", "NVIDIA GeForce GTX 1660 Ti", "--driver", "552.22", "--os", "windows", "--python", "3.11"]
KEYS = ["amp", "half", "dtype", "grad_scaler", "channels_last", "cudnn_benchmark", "tf32", "torch", "cuda"]
KEYS += ["torchvision", "torchaudio", "index_url"]


@pytest.fixture
def run(command: list[str], tmp_path: Path):
    """Start the command in a folder of its own; the tree is found through PYTHONPATH."""
    env = dict(os.environ, PYTHONPATH=str(Path(__file__).resolve().parents[1]))

    def start(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *arguments],
            cwd=tmp_path,
            env={**env, **changes},
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )

    return start


def test_probe_then_recommend_on_this_machine(run, tmp_path: Path, private_home: Path) -> None:
    """The main path: measure, record a row, write a configuration; stdout holds only the artefact."""
    probed = run("probe", "--level", "quick", "--device", "cpu")
    assert probed.returncode == 0, probed.stderr
    assert 0 < len(probed.stdout.strip().splitlines()) <= 12
    assert "no fault found" in probed.stdout
    assert "hwcompat recommend -o cfg.yaml" in probed.stderr
    [row_file] = (private_home / "matrix" / "results").glob("*.csv")
    assert row_file.name == "cpu.csv"
    assert len(row_file.read_text(encoding="utf-8").splitlines()) == 2
    assert json.loads(run("matrix", "show", str(row_file), "--json").stdout)[0]["source"] == "measured"

    recommended = run("recommend")
    assert recommended.returncode == 0, recommended.stderr
    assert recommended.stdout.isascii()
    config = yaml.safe_load(recommended.stdout)
    assert list(config) == KEYS
    assert config["amp"] is False


def test_a_second_probe_that_finds_the_same_is_a_second_observation_also_in_a_checkout(
    run, tmp_path: Path, private_home: Path
) -> None:
    checkout = tmp_path / "matrix"
    checkout.mkdir()
    for _ in range(2):
        done = run("probe", "--device", "cpu", "--only", "cast.overflow", "--matrix", str(checkout))
        assert done.returncode == 0, done.stderr
    for folder in (checkout, private_home / "matrix"):
        rows = matrix.read_rows(folder / "results" / "cpu.csv")[0]
        assert [len(row.report_id.split()) for row in rows] == [2]


def test_a_sick_card_is_simulated_named_and_never_recorded(run, private_home: Path) -> None:
    done = run("probe", "--device", "cpu", "--only", "conv.shapes", "--simulate", "gtx16xx")
    assert done.returncode == 0, done.stderr
    assert "FAULTY in fp16" in done.stdout
    assert "simulated gtx16xx" in done.stdout
    assert "amp: false" in done.stdout
    assert "the card, not your data" in done.stdout
    assert "do not resume" in done.stdout
    assert not (private_home / "matrix").exists()
    assert not list((private_home / "reports").glob("*.json")) if (private_home / "reports").exists() else True
    assert run("probe", "--device", "cpu", "--only", "conv.shapes", "--simulate", "gtx16xx", "--check").returncode == 1


def test_recommend_for_a_gtx_1660_ti_on_windows(run, tmp_path: Path) -> None:
    done = run("recommend", *CARD, "-o", "cfg.yaml")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    written = (tmp_path / "cfg.yaml").read_bytes()
    assert not written.startswith(b"\xef\xbb\xbf")
    text = written.decode("ascii")
    config = yaml.safe_load(text)
    assert (config["amp"], config["half"], config["dtype"], config["grad_scaler"]) == (False, False, "float32", False)
    assert isinstance(config["torch"], str)
    assert config["index_url"].endswith("/" + config["cuda"])
    assert "TU116" in text
    assert "https://" in text.split("amp:")[0] + text


def test_explain_tells_the_whole_story_on_stdout(run) -> None:
    done = run("recommend", *CARD, "--explain")
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    for words in ("Evidence, strongest first", "amp: false", "considered", "to change", "2.14.1+cu126"):
        assert words in done.stdout


def test_the_formats_are_listed_with_their_files_and_proofs(run) -> None:
    lines = run("recommend", "--list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(emitters.names())
    assert any(line.split()[:3] == ["ultralytics", "cfg.yaml", "launched"] for line in lines)
    listed = json.loads(run("recommend", "--list", "--json").stdout)
    assert {each["name"]: each["file"] for each in listed}["yaml"] == "hwcompat.yaml"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("recommend", "--gpu", "GeForce GTX 1660 Tie", "--driver", "552.22"), 2, ["1660 Ti"]),
        (("recommend", "--gpu", "9.9"), 2, ["capability"]),
        (("recommend", "--gpu", "Tesla T4", "--driver", "abc"), 2, ["abc"]),
        (("recommend", "--gpu", "Tesla T4", "--driver", "570.86", "--python", "2.7"), 2, ["2.7"]),
        (("recommend", "--gpu", "Tesla T4", "--os", "solaris"), 3, ["solaris", "windows"]),
        (("recommend", "--gpu", "Tesla T4", "--os", "beos"), 2, ["beos", "windows"]),
        (("recommend", "--gpu", "Tesla T4", "--driver", "390.10", "--os", "linux", "--python", "3.11"), 3, ["driver"]),
        (("recommend", "--gpu", "GRID K520", "--driver", "470.57", "--os", "linux", "--python", "3.8"), 3, ["3.0"]),
        (("recommend", "--for", "ultralytix", "--gpu", "cpu"), 2, ["ultralytics"]),
        (("recommend", "--for", "ultralytics@abc", "--gpu", "cpu"), 2, ["abc", "ultralytics@8"]),
        (("recommend", "--for", "ultralytics@", "--gpu", "cpu"), 2, ["ultralytics@8"]),
        (("recommend", "--python", "no-such-python"), 3, ["the chosen Python cannot be used", "--python"]),
        (("recommend", "--report", "nothing.json"), 4, ["nothing.json"]),
        (("probe", "--only", "conv.forwrd"), 2, ["conv.forward"]),
        (("probe", "--device", "cuda:7"), 3, ["devices here: cpu"]),
        (("probe", "--device", "toaster"), 2, ["toaster"]),
        (("probe", "--level", "brutal"), 2, ["brutal"]),
        (("probe", "--matrix", "nowhere"), 4, ["nowhere"]),
        (("probe", "--python", "no-such-python"), 3, ["no-such-python"]),
        (("probe", "--simulate", "gremlins", "--device", "cpu"), 2, ["gremlins", "gtx16xx"]),
        (("matrix", "validate", "nothing.csv"), 4, ["nothing.csv"]),
        (("recommend", "--driver", "552.22"), 2, ["--driver", "--gpu"]),
        (("recommend", "--report", "r.json", "--gpu", "Tesla T4"), 2, ["--report"]),
        (("nonsense",), 2, ["nonsense"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)  # fmt: skip
def test_bad_input_gets_one_line_what_and_one_line_what_to_do(run, arguments, code: int, words: list[str]) -> None:
    done = run(*arguments, CUDA_VISIBLE_DEVICES="")
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert all(word in done.stderr for word in words), done.stderr


def test_a_failed_command_leaves_the_output_file_alone(run, tmp_path: Path) -> None:
    target = tmp_path / "cfg.yaml"
    target.write_text("amp: true\n", encoding="utf-8")
    assert run("recommend", "--gpu", "no such card", "-o", str(target)).returncode == 2
    assert target.read_text(encoding="utf-8") == "amp: true\n"


def test_a_broken_row_is_a_warning_and_the_others_load(run, tmp_path: Path) -> None:
    from hwcompat import matrix
    from hwcompat.model import Row

    path = tmp_path / "rows.csv"
    matrix.write_rows(
        path,
        [
            Row(
                gpu="Tesla T4",
                source="reported",
                url="https://example.org/1",
                report_id="reported-1",
                date="2026-01-02",
            )
        ],
    )
    path.write_text(path.read_text(encoding="utf-8") + "just,three,cells\n", encoding="utf-8")
    done = run("matrix", "validate", str(path))
    assert done.returncode == 1
    assert "rows.csv:3:" in done.stdout
    shown = run("matrix", "show", str(path))
    assert "Tesla T4" in shown.stdout
    assert "rows.csv:3:" in shown.stderr


def test_env_prints_and_json_is_json_without_private_facts(run) -> None:
    assert "torch" in run("env").stdout
    found = json.loads(run("env", "--json").stdout)
    assert found["os"] in ("linux", "windows", "macos")
    assert "executable" not in found


def test_the_listing_needs_no_torch(run) -> None:
    listed = json.loads(run("probe", "--list", "--json").stdout)
    assert {"conv.forward", "matmul.integer"} <= {probe["id"] for probe in listed}


def test_json_report_follows_the_published_schema(run) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    from hwcompat import report

    done = run("probe", "--device", "cpu", "--only", "cast.overflow", "--json", "--no-record")
    jsonschema.validate(json.loads(done.stdout), report.json_schema())


def test_debug_shows_the_traceback(run) -> None:
    assert "Traceback" not in run("recommend", "--gpu", "no such card").stderr
    debugged = run("--debug", "recommend", "--gpu", "no such card")
    assert "Traceback" in debugged.stderr
    assert debugged.returncode == 2


def test_debug_keeps_the_code_of_our_own_bugs(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def broken(**_options: object) -> None:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(cli, "main", broken)
    with pytest.raises(SystemExit) as end:
        cli.run(["--debug", "env"])
    assert end.value.code == cli.BUG
    assert "Traceback" in capsys.readouterr().err


def test_a_clients_version_may_be_a_patched_one(run) -> None:
    done = run("recommend", "--for", "ultralytics@8.4.80.post1", *CARD)
    assert done.returncode == 0, done.stderr
    assert "quantize" in done.stdout


def test_a_run_in_this_process_tells_its_progress_and_refuses_a_timeout() -> None:
    seen: list[int] = []
    report = api.probe("cpu", only=["cast.overflow"], isolate=False, progress=lambda done, *_: seen.append(done))
    assert report.results
    assert seen[0] == 0
    with pytest.raises(UsageError, match="timeout needs isolate"):
        api.probe("cpu", only=["cast.overflow"], isolate=False, timeout=5.0)


def test_a_verdict_is_shown_even_where_nothing_can_be_recorded(run, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder", encoding="utf-8")
    done = run("probe", "--device", "cpu", "--only", "cast.overflow", HWCOMPAT_HOME=str(blocked / "home"))
    assert done.returncode == 3
    assert "no fault found" in done.stdout
    assert "HWCOMPAT_HOME" in done.stderr
    unwritable = run("probe", "--device", "cpu", "--only", "cast.overflow", "-o", str(blocked / "out.txt"))
    assert unwritable.returncode == 3
    assert "no fault found" in unwritable.stderr


def test_a_run_that_measures_nothing_is_not_recorded(run, private_home: Path) -> None:
    done = run("probe", "--device", "cpu", "--only", "matmul.tf32")
    assert done.returncode == 3
    assert "nothing was measured" in done.stdout
    assert not (private_home / "matrix").exists()
