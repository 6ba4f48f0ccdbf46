"""Ultralytics' own check of label files against ours: what it drops is found, what it takes is not called refused."""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path

import pytest
from diagnosing import written
from PIL import Image

from hwcompat.diagnose.labels import yolo
from hwcompat.diagnose.tally import Tally

REPOSITORY = Path(__file__).resolve().parents[2]
REFUSED = {
    *(
        "label.nonfinite",
        "label.class-range",
        "label.class-not-integer",
        "label.pixels",
        "label.columns",
        "label.mixed",
    ),
    *("label.not-a-number", "label.range", "label.unreadable"),
}
"""Rules whose texts say that the client drops the image."""
CELLS = ("0.5", "0.2", "0", "1", "0.995", "1.005", "1.02", "-0.005", "-0.02", "2.5", "320", "nan", "inf", "1e-6", "a")
CLASSES = ("0", "2", "3", "-1", "1.5", "nan")
CODE = """
import json, sys
from ultralytics.data.utils import verify_image_label
image, names = sys.argv[1], json.load(open(sys.argv[2]))
told = {name: verify_image_label((image, name, "", False, 3, 0, 0, False))[8] for name in names}
json.dump(told, open(sys.argv[3], "w"))
"""


def texts() -> list[str]:
    """Files of one to three rows, mostly good, with cells that lie on both sides of every limit."""
    source = random.Random(7)
    some = []
    for _ in range(400):
        rows = []
        for _ in range(source.randrange(1, 4)):
            cells = [source.choice(CLASSES) if source.random() < 0.2 else "0"]
            count = 4 if source.random() < 0.9 else source.choice((3, 5, 6, 8))
            cells += [
                source.choice(CELLS) if source.random() < 0.25 else f"{source.uniform(0.2, 0.4):.3f}"
                for _ in range(count)
            ]
            rows.append(" ".join(cells))
        some.append("\n".join(rows) + "\n")
    return some


@pytest.mark.clients
def test_what_ultralytics_drops_is_found_and_nothing_else_is_called_refused(tmp_path):
    folder = Path(os.environ.get("HWCOMPAT_TEST_CLIENTS") or pytest.skip("needs HWCOMPAT_TEST_CLIENTS"))
    Image.effect_noise((64, 48), 50).convert("RGB").save(tmp_path / "a.jpg")
    names = {str(written(tmp_path, f"{n}.txt", text)): text for n, text in enumerate(texts())}
    written(tmp_path, "names.json", json.dumps(list(names)))
    python = folder / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    places = [str(folder / "ultralytics-8.4.190"), str(REPOSITORY / "tests/clients/stub")]
    done = subprocess.run(
        [str(python), "-c", CODE, str(tmp_path / "a.jpg"), str(tmp_path / "names.json"), str(tmp_path / "told.json")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places), "YOLO_CONFIG_DIR": str(tmp_path)},
        capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "told.json").read_text(encoding="utf-8"))
    assert 50 < sum(told.values()) < 350, "both answers occur often"
    differing = {}
    for name, text in names.items():
        tally = Tally()
        yolo.examine(Path(name), 3, 0, None, tally)
        if bool(told[name]) != bool(REFUSED & set(tally.counts)):
            differing[text] = (told[name], dict(tally.counts))
    assert not differing
