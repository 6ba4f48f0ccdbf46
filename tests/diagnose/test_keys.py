"""The table of clients' keys: how it is read, and that it says what real releases say."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from diagnosing import known

from hwcompat.diagnose.config import formats
from hwcompat.diagnose.keytable import Key, KeyTable, read_keys, read_rates, version_of
from hwcompat.tables import data_folders

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPT = REPOSITORY / "scripts" / "client_keys.py"


def table(**versions: str) -> KeyTable:
    keys = {("c", "", name): Key("c", "", name, tuple(text.split()), "", "s") for name, text in versions.items()}
    return KeyTable(keys)


def test_a_release_between_examined_ones_is_judged_by_its_neighbours() -> None:
    keys = table(old="1.0 2.0", new="3.0 4.0", always="1.0 2.0 3.0 4.0")
    assert keys.accepts("c", "", "old", "1.5") is True
    assert keys.accepts("c", "", "old", "2.5") is None
    assert keys.accepts("c", "", "old", "3.0") is False
    assert keys.accepts("c", "", "old", "9.0") is False
    assert keys.accepts("c", "", "new", "0.1") is False
    assert keys.accepts("c", "", "new", "v3.0.post1") is True
    assert keys.accepts("c", "", "new", "2.9") is None
    assert keys.accepts("c", "", "always", "2.5") is True
    assert keys.accepts("c", "", "none", "2.5") is False
    assert keys.accepts("c", "", "always", None) is True
    assert keys.accepts("c", "", "old", None) is None
    assert keys.accepts("other", "", "old", "1.0") is None


def test_the_nearest_key_is_one_that_the_release_takes() -> None:
    keys = table(learning_rate="2.0", learning_rates="1.0")
    assert keys.nearest("c", "", "learning_ratee", "2.0") == "learning_rate"
    assert keys.nearest("c", "", "learning_ratee", "1.0") == "learning_rates"
    assert keys.nearest("c", "", "colour", "1.0") == ""


@pytest.mark.parametrize(
    ("text", "version"),
    [("8.4.80", (8, 4, 80)), ("v7.0", (7, 0)), ("8.4.80.post1", (8, 4, 80)), ("x", None), (None, None)],
)
def test_versions(text, version):
    assert version_of(text) == version


def test_every_client_is_in_the_table_with_several_releases() -> None:
    keys = known().keys
    for client in formats():
        sections = {key.section for key in keys.keys.values() if key.client == client}
        assert all(len(keys.examined(client, section)) >= 2 for section in sections)
    assert all(key.source.startswith("https://github.com/") for key in keys.keys.values())
    assert keys.find("ultralytics", "", "half").replaced_by == "quantize"


def test_the_rates_are_in_order_and_have_sources() -> None:
    rates = read_rates(data_folders())
    assert len(rates) >= 10
    assert all(0 < rate.usual < rate.far and rate.source.startswith("https://") for rate in rates.values())


def test_a_folder_of_ones_own_adds_a_release(tmp_path):
    (tmp_path / "client_keys.csv").write_text(
        "client,section,key,versions,replaced_by,source\nultralytics,,sparkle,9.0.0,,https://example.org\n",
        encoding="utf-8",
    )
    keys = read_keys((*data_folders(), tmp_path))
    assert keys.accepts("ultralytics", "", "sparkle", "9.0.0") is True
    assert keys.accepts("ultralytics", "", "amp", "9.0.0") is False


# --- real releases ----------------------------------------------------------------------------------------------------


def clients() -> Path:
    folder = os.environ.get("HWCOMPAT_TEST_CLIENTS")
    if not folder:
        pytest.skip("needs HWCOMPAT_TEST_CLIENTS")
    return Path(folder)


ENVIRONMENTS = sorted(
    path.stem
    for path in (REPOSITORY / "tests/clients/environments").glob("*.txt")
    if path.stem.split("-")[0]
    in ("ultralytics", "accelerate", "transformers", "deepspeed", "lightning", "pytorch_lightning")
)


@pytest.mark.clients
@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_table_says_what_the_release_says(name, tmp_path):
    """Read anew from the installed release, every key stands in the table with that release, and none is missing."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--matrix", str(tmp_path), str(clients() / name)],
        capture_output=True, text=True, encoding="utf-8", check=True,
    )  # fmt: skip
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert rows
    keys = known().keys
    for row in rows:
        found = keys.find(row["client"], row["section"], row["key"])
        assert found
        assert set(row["versions"].split()) <= set(found.versions)
    version = name.rpartition("-")[2]
    client = "lightning" if "lightning" in name else name.rpartition("-")[0]
    fresh = {(row["section"], row["key"]) for row in rows if row["client"] == client}
    said = {(key.section, key.key) for key in keys.keys.values() if key.client == client and version in key.versions}
    assert said == fresh


@pytest.mark.clients
@pytest.mark.parametrize("version", ["8.3.250", "8.4.79", "8.4.80", "8.4.190"])
def test_ultralytics_itself_takes_and_refuses_what_the_table_says(version, tmp_path):
    """get_cfg with a default and overrides refuses every key that it does not know."""
    places = [str(clients() / f"ultralytics-{version}"), str(REPOSITORY / "tests/clients/stub")]
    python = clients() / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    code = (
        "import sys\nfrom ultralytics.cfg import get_cfg, DEFAULT_CFG\n"
        "for key in sys.argv[1:]:\n"
        "    try: get_cfg(DEFAULT_CFG, {key: None}); print(key, 1)\n"
        "    except SyntaxError: print(key, 0)\n"
        "    except Exception: print(key, 1)\n"
    )
    asked = ["amp", "half", "quantize", "lr0", "optimzer", "warmup_bias_lr", "cls_remap", "noautoanchor"]
    done = subprocess.run(
        [str(python), "-c", code, *asked], capture_output=True, text=True, encoding="utf-8",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places), "YOLO_CONFIG_DIR": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = dict(line.split() for line in done.stdout.splitlines() if line.startswith(tuple(asked)))
    keys = known().keys
    for key in asked:
        taken = keys.accepts("ultralytics", "", key, version)
        mapped = bool(keys.find("ultralytics", "", key) and keys.find("ultralytics", "", key).replaced_by)
        assert (said[key] == "1") == (taken or (mapped and version_of(version) >= (8, 4, 80))), key
