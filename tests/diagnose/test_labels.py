"""Labels: each rule with rows that break it and rows that do not, and parsers that never raise."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from pathlib import Path

import pytest
from diagnosing import written
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hwcompat.diagnose import jsonstream
from hwcompat.diagnose.faults import RULES
from hwcompat.diagnose.geometry import SIZE_WORDS, faults_of, size_class
from hwcompat.diagnose.labels import coco, voc, yolo
from hwcompat.diagnose.tally import MOST_PLACES, Tally
from hwcompat.errors import DataError

many = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def yolo_of(folder: Path, text: str, classes: int | None = 3, keypoints: int = 0, size=(640, 480)) -> Tally:
    tally = Tally()
    yolo.examine(written(folder, "a.txt", text), classes, keypoints, size, tally)
    return tally


ROWS = [
    ("0 nan 0.5 0.1 0.1", "label.nonfinite"),
    ("0 0.5 inf 0.1 0.1", "label.nonfinite"),
    ("3 0.5 0.5 0.1 0.1", "label.class-range"),
    ("-1 0.5 0.5 0.1 0.1", "label.class-range"),
    ("1.5 0.5 0.5 0.1 0.1", "label.class-not-integer"),
    ("0 320 240 50 60", "label.pixels"),
    ("0 0.5 0.5 0.1", "label.columns"),
    ("0 0.5 0.5 0.1 0.1 0.9", "label.columns"),
    ("0 0.5 0.5 0.1 0.1 0.1 0.1 0.1", "label.columns"),
    ("a 0.5 0.5 0.1 0.1", "label.not-a-number"),
    ("0 0,5 0.5 0.1 0.1", "label.not-a-number"),
    ("0 1_0 0.5 0.1 0.1", "label.not-a-number"),
    ("0 -0.5 0.5 0.1 0.1", "label.range"),
    ("0 0.5 0.5 1.02 0.1", "label.range"),
    ("0 0.5 0.5 -0.005 0.1", "label.range"),
    ("0 0.5 0.5 0 0.1", "label.zero-area"),
    ("0 0.5 0.5 -0.1 0.1", "label.zero-area"),
    ("0 0.95 0.5 0.5 0.1", "label.outside"),
    ("0 0.5 0.5 0.0001 0.1", "label.tiny"),
    ("0 .5 .5 .1 .1\n0 .5 .5 .1 .1", "label.duplicate"),
    ("0 .5 .5 .1 .1\n0 .1 .1 .2 .1 .2 .2", "label.mixed"),
]


@pytest.mark.parametrize(("row", "rule"), ROWS)
def test_a_row_breaks_its_rule_at_its_line(tmp_path, row, rule):
    tally = yolo_of(tmp_path, "0 0.4 0.4 0.2 0.2\n\n" + row + "\n")
    assert tally.counts[rule] == 1
    assert tally.places[rule][0].line >= 3
    assert tally.boxes >= 1


@pytest.mark.parametrize(
    ("text", "classes", "keypoints"),
    [
        ("0 0.5 0.5 0.1 0.1\n2 0.1 0.1 0.2 0.2\n", 3, 0),
        ("2 1e-1 5.0E-1 .1 0.1", 3, 0),
        ("7 0.5 0.5 0.1 0.1", None, 0),
        ("0 0.1 0.1 0.3 0.1 0.3 0.3\n1 0.1 0.1 0.3 0.1 0.3 0.3 0.1 0.3", 3, 0),  # polygons
        ("0 0.5 0.5 0.2 0.2 0.4 0.4 2 0.6 0.6 1", 3, 6),  # a pose of two points
        ("0 0.5 0.5 1.0 1.0", 3, 0),
        ("\ufeff0 0.5 0.5 0.1 0.1\r\n", 3, 0),
    ],
)
def test_good_rows_have_no_fault(tmp_path, text, classes, keypoints):
    tally = yolo_of(tmp_path, text, classes, keypoints)
    assert not tally.counts
    assert tally.boxes == text.strip().count("\n") + 1


def test_an_empty_file_is_background_and_a_broken_one_is_not(tmp_path):
    assert yolo_of(tmp_path, "").empty == yolo_of(tmp_path, "\n \n").empty == 1
    assert yolo_of(tmp_path, "x").empty == 0


def test_every_rule_says_what_why_and_whence() -> None:
    for rule in RULES.values():
        assert rule.source.startswith("http")
        assert min(len(rule.what), len(rule.why), len(rule.change)) > 5


def test_places_are_bounded_and_counts_are_not(tmp_path):
    tally = yolo_of(tmp_path, "0 nan 0 0 0\n" * (MOST_PLACES + 50))
    assert len(tally.places["label.nonfinite"]) == MOST_PLACES
    assert tally.counts["label.nonfinite"] == MOST_PLACES + 50
    other = Tally()
    other.merge(tally)
    other.merge(tally)
    assert other.counts["label.nonfinite"] == 2 * MOST_PLACES + 100
    assert len(other.places["label.nonfinite"]) == MOST_PLACES


@many
@given(st.text(max_size=400))
def test_no_text_breaks_the_reader_of_rows(tmp_path, text):
    tally = yolo_of(tmp_path, text)
    assert set(tally.counts) <= set(RULES)


@many
@given(st.binary(max_size=400))
def test_no_bytes_break_any_reader(tmp_path, data):
    path = tmp_path / "a.any"
    path.write_bytes(data)
    tally = Tally()
    yolo.examine(path, 3, 0, None, tally)
    voc.examine(path, None, tally)
    with suppress(DataError):
        for _ in coco.examine(path, coco.read(path, tally), tally):
            pass
    assert set(tally.counts) <= set(RULES)


share = st.floats(0.02, 0.48)


@many
@given(st.lists(st.tuples(st.integers(0, 2), share, share, share, share), min_size=1, max_size=20, unique=True))
def test_rows_written_well_are_read_back_without_a_fault(tmp_path, rows):
    """A box with its centre in the middle half and a side below a half lies inside."""
    text = "\n".join(f"{c} {0.25 + x / 2!r} {0.25 + y / 2!r} {w / 2!r} {h / 2!r}" for c, x, y, w, h in rows)
    tally = yolo_of(tmp_path, text)
    assert not tally.counts
    assert tally.boxes == len(rows)
    assert sum(tally.classes.values()) == len(rows)


number = st.floats(allow_nan=True, allow_infinity=True, width=32)


@many
@given(st.tuples(number, number, number, number))
def test_geometry_agrees_with_a_plain_check(box):
    rules = set(faults_of(box, 1.0, 1.0, 0.0))
    x, y, w, h = box
    finite = all(map(math.isfinite, box))
    assert ("label.nonfinite" in rules) == (not finite)
    if finite:
        assert ("label.zero-area" in rules) == (min(w, h) <= 0)
        assert ("label.outside" in rules) == (min(x, y) < 0 or max(x + w, y + h) > 1)


def test_size_classes_cover_everything() -> None:
    assert [size_class(side**2) for side in (0, 0.005, 0.02, 0.05, 0.2, 0.9)] == [0, 0, 1, 2, 3, 4]
    assert size_class(4.0) == len(SIZE_WORDS) - 1


# --- VOC --------------------------------------------------------------------------------------------------------------

VOC = """<annotation>
  <size><width>{w}</width><height>{h}</height><depth>3</depth></size>
  <object>
    <name>dog</name>
    <bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox>
    <part><name>head</name><bndbox><xmin>-9</xmin></bndbox></part>
  </object>
</annotation>
"""


def voc_of(folder: Path, text: str, size=(640, 480)) -> Tally:
    tally = Tally()
    voc.examine(written(folder, "a.xml", text), size, tally)
    return tally


def box(x1="10", y1="20", x2="110", y2="220", w="640", h="480") -> str:
    return VOC.format(x1=x1, y1=y1, x2=x2, y2=y2, w=w, h=h)


@pytest.mark.parametrize(
    ("told", "rule"),
    [
        ({"x1": "nan"}, "label.nonfinite"),
        ({"x2": "10"}, "label.zero-area"),
        ({"x2": "9"}, "label.zero-area"),
        ({"x2": "900"}, "label.outside"),
        ({"x1": "0.1", "y1": "0.1", "x2": "0.5", "y2": "0.5"}, "label.relative"),
        ({"x1": ""}, "label.columns"),
        ({"x1": "ten"}, "label.columns"),
        ({"w": "100"}, "label.size-differs"),
    ],
)
def test_a_voc_object_breaks_its_rule(tmp_path, told, rule):
    tally = voc_of(tmp_path, box(**told))
    assert tally.counts[rule] == 1
    assert tally.places[rule][0].line in (3, None)


def test_a_good_voc_file_has_no_fault_and_one_dog(tmp_path):
    tally = voc_of(tmp_path, box())
    assert not tally.counts
    assert dict(tally.classes) == {"dog": 1}
    assert voc_of(tmp_path, "<annotation></annotation>").empty == 1


BOMBS = [
    '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><annotation>&b;</annotation>',
    '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation>&x;</annotation>',
    '<!DOCTYPE a SYSTEM "http://example.org/a.dtd"><annotation/>',
    "<a>" * 5000,
]


@pytest.mark.parametrize("text", BOMBS)
def test_xml_bombs_are_refused_unread(tmp_path, text):
    tally = voc_of(tmp_path, text)
    assert tally.counts["label.hostile"] == 1
    assert "root:" not in str(tally.places)


# --- COCO -------------------------------------------------------------------------------------------------------------


def coco_of(folder: Path, document: object) -> Tally:
    path = written(folder, "instances.json", json.dumps(document, indent=1))
    tally = Tally()
    known = coco.read(path, tally)
    for _ in coco.examine(path, known, tally):
        pass
    return tally


def document(**changes) -> dict:
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 20, 100, 200], "iscrowd": 0, **changes}
    pictures = [{"id": 1, "file_name": "a.jpg", "width": 640, "height": 480}]
    return {
        "annotations": [annotation],
        "images": pictures,
        "categories": [{"id": 1, "name": "dog"}],
        "info": {"a": [1, "]}"]},
    }


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"bbox": [math.nan, 20, 100, 200]}, "label.nonfinite"),
        ({"bbox": [10, 20, 0, 200]}, "label.zero-area"),
        ({"bbox": [600, 20, 100, 200]}, "label.outside"),
        ({"bbox": [0.1, 0.2, 0.3, 0.3]}, "label.relative"),
        ({"bbox": [10, 20, 100]}, "label.columns"),
        ({"bbox": ["10", 20, 100, 200]}, "label.columns"),
        ({"bbox": None}, "label.columns"),
        ({"category_id": 7}, "label.class-range"),
        ({"image_id": 7}, "label.image-unknown"),
        ({"bbox": [10, 20, 10**400, 5]}, "label.nonfinite"),
    ],
)
def test_an_annotation_breaks_its_rule(tmp_path, changes, rule):
    tally = coco_of(tmp_path, document(**changes))
    assert tally.counts[rule] == 1
    assert tally.places[rule][0].line > 1
    assert tally.places[rule][0].key.startswith("annotations[0]")


def test_a_good_coco_file_has_no_fault(tmp_path):
    tally = coco_of(tmp_path, document())
    assert not tally.counts
    assert (tally.images, tally.labels, tally.boxes, tally.unlabelled) == (1, 1, 1, 0)
    assert dict(tally.classes) == {"dog": 1}


def test_doubles_of_ids_and_of_boxes(tmp_path):
    twice = document()
    twice["annotations"] *= 2
    twice["images"] *= 2
    tally = coco_of(tmp_path, twice)
    assert tally.counts["label.duplicate"] == tally.counts["label.id-twice"] == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"images": [1',
        '{"images": [{"id": 1}] "a": 1}',
        '{"images": []}',
        "[" * 100_000,
        '{"images": ' + "[" * 100_000,
    ],
)
def test_what_is_no_coco_file_is_refused(tmp_path, text):
    with pytest.raises(DataError):
        coco.read(written(tmp_path, "a.json", text), Tally())


tree = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@many
@given(
    st.dictionaries(st.sampled_from(["images", "annotations", "info", 'a"]}', "\\"]), tree, max_size=5),
    st.sampled_from([None, 1]),
    st.sampled_from([1, 7, 2**18]),
)
def test_the_stream_gives_what_json_gives(tmp_path, value, indent, chunk):
    """For chunks of any size, so that every sign falls on a border once."""
    path = written(tmp_path, "a.json", json.dumps(value, indent=indent, ensure_ascii=False))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonstream, "CHUNK", chunk)
        got = list(jsonstream.elements(path, ("images", "annotations")))
    expected = [
        each
        for name in value
        if name in ("images", "annotations") and isinstance(value[name], list)
        for each in value[name]
    ]
    assert [element.value for element in got] == expected
