"""`hwcompat diagnose` as people call it: exit codes, one screen, JSON by its schema, hostile files."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import jsonschema
import pytest
import yaml
from diagnosing import FAULTY, found, known, written
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hwcompat import diagnose
from hwcompat.diagnose import tell
from hwcompat.diagnose.clue import CAUSES
from hwcompat.diagnose.reading import read_document, read_text
from hwcompat.errors import DataError
from hwcompat.replay import finding

SCHEMA = Path(diagnose.__file__).with_name("diagnosis.schema.json")
BAD = "task: detect\nimgsz: 640\nclose_mosaic: 10\namp: true\nlr0: 1e-3\noptimzer: SGD\nresume: true\n"
GOOD = "task: detect\nimgsz: 640\nclose_mosaic: 10\namp: false\n"


@pytest.fixture
def run(command, tmp_path):
    def start(*arguments: str, folder: Path = tmp_path) -> subprocess.CompletedProcess[str]:
        import os

        env = dict(os.environ, PYTHONPATH=str(Path(__file__).resolve().parents[2]))
        return subprocess.run(
            [*command, "diagnose", *arguments], cwd=folder, env=env, capture_output=True, text=True, encoding="utf-8"
        )

    return start


def test_settings_record_data_and_command_together(run, tmp_path):
    written(tmp_path, "args.yaml", BAD)
    written(tmp_path, "results.csv", "epoch,train/box_loss,lr/pg0\n1,nan,0.1\n2,nan,0.1\n")
    written(tmp_path, "labels/train/a.txt", "0 nan 1 1 1\n")
    written(tmp_path, "images/train/a.png", "no image")
    written(tmp_path, "data.yaml", "train: images/train\nval: images/train\nnames: [a]\n")
    line = "python train.py --weights a.pt --noautoanchor"
    names = ["--config", "args.yaml", "--results", "results.csv", "--data", "data.yaml", "--command", line]
    done = run(*names, "--gpu", FAULTY, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    jsonschema.validate(answer, json.loads(SCHEMA.read_text(encoding="utf-8")))
    checks = [each["check"] for each in answer["clues"]]
    wanted = {
        "hardware.faulty",
        "curve.nonfinite-at-once",
        "label.nonfinite",
        "image.unreadable",
        "hardware.card-is-known",
    }
    assert wanted | {"folklore.noautoanchor-is-no-amp-switch"} <= set(checks)
    weights = [each["weight"] for each in answer["clues"]]
    assert weights == sorted(weights, reverse=True)
    assert done.stdout.isascii()
    shown = run(*names, "--gpu", FAULTY)
    assert len(shown.stdout.splitlines()) <= tell.SCREEN + 2
    assert "more: --all" in shown.stdout
    assert len(run(*names, "--gpu", FAULTY, "--all").stdout.splitlines()) > tell.SCREEN


def test_with_no_option_the_folder_is_looked_at(run, tmp_path):
    nothing = run()
    assert nothing.returncode == 4
    assert "what to do: name the files" in nothing.stderr
    written(tmp_path, "args.yaml", GOOD)
    written(tmp_path, "results.csv", "a,b\n1,2\n")
    done = run("--gpu", "NVIDIA A100-SXM4-40GB")
    assert done.returncode == 0, done.stderr
    assert "found here: args.yaml" in done.stderr
    assert "results.csv" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--config", "bad.yaml", "--gpu", "T4"], 0),
        (["--config", "bad.yaml", "--gpu", "T4", "--check"], 1),
        (["--config", "good.yaml", "--gpu", "T4", "--check"], 0),
        (["--config", "good.yaml", "--client", "yolo9000"], 2),
        (["--client", "ultralytics", "--command", "x"], 2),
        (["--config", "good.yaml", "--client-version", "newest", "--gpu", "T4"], 2),
        (["--gpu", "T4", "--python", "python", "--command", "x"], 2),
        (["--gpu", "GTX 9999", "--config", "good.yaml"], 2),
        (["--config", "none.yaml"], 4),
        (["--data", "none.yaml"], 4),
        (["--results", "none.csv"], 4),
        (["--config", "colour.yaml"], 4),
        (["--command", 'python "open'], 2),
        (["--nonsense"], 2),
    ],
)
def test_exit_codes(run, tmp_path, arguments, code):
    written(tmp_path, "bad.yaml", BAD)
    written(tmp_path, "good.yaml", GOOD)
    written(tmp_path, "colour.yaml", "colour: blue\n")
    done = run(*arguments)
    assert done.returncode == code, done.stderr
    if code > 1 and "--nonsense" not in arguments:
        assert "error:" in done.stderr
        assert "what to do:" in done.stderr
        assert "Traceback" not in done.stderr


def test_the_folklore_is_listed_and_written(run, tmp_path):
    done = run("--folklore")
    assert done.returncode == 0
    assert "noautoanchor" in done.stdout
    assert "source: https://" in done.stdout
    done = run("--folklore", "--json", "-o", "folklore.json")
    tales = json.loads((tmp_path / "folklore.json").read_text(encoding="utf-8"))
    assert all(tale["sources"] for tale in tales)


def test_it_starts_without_torch_pandas_or_pillow(tmp_path):
    written(tmp_path, "a.yaml", BAD)
    code = (
        "import sys\nfrom hwcompat.cli import run\n"
        f"try:\n    run(['diagnose', '--config', {str(tmp_path / 'a.yaml')!r}, '--gpu', 'Tesla T4'])\n"
        "except SystemExit as end:\n"
        "    heavy = [m for m in sys.modules if m in ('torch', 'pandas', 'numpy', 'rich', 'PIL')]\n"
        "    print(end.code, heavy, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stderr.strip().splitlines()[-1] == "0 []"


def test_the_causes_are_those_of_the_schema() -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert tuple(schema["$defs"]["clue"]["properties"]["cause"]["enum"]) == CAUSES
    assert set(CAUSES) == set(finding.CAUSES), "the static checks and the watch speak of the same causes"
    jsonschema.Draft202012Validator.check_schema(schema)


def test_windows_and_foreign_names_are_shown_in_ascii(tmp_path):
    path = written(tmp_path, "настройки.yaml", BAD)
    answer = diagnose.settings(path, known(FAULTY))
    assert all(line.isascii() for line in tell.lines(answer))
    assert json.dumps(diagnose.as_json(answer)).isascii()


# --- hostile files ----------------------------------------------------------------------------------------------------

LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
MERGES = "a0: &a0 {k0: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}], k{n}: 1}}\n" for n in range(1, 40))
HOSTILE = [
    LAUGHS,
    MERGES,
    "a: " + "[" * 3000,
    "{" * 3000,
    "a: &a [*a]\n",
    "x: !!python/object/apply:os.system ['touch witness']\n",
    "a: 'open\n",
    "- a\n- b\n",
    "\0\0\0",
    "a: " + "9" * 50_000 + "\n",
    "{" + '"a": ' * 100_000,
    '{"a": ' + "9" * 5000 + "}",
    "? [a, b]\n: c\n",
    "a: 2026-99-99\nb: 190:20:30\n",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_settings_are_refused_or_read_within_bounds(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path, "a.yaml", text)
    with suppress(DataError):
        diagnose.settings(path, known())
    assert not (tmp_path / "witness").exists()


def test_large_files_and_devices_are_refused(tmp_path):
    path = tmp_path / "a.yaml"
    with path.open("wb") as handle:
        handle.truncate(3 * 2**20)
    with pytest.raises(DataError, match="more than"):
        read_text(path)
    with pytest.raises(DataError, match="no regular file"):
        read_text(tmp_path)
    if Path("/dev/zero").exists():
        with pytest.raises(DataError, match="no regular file"):
            diagnose.results(Path("/dev/zero"), known())


def test_powershell_files_are_read(tmp_path):
    (tmp_path / "a.yaml").write_bytes(GOOD.encode("utf-16"))
    assert found(diagnose.settings(tmp_path / "a.yaml", known(FAULTY))) == set()
    (tmp_path / "a.log").write_bytes("x\r\nrecovering from last.pt\r\n".encode("utf-16"))
    assert diagnose.results(tmp_path / "a.log", known()).clues[0].places[0].line == 2


def test_a_log_of_one_endless_line_is_read_in_pieces(tmp_path):
    written(tmp_path, "a.log", "recovering from last.pt " + "x" * 3_000_000 + "\nAll-NaN slice encountered\n")
    assert {"log.nan-recovery", "log.all-nan-slice"} <= found(diagnose.results(tmp_path / "a.log", known()))


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text("abc \n:#'\"", max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abcd", min_size=1, max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)
quick = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(st.dictionaries(st.text("abcd", min_size=1, max_size=4), plain, min_size=1, max_size=5))
def test_the_walk_gives_what_safe_load_gives(tmp_path, value):
    path = written(tmp_path, "a.yaml", "# a comment\n" + yaml.safe_dump(value))
    document = read_document(path)
    assert {name: document.values[name] for name in document.top()} == value
    lines = path.read_text(encoding="utf-8").splitlines()
    for name in document.top():
        assert lines[document.lines[name] - 1].lstrip("'\"? ").startswith(name)


@quick
@given(st.dictionaries(st.text("abcd", min_size=1, max_size=4), plain, min_size=1, max_size=5))
def test_json_is_read_as_json(tmp_path, value):
    document = read_document(written(tmp_path, "a.json", json.dumps(value, indent=1)))
    assert {name: document.values[name] for name in document.top()} == value


@quick
@given(st.text(max_size=300))
def test_no_text_of_a_record_raises_anything_but_a_data_error(tmp_path, text):
    for name in ("a.csv", "a.log", "trainer_state.json"):
        with suppress(DataError):
            diagnose.results(written(tmp_path, name, text), known())


def test_the_data_set_that_the_record_of_a_run_names_is_looked_at_too(run, tmp_path):
    written(tmp_path, "images/a.png", "no image")
    data = written(tmp_path, "set/data.yaml", "path: ..\ntrain: images\nval: images\nnames: [a]\n")
    written(tmp_path, "run/args.yaml", GOOD + f"data: {data.as_posix()}\n")
    done = run("--gpu", "Tesla T4", folder=tmp_path / "run")
    assert "images that cannot be read" in done.stdout
    written(tmp_path, "run/args.yaml", GOOD + "data: gone.yaml\n")
    assert run("--gpu", "Tesla T4", folder=tmp_path / "run").returncode == 0


def test_what_does_not_fit_a_screen_is_counted_and_nothing_weaker_takes_its_place() -> None:
    long = "because " * 120
    clues = [
        diagnose.Clue(f"a.n{n}", f"clue {n}", long if n % 2 else "short", "do", "proved", 90 - n) for n in range(12)
    ]
    lines = tell.lines(diagnose.Answer(tuple(clues), ("x",), next_steps=("go on",)))
    shown = [int(line.rpartition(" ")[2]) for line in lines if line.startswith("[proved]")]
    assert shown == list(range(len(shown)))
    assert f"{12 - len(shown)} more: --all" in lines
    assert len(lines) <= tell.SCREEN
    every = tell.lines(diagnose.Answer(tuple(clues), ("x",)), everything=True)
    assert sum(line.startswith("[proved]") for line in every) == 12
    assert all(len(line) <= tell.WIDTH for line in every)


def test_a_card_that_is_named_is_judged_without_settings(run):
    line = "python train.py --weights a.pt --noautoanchor"
    faulty = json.loads(run("--gpu", FAULTY, "--command", line, "--json").stdout)
    assert faulty["clues"][0]["check"] == "hardware.card-is-known"
    alone = json.loads(run("--gpu", FAULTY, "--json").stdout)
    assert [each["check"] for each in alone["clues"]] == ["hardware.card-is-known"]
    sound = json.loads(run("--gpu", "NVIDIA A100-SXM4-40GB", "--json").stdout)
    assert sound["clues"] == []
