"""A data set: which files belong to it, each looked at in several processes, and what the sum of them says.

data.yaml of YOLO (https://docs.ultralytics.com/datasets/detect/), one COCO file, or a folder of VOC annotations.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from hwcompat.errors import DataError

from . import images, parallel
from .faults import Fault
from .labels import coco, voc, yolo
from .reading import Document, number, read_document, read_text
from .tally import Tally

SPLITS = ("train", "val", "test")
MOST_FILES = 5_000_000
LIST_BYTES = 512 * 2**20
NOT_LABELS = ("classes.txt", "obj.names", "readme.txt", "labels.txt", "train.txt", "val.txt", "test.txt")

Progress = Callable[[int, int, str], None]


class Item(NamedTuple):
    """An image and its label file; one of them may be missing."""

    image: str | None
    label: str | None


@dataclass(frozen=True)
class Plan:
    """How to look at items; small, since it travels to every process."""

    kind: str  # yolo | voc | images
    classes: int | None = None
    keypoints: int = 0
    decode: str = images.DECODE


@dataclass
class Split:
    name: str
    tally: Tally = field(default_factory=Tally)
    folders: tuple[str, ...] = ()  # where images were looked for


@dataclass
class Dataset:
    path: str
    kind: str
    names: tuple[str, ...] = ()
    classes: int | None = None
    splits: list[Split] = field(default_factory=list)
    faults: Tally = field(default_factory=Tally)  # of the description itself
    gaps: list[str] = field(default_factory=list)
    wrong_count: str = ""  # nc and names that disagree


def examine(
    path: Path, decode: str = images.DECODE, jobs: int | None = None, progress: Progress | None = None
) -> Dataset:
    """Look at every file. decode: full (every pixel), header, no (labels only); jobs: processes (None: as many as pay).

    DataError for a description that cannot be used, MachineError where images are to be read and Pillow is missing.
    """
    if decode != images.NO:
        images.require_pillow()
    told = progress or (lambda done, total, label: None)
    if path.is_dir():
        return _folder(path, decode, jobs, told)
    if path.suffix.lower() == ".xml":
        return _voc(path, [path], decode, jobs, told)
    if path.suffix.lower() == ".json":
        return _coco(path, decode, jobs, told)
    return _yolo(path, read_document(path), decode, jobs, told)


def _folder(path: Path, decode: str, jobs: int | None, progress: Progress) -> Dataset:
    """What a folder holds, by what lies in it."""
    for name in ("data.yaml", "dataset.yaml"):
        if (path / name).is_file():
            return _yolo(path / name, read_document(path / name), decode, jobs, progress)
    notes = path / "Annotations" if (path / "Annotations").is_dir() else path
    files = list(_walk(notes, (".xml",)))
    if files:
        return _voc(path, files, decode, jobs, progress)
    single = sorted(notes.glob("*.json"))
    if len(single) == 1:
        return _coco(single[0], decode, jobs, progress)
    raise DataError(f"{path} holds no data.yaml, no VOC annotations and no single COCO file", "name the file itself")


# --- YOLO -------------------------------------------------------------------------------------------------------------


def _yolo(path: Path, document: Document, decode: str, jobs: int | None, progress: Progress) -> Dataset:
    values = document.values
    splits = [name for name in SPLITS if values.get(name)]
    if not splits:
        raise DataError(f"{path} names no train or val", "hand in the data.yaml of the training")
    found = Dataset(str(path), "yolo", _names(values.get("names")))
    found.classes = len(found.names) or _whole(values.get("nc"))
    count = _whole(values.get("nc"))
    if found.names and count is not None and count != len(found.names):
        found.wrong_count = f"nc is {count}, and names holds {len(found.names)}"
    plan = Plan("yolo", found.classes, _keypoints(values.get("kpt_shape")), decode)
    for name in splits:
        split = Split(name)
        split.folders, items = _items(path, values, name)
        _look(split.tally, items, plan, jobs, progress, name)
        found.splits.append(split)
    return found


def _names(names: Any) -> tuple[str, ...]:
    if isinstance(names, dict):
        return tuple(str(names[key])[:60] for key in sorted(names, key=lambda key: (_whole(key) or 0, str(key))))
    return tuple(str(name)[:60] for name in names) if isinstance(names, list) else ()


def _whole(value: Any) -> int | None:
    found = number(value)
    return int(found) if found is not None and found == found // 1 and abs(found) < 1e9 else None


def _keypoints(shape: Any) -> int:
    """Cells behind the box of a row: points times their dimensions."""
    cells = [_whole(cell) for cell in shape] if isinstance(shape, list) else []
    return (cells[0] or 0) * (cells[1] or 0) if len(cells) == 2 else 0


def _items(path: Path, values: Any, name: str) -> tuple[tuple[str, ...], list[Item]]:
    """The images of a split with their label files, then the labels that no image has; and where was looked."""
    wanted = values[name] if isinstance(values[name], list) else [values[name]]
    places = [_place(path, str(values.get("path") or ""), str(one)) for one in wanted]
    found: list[Item] = []
    for place in places:
        found += [Item(str(image), str(label_of(image))) for image in _images(place)]
        if len(found) > MOST_FILES:
            raise DataError(f"{name} lists more than {MOST_FILES} images", "hand in a part of it")
    return tuple(map(str, places)), found + _orphans(found)


def _place(path: Path, root: str, entry: str) -> Path:
    """Where a client looks: below `path:`, which is relative to this file; "../train" of exports also beside it."""
    base = path.parent / root
    first = base / entry
    if not first.exists() and entry.startswith("../"):
        return base / entry[3:]
    return first


def _images(place: Path) -> Iterator[Path]:
    if place.is_file():
        for line in read_text(place, LIST_BYTES).splitlines():
            if line.strip():
                yield place.parent / line.strip() if line.startswith("./") else Path(line.strip())
    elif place.is_dir():
        yield from _walk(place, images.ENDINGS)


def _walk(folder: Path, endings: Sequence[str]) -> Iterator[Path]:
    """The files with these endings, sorted, without following links to folders: they may lead in a circle."""
    for root, folders, files in os.walk(folder):
        folders.sort()
        yield from (Path(root, name) for name in sorted(files) if name.lower().endswith(tuple(endings)))


def label_of(image: Path) -> Path:
    """The label file of an image: the last folder `images` of its path becomes `labels`, else it lies beside it."""
    parts = list(image.parts)
    folders = [at for at, part in enumerate(parts[:-1]) if part == "images"]
    if folders:
        parts[folders[-1]] = "labels"
    return Path(*parts).with_suffix(".txt")


def _orphans(items: Sequence[Item]) -> list[Item]:
    known = {item.label for item in items}
    folders = {str(Path(item.label).parent) for item in items if item.label}
    found = []
    for folder in sorted(folders):
        if "labels" in Path(folder).parts:
            files = sorted(Path(folder).glob("*.txt")) if Path(folder).is_dir() else []
            found += [Item(None, str(file)) for file in files if str(file) not in known]
    return [item for item in found if Path(item.label or "").name.lower() not in NOT_LABELS]


# --- VOC and COCO -----------------------------------------------------------------------------------------------------


def _voc(path: Path, files: Sequence[Path], decode: str, jobs: int | None, progress: Progress) -> Dataset:
    found = Dataset(str(path), "voc")
    pictures = {image.stem: str(image) for image in _voc_images(files[0].parent)} if files else {}
    items = [Item(pictures.get(file.stem), str(file)) for file in files]
    named = {item.image for item in items}
    items += [Item(image, None) for image in pictures.values() if image not in named]
    split = Split("annotations", folders=(str(files[0].parent),))
    if not pictures:
        found.gaps.append("images: none were found beside the annotations, nor in JPEGImages or images")
    _look(split.tally, items, Plan("voc", None, 0, decode), jobs, progress, "annotations", bool(pictures))
    found.splits.append(split)
    return found


def _voc_images(annotations: Path) -> Iterator[Path]:
    for folder in (annotations.parent / "JPEGImages", annotations.parent / "images", annotations):
        if folder.is_dir():
            yield from _walk(folder, images.ENDINGS)


def _coco(path: Path, decode: str, jobs: int | None, progress: Progress) -> Dataset:
    found = Dataset(str(path), "coco")
    split = Split("annotations")
    known = coco.read(path, split.tally)
    found.names = tuple(known.categories.values())
    for count in coco.examine(path, known, split.tally):
        progress(count, 0, "annotations")
    folder = _coco_folder(path, known)
    if folder is None:
        found.gaps.append("images: they were not found beside the file, nor in images/ or a folder of the same name")
    elif decode != images.NO:
        _coco_images(split, known, folder, decode, jobs, progress)
    found.splits.append(split)
    return found


def _coco_folder(path: Path, known: coco.Coco) -> Path | None:
    """The folder that holds the first image of the list."""
    first = next(iter(known.pictures.values())).name
    stem = path.stem.removeprefix("instances_")
    above = path.parent.parent
    tried = (path.parent, path.parent / "images", above, above / "images", above / stem, above / "images" / stem)
    inside = [folder for folder in tried if first and not Path(first).is_absolute() and ".." not in Path(first).parts]
    return next((folder for folder in inside if (folder / first).is_file()), None)


def _coco_images(split: Split, known: coco.Coco, folder: Path, decode: str, jobs: int | None, told: Progress) -> None:
    names = [picture.name for picture in known.pictures.values()]
    safe = [name for name in names if name and not Path(name).is_absolute() and ".." not in Path(name).parts]
    items = [(str(folder / p.name), p.width, p.height) for p in known.pictures.values() if p.name in set(safe)]
    work = partial(look_at_pictures, decode == images.DECODE)
    _collect(split.tally, work, items, jobs, told, "images")


def look_at_pictures(decode: bool, chunk: Iterable[tuple[str, float | None, float | None]]) -> Tally:
    """The images of a COCO file: their own faults, and sizes that are not those of the file."""
    tally = Tally()
    for name, width, height in chunk:
        looked = images.look(Path(name), decode)
        tally.add(looked.faults)
        if looked.size and width and height and (width, height) != looked.size and (height, width) != looked.size:
            shown = f"{width:g}x{height:g}, is {looked.size[0]}x{looked.size[1]}"
            tally.add([Fault("label.size-differs", name, None, "size", shown)])
    return tally


# --- looking ----------------------------------------------------------------------------------------------------------


def _look(
    tally: Tally, items: Sequence[Item], plan: Plan, jobs: int | None, told: Progress, name: str, paired: bool = True
) -> None:
    _collect(tally, partial(look_at, plan, paired), items, jobs, told, name)


def _collect(
    tally: Tally, work: Callable[[Any], Tally], items: Sequence[Any], jobs: int | None, told: Progress, name: str
) -> None:
    count = jobs if jobs is not None else parallel.usual_jobs() if len(items) > parallel.FEW else 1
    done = 0
    for number_of, part in parallel.run(work, items, count, _crashed):
        tally.merge(part)
        done += number_of
        told(done, len(items), name)


def _crashed(item: Any) -> Tally:
    tally = Tally(images=1)
    tally.add([Fault("image.crashes", str(item[0] or item[1]))])
    return tally


def look_at(plan: Plan, paired: bool, chunk: Iterable[Item]) -> Tally:
    """The faults and figures of some items; runs in any process."""
    tally = Tally()
    for image, label in chunk:
        size = None
        if image is not None:
            tally.images += 1
            size = _picture(image, plan, tally)
        if label is None or not os.path.lexists(label):
            _unlabelled(image, tally)
        elif image is None and paired and plan.kind != "images":
            tally.add([Fault("pair.no-image", label)])
            _labels(Path(label), plan, None, tally)
        else:
            _labels(Path(label), plan, size, tally)
    return tally


def _picture(image: str, plan: Plan, tally: Tally) -> tuple[int, int] | None:
    if plan.decode == images.NO:
        if not os.path.lexists(image):
            tally.add([Fault("image.unreadable", image, None, "", "it does not exist")])
        return None
    looked = images.look(Path(image), plan.decode == images.DECODE)
    tally.add(looked.faults)
    return looked.size


def _unlabelled(image: str | None, tally: Tally) -> None:
    tally.unlabelled += 1
    if image and len(tally.unlabelled_places) < 20:
        tally.unlabelled_places.append(image)


def _labels(label: Path, plan: Plan, size: tuple[int, int] | None, tally: Tally) -> None:
    if plan.kind == "voc":
        voc.examine(label, size, tally)
    else:
        yolo.examine(label, plan.classes, plan.keypoints, size, tally)
