"""COCO annotations: one JSON file with `images`, `annotations` and `categories` (https://cocodataset.org/#format-data).

Read twice and element by element, so that a file of any size fits: first the images and categories, then the boxes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from hwcompat.diagnose.faults import Fault
from hwcompat.diagnose.geometry import faults_of, size_class
from hwcompat.diagnose.jsonstream import Element, elements
from hwcompat.diagnose.reading import file_size
from hwcompat.diagnose.tally import Tally
from hwcompat.errors import DataError

MOST_BYTES, MOST_IMAGES, MOST_REMEMBERED = 16 * 2**30, 5_000_000, 3_000_000
SLACK = 1.0
"""Pixels: annotators round."""


class Picture(NamedTuple):
    name: str
    width: float | None
    height: float | None


class Coco(NamedTuple):
    pictures: dict[Any, Picture]
    categories: dict[Any, str]


def read(path: Path, tally: Tally) -> Coco:
    """The images and categories, their faults added. DataError for a file without images."""
    if file_size(path) > MOST_BYTES:
        raise DataError(f"{path} is larger than {MOST_BYTES >> 30} GiB", "split it")
    pictures: dict[Any, Picture] = {}
    categories: dict[Any, str] = {}
    for element in elements(path, ("images", "categories")):
        value = element.value if isinstance(element.value, dict) else {}
        key, place = _key(value.get("id")), f"{element.section}[{element.position}]"
        known: dict[Any, Any] = pictures if element.section == "images" else categories
        if key is None:
            tally.add([Fault("label.columns", str(path), element.line, f"{place}.id", "(missing)")])
        elif key in known:
            tally.add([Fault("label.id-twice", str(path), element.line, f"{place}.id", str(key)[:40])])
        elif element.section == "categories":
            categories[key] = str(value.get("name", key))[:60]
        elif len(pictures) >= MOST_IMAGES:
            raise DataError(f"{path} lists more than {MOST_IMAGES} images", "split it")
        else:
            name = str(value.get("file_name", ""))[:1000]
            pictures[key] = Picture(name, _number(value.get("width")), _number(value.get("height")))
    if not pictures:
        raise DataError(f"{path} lists no images", "hand in a COCO file with images, annotations and categories")
    return Coco(pictures, categories)


def examine(path: Path, coco: Coco, tally: Tally) -> Iterator[int]:
    """Add the faults and boxes of all annotations; gives how many were read, now and then."""
    seen: set[int] = set()
    labelled: set[Any] = set()
    count = 0
    for element in elements(path, ("annotations",)):
        count += 1
        tally.add(_annotation(str(path), element, coco, tally, seen, labelled))
        if count % 1000 == 0:
            yield count
    tally.images, tally.labels = len(coco.pictures), len(labelled)
    tally.unlabelled = len(coco.pictures) - len(labelled)
    if len(seen) >= MOST_REMEMBERED:
        tally.unchecked["boxes that stand twice"] = 1
    yield count


def _annotation(
    file: str, element: Element, coco: Coco, tally: Tally, seen: set[int], labelled: set[Any]
) -> Iterator[Fault]:
    value = element.value if isinstance(element.value, dict) else {}
    place = f"annotations[{element.position}]"
    image, category = _key(value.get("image_id")), _key(value.get("category_id"))
    cells = value.get("bbox")
    box = [_number(cell) for cell in cells] if isinstance(cells, list) else []
    if len(box) != 4 or None in box:
        shown = "(missing)" if cells is None else str(cells)[:40]
        yield Fault("label.columns", file, element.line, f"{place}.bbox", shown)
        return
    picture = coco.pictures.get(image)
    if picture is None:
        yield Fault("label.image-unknown", file, element.line, f"{place}.image_id", str(image)[:40])
        return
    labelled.add(image)
    if coco.categories and category not in coco.categories:
        yield Fault("label.class-range", file, element.line, f"{place}.category_id", str(category)[:40])
    x, y, w, h = (cell for cell in box if cell is not None)
    shown = f"{x:g} {y:g} {w:g} {h:g}"
    rules = list(_rules((x, y, w, h), picture))
    for rule in rules:
        yield Fault(rule, file, element.line, f"{place}.bbox", shown)
    yield from _double(file, element, (image, category, x, y, w, h), seen)
    if not rules or rules == ["label.outside"]:
        area = (picture.width or 0) * (picture.height or 0)
        tally.box(coco.categories.get(category, str(category))[:60], size_class(w * h / area if area else 0.0))


def _rules(box: tuple[float, float, float, float], picture: Picture) -> Iterator[str]:
    width, height = picture.width or float("inf"), picture.height or float("inf")
    found = list(faults_of(box, width, height, SLACK))
    if not found and picture.width and max(box) <= 1.0 and max(width, height) > 10:
        found = ["label.relative"]
    yield from found


def _double(file: str, element: Element, what: tuple[Any, ...], seen: set[int]) -> Iterator[Fault]:
    """By hash, so that millions fit; two different boxes with one hash are rarer than 1 in a million files."""
    mark = hash(what)
    if mark in seen:
        yield Fault("label.duplicate", file, element.line, f"annotations[{element.position}]", "")
    elif len(seen) < MOST_REMEMBERED:
        seen.add(mark)


def _key(value: Any) -> Any:
    return value if isinstance(value, int | str) else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return float("inf")
