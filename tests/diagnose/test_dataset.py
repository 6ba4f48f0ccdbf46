"""Images, and whole data sets: what belongs together, several processes, hostile folders."""

from __future__ import annotations

import os
import struct
import sys
import zlib
from functools import partial
from pathlib import Path, PureWindowsPath

import numpy
import pytest
from diagnosing import clue, found, written
from dying_worker import dies_on_seven
from PIL import Image

from hwcompat import diagnose
from hwcompat.diagnose import dataset, images, parallel
from hwcompat.diagnose.faults import RULES
from hwcompat.errors import DataError, MachineError


def noise(size=(64, 48), mode="RGB") -> Image.Image:
    pixels = numpy.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=numpy.uint8)
    return Image.fromarray(pixels).convert(mode)


def look(folder: Path, picture: Image.Image, name: str = "a.png") -> list[str]:
    picture.save(folder / name)
    return [fault.rule for fault in images.look(folder / name, True).faults]


def floats(values) -> Image.Image:
    return Image.fromarray(numpy.array(values, dtype=numpy.float32))


def varied(fill: float) -> numpy.ndarray:
    pixels = numpy.full((20, 20), 0.5, dtype=numpy.float32)
    pixels[numpy.eye(20, dtype=bool)] = fill
    return pixels


# --- images -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1", "CMYK"])
def test_ordinary_images_have_no_fault(tmp_path, mode):
    assert look(tmp_path, noise(mode=mode), "a.tif") == []


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.bmp", "a.webp", "a.gif"])
def test_ordinary_formats_have_no_fault(tmp_path, name):
    assert look(tmp_path, noise(), name) == []


def test_what_is_wrong_with_an_image(tmp_path):
    assert look(tmp_path, Image.new("RGB", (64, 48), (7, 7, 7))) == ["image.constant"]
    assert look(tmp_path, Image.new("RGBA", (64, 48), (7, 7, 7, 9))) == ["image.constant"]
    deep = Image.fromarray(numpy.arange(400, dtype=numpy.uint16).reshape(20, 20) * 100)
    assert look(tmp_path, deep) == ["image.sixteen-bit"]
    assert look(tmp_path, noise((64, 5))) == ["image.small"]
    assert look(tmp_path, floats(varied(numpy.nan)), "a.tif") == ["image.nonfinite"]
    assert look(tmp_path, floats(varied(numpy.inf)), "a.tif") == ["image.nonfinite"]
    assert look(tmp_path, floats(varied(60000.0)), "a.tif") == ["image.large-values"]
    assert look(tmp_path, floats(varied(0.4)), "a.tif") == []


def test_a_png_of_sixteen_bits_and_three_channels(tmp_path):
    """Pillow gives such a file 8 bits, so that only its header tells."""
    rows = b"".join(b"\0" + bytes((x * 7 + y) % 256 for x in range(16 * 6)) for y in range(16))
    head = struct.pack(">IIBBBBB", 16, 16, 16, 2, 0, 0, 0)
    (tmp_path / "a.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )
    assert [f.rule for f in images.look(tmp_path / "a.png", True).faults] == ["image.sixteen-bit"]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.bmp"])
def test_a_truncated_image_is_found_by_reading_it(tmp_path, name):
    noise().save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) * 2 // 3])
    rules = [fault.rule for fault in images.look(tmp_path / name, True).faults]
    assert rules
    assert set(rules) <= {"image.truncated", "image.unreadable"}
    if name == "a.jpg":
        assert [fault.rule for fault in images.look(tmp_path / name, False).faults] == ["image.truncated"]


def test_a_bomb_is_not_unpacked(tmp_path):
    """A PNG of 40000 x 40000 pixels in 2 MB, and one that Pillow itself calls a bomb: neither is decoded."""
    for side in (11_000, 40_000):
        head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
        data = (
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", head)
            + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
            + chunk(b"IEND", b"")
        )
        (tmp_path / "a.png").write_bytes(data)
        assert [fault.rule for fault in images.look(tmp_path / "a.png", True).faults] == ["image.huge"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        b"not an image",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"\x89PNG\r\n\x1a\n" + b"\0" * 50,
    ],
)
def test_what_is_no_image_is_unreadable(tmp_path, data):
    (tmp_path / "a.png").write_bytes(data)
    assert [fault.rule for fault in images.look(tmp_path / "a.png", True).faults] == ["image.unreadable"]


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes in folders")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    assert [fault.rule for fault in images.look(tmp_path / "a.png", True).faults] == ["image.unreadable"]


def test_without_pillow_the_line_that_installs_it_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MachineError, match="Pillow") as caught:
        dataset.examine(tmp_path / "data.yaml")
    assert "pip install" in caught.value.hint


# --- whole data sets --------------------------------------------------------------------------------------------------


def make(root: Path, count: int = 4, split: str = "train") -> None:
    for n in range(count):
        path = root / "images" / split / f"{n}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise((16, 16)).save(path)
        written(root, f"labels/{split}/{n}.txt", f"{n % 2} 0.5 0.5 0.{n % 5 + 1} 0.2\n")


YAML = "path: .\ntrain: images/train\nval: images/val\nnames: {0: cat, 1: dog}\n"


def yolo(root: Path, text: str = YAML, **options) -> diagnose.Answer:
    return diagnose.data(written(root, "data.yaml", text), **options)


def test_a_good_data_set_has_nothing_to_find(tmp_path):
    make(tmp_path)
    make(tmp_path, split="val")
    answer = yolo(tmp_path)
    assert answer.clues == ()
    assert any("4 images, 4 boxes of 2 classes" in note for note in answer.notes)


def test_background_is_legal_and_said_so(tmp_path):
    make(tmp_path, 10)
    make(tmp_path, split="val")
    written(tmp_path, "labels/train/0.txt", "")
    (tmp_path / "labels/train/1.txt").unlink()
    answer = yolo(tmp_path)
    assert answer.findings == ()
    assert any("2 of them background (empty or no label file: legal)" in note for note in answer.notes)


def test_labels_where_nobody_looks_for_them(tmp_path):
    make(tmp_path)
    make(tmp_path, split="val")
    (tmp_path / "labels").rename(tmp_path / "annotations")
    answer = yolo(tmp_path)
    assert answer.clues[0].check == "data.no-labels"
    assert answer.clues[0].weight >= 90


def test_many_backgrounds_and_labels_without_image(tmp_path):
    make(tmp_path, 6)
    make(tmp_path, split="val")
    for n in range(4):
        (tmp_path / f"labels/train/{n}.txt").rename(tmp_path / f"labels/train/old{n}.txt")
    answer = yolo(tmp_path)
    assert clue(answer, "data.many-backgrounds").count == 4
    assert clue(answer, "pair.no-image").count == 4


def test_a_class_beyond_the_names_and_counts_that_disagree(tmp_path):
    make(tmp_path)
    make(tmp_path, split="val")
    answer = yolo(tmp_path, YAML.replace("{0: cat, 1: dog}", "[cat]") + "nc: 4\n")
    assert {"label.class-range", "data.class-count"} <= found(answer)
    answer = yolo(tmp_path, YAML.replace("{0: cat, 1: dog}", "[cat, dog, bird, dog]"))
    assert {"data.class-twice", "data.class-missing"} <= found(answer)


def test_a_file_is_told_once_though_it_trains_and_validates(tmp_path):
    make(tmp_path)
    written(tmp_path, "labels/train/0.txt", "0 nan 0.5 0.2 0.2\n")
    answer = yolo(tmp_path, YAML.replace("images/val", "images/train"))
    assert clue(answer, "label.nonfinite").count == 1
    assert clue(answer, "data.same-images").weight < 10
    make(tmp_path, split="val")
    assert "data.same-images" not in found(yolo(tmp_path))


def test_imbalance_is_a_note(tmp_path):
    make(tmp_path, 2)
    make(tmp_path, split="val")
    written(tmp_path, "labels/train/0.txt", "".join(f"0 0.5 0.5 0.1 0.{n}\n" for n in range(10_00, 11_50)))
    answer = yolo(tmp_path)
    assert clue(answer, "data.imbalance").certainty == "note"
    assert answer.findings == ()


def test_paths_that_lead_nowhere(tmp_path):
    assert {"data.no-images"} <= found(yolo(tmp_path))
    make(tmp_path)
    assert "data.no-validation" in found(yolo(tmp_path, YAML.replace("val: images/val\n", "")))
    with pytest.raises(DataError, match="names no train"):
        yolo(tmp_path, "names: [a]\npath: .\n")


def test_lists_of_images_and_lists_of_folders_and_exports_beside(tmp_path):
    make(tmp_path)
    make(tmp_path, split="val")
    written(tmp_path, "train.txt", "./images/train/0.png\n./images/train/1.png\n")
    answer = yolo(
        tmp_path,
        YAML.replace("train: images/train", "train: train.txt").replace(
            "val: images/val", "val: [images/val, images/train]"
        ),
    )
    assert any(note.startswith("train: 2 images") for note in answer.notes)
    assert any(note.startswith("val: 8 images") for note in answer.notes)
    answer = yolo(tmp_path, YAML.replace("train: images/train", "train: ../images/train"))
    assert any(note.startswith("train: 4 images") for note in answer.notes)


def test_where_a_label_lies() -> None:
    assert dataset.label_of(Path("/d/images/train/a.b.jpg")) == Path("/d/labels/train/a.b.txt")
    assert dataset.label_of(Path("images/images/a.png")) == Path("images/labels/a.txt")
    assert dataset.label_of(Path("/d/pictures/a.png")) == Path("/d/pictures/a.txt")
    assert str(PureWindowsPath(r"C:\d\images\a.jpg").with_suffix(".txt")).endswith("a.txt")


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights")
def test_links_that_lead_in_a_circle_end(tmp_path):
    make(tmp_path)
    make(tmp_path, split="val")
    (tmp_path / "images/train/again").symlink_to(tmp_path / "images")
    (tmp_path / "images/train/9.png").symlink_to(tmp_path / "images/train/9.png")
    (tmp_path / "labels/train/9.txt").symlink_to("/dev/zero")
    answer = yolo(tmp_path)
    assert {"image.unreadable", "label.unreadable"} <= found(answer)
    assert any(note.startswith("train: 5 images") for note in answer.notes)


def test_two_processes_find_what_one_finds(tmp_path):
    make(tmp_path, 80)
    make(tmp_path, split="val")
    written(tmp_path, "labels/train/7.txt", "0 nan 0 0 0\n")
    written(tmp_path, "labels/train/70.txt", "0 2 2 2 2\n")
    told: list[tuple[int, int, str]] = []
    one = yolo(tmp_path, jobs=1)
    two = yolo(tmp_path, jobs=2, progress=lambda *now: told.append(now))
    assert one == two
    assert (64, 80, "train") in told
    assert told[-1] == (4, 4, "val")


def test_a_file_that_kills_its_worker_costs_only_itself() -> None:
    parts = list(parallel.run(dies_on_seven, range(150), 2, lambda item: -1))
    assert sum(count for count, _ in parts) == 150
    assert [result for _, result in parts if result == -1] == [-1]
    assert sum(result for _, result in parts if result != -1) == sum(range(150)) - 7


def test_only_headers_or_no_images_at_all(tmp_path):
    make(tmp_path)
    make(tmp_path, split="val")
    Image.new("RGB", (16, 16)).save(tmp_path / "images/train/0.png")
    assert "image.constant" in found(yolo(tmp_path))
    header = yolo(tmp_path, images="header")
    assert "image.constant" not in found(header)
    assert "pixels" in header.not_checked
    assert "images" in yolo(tmp_path, images="no").not_checked


def test_a_voc_folder(tmp_path):
    box = partial(
        "<annotation><size><width>640</width><height>480</height></size><object><name>dog</name><bndbox>"
        "<xmin>10</xmin><ymin>20</ymin><xmax>{x2}</xmax><ymax>220</ymax></bndbox></object></annotation>".format
    )
    noise((640, 480)).save(written(tmp_path, "JPEGImages/a.png", ""))
    written(tmp_path, "Annotations/a.xml", box(x2="110"))
    written(tmp_path, "Annotations/b.xml", box(x2="900"))
    answer = diagnose.data(tmp_path)
    assert {"label.outside", "pair.no-image"} <= found(answer)
    assert diagnose.data(tmp_path / "Annotations" / "a.xml").findings == ()


def test_a_coco_file_with_its_images(tmp_path):
    import json

    noise((640, 480)).save(written(tmp_path, "train2017/a.jpg", ""))
    noise((100, 100)).save(written(tmp_path, "train2017/b.jpg", ""))
    pictures = [
        {"id": n, "file_name": name, "width": 640, "height": 480}
        for n, name in enumerate(("a.jpg", "b.jpg", "c.jpg", "../../x.jpg"))
    ]
    boxes = [{"id": n, "image_id": n, "category_id": 1, "bbox": [1, 1, 90, 90]} for n in range(4)]
    text = json.dumps({"images": pictures, "annotations": boxes, "categories": [{"id": 1, "name": "dog"}]})
    answer = diagnose.data(written(tmp_path, "annotations/instances_train2017.json", text))
    assert clue(answer, "label.size-differs").places[0].file.endswith("b.jpg")
    assert clue(answer, "image.unreadable").places[0].file.endswith("c.jpg")


def test_what_is_no_data_set_is_refused(tmp_path):
    with pytest.raises(DataError, match="holds no data"):
        diagnose.data(tmp_path)
    with pytest.raises(DataError):
        diagnose.data(tmp_path / "none.yaml")


def test_every_rule_of_labels_and_images_is_used_somewhere() -> None:
    folder = Path(diagnose.__file__).parent
    text = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.py") if path.name != "faults.py")
    assert {rule for rule in RULES if f'"{rule}"' not in text} == set()
