"""What a whole data set says, beyond the faults of its single files."""

from __future__ import annotations

from collections.abc import Iterator

from .clue import NOTE, PROVED, SUSPECTED, Answer, Clue, Place, ordered
from .dataset import Dataset, Split
from .faults import FORMAT, RULES, TIPS
from .geometry import SIZE_WORDS

IMBALANCE, FEW_BOXES = 100, 10
MANY_BACKGROUNDS = 0.5


def answer(found: Dataset) -> Answer:
    """Every fault by rule, what follows from the sums, and the figures as notes."""
    clues = [*_faults(found), *_description(found)]
    for split in found.splits:
        clues += [*_emptiness(found, split), *_balance(found, split)]
    gaps = [*found.gaps, *(gap for split in found.splits for gap in split.tally.unchecked)]
    notes = tuple(note for split in found.splits for note in _figures(found, split))
    told = f"{found.path} ({found.kind}, {sum(s.tally.images for s in found.splits)} images)"
    return Answer(ordered(clues), (told,), notes, ("labels", "images"), tuple(gaps))


def _faults(found: Dataset) -> Iterator[Clue]:
    for rule, told in RULES.items():
        places = [fault for split in _distinct(found) for fault in split.tally.places.get(rule, ())]
        count = sum(split.tally.counts[rule] for split in _distinct(found))
        if count:
            yield Clue(
                rule, told.what, told.why, told.change, told.certainty, told.weight, told.cause, told.source,
                tuple(Place(f.file, f.line, f.key, f.value) for f in places), count,
            )  # fmt: skip


def _distinct(found: Dataset) -> list[Split]:
    """Splits that look at other images: a file is told once, though train and val be the same folder."""
    return list({split.folders or (split.name,): split for split in reversed(found.splits)}.values())[::-1]


def _description(found: Dataset) -> Iterator[Clue]:
    if len(_distinct(found)) < len(found.splits):
        yield Clue(
            "data.same-images", "two of its parts are the same images", "mAP then tells what was learnt by heart",
            "validate with images that training never shows", PROVED, 8, "bad-data", FORMAT, (Place(found.path),),
        )  # fmt: skip
    if found.wrong_count:
        yield Clue(
            "data.class-count", found.wrong_count, "the client stops, or the head does not fit the labels",
            "make nc the number of names", PROVED, 55, "bad-labels", FORMAT, (Place(found.path, None, "nc"),),
        )  # fmt: skip
    twice = sorted({name for name in found.names if found.names.count(name) > 1})
    if twice and len(found.names) < 10_000:
        yield Clue(
            "data.class-twice", f"class names that occur twice: {', '.join(twice[:5])}",
            "two indices mean the same object, and each is counted wrong where the other is predicted",
            "join them", SUSPECTED, 16, "bad-labels", FORMAT, (Place(found.path, None, "names"),),
        )  # fmt: skip
    if found.kind == "yolo" and not any(split.name == "val" for split in found.splits):
        yield Clue(
            "data.no-validation", "there is no val", "nothing is validated, so that mAP says nothing",
            "name the images to validate with", PROVED, 30, "bad-labels", FORMAT, (Place(found.path),),
        )  # fmt: skip


def _emptiness(found: Dataset, split: Split) -> Iterator[Clue]:
    tally = split.tally
    empty, place = (
        tally.unlabelled + tally.empty,
        (Place(found.path, None, split.name, ", ".join(split.folders)[:200]),),
    )
    if found.kind == "yolo" and tally.images == 0:
        yield Clue(
            "data.no-images", f"{split.name} holds no images", "the client stops, or trains on another data set",
            "correct the path; it is relative to `path:`, and that to the file", PROVED, 70, "bad-data", FORMAT, place,
        )  # fmt: skip
    elif tally.images and not tally.boxes and not sum(tally.counts.values()):
        yield Clue(
            "data.no-labels", f"{split.name}: {tally.images} images and not one label",
            "nothing can be learnt, mAP stays 0 and old losses divide by zero; the folder labels/ must mirror images/ "
            "under the same names",
            "put the label files where the client looks for them", PROVED, 94, "bad-labels", FORMAT, place,
        )  # fmt: skip
    elif tally.images and empty > MANY_BACKGROUNDS * tally.images:
        where = tuple(Place(name) for name in tally.unlabelled_places) or place
        yield Clue(
            "data.many-backgrounds", f"{split.name}: {empty} of {tally.images} images have no box",
            "background is legal, and up to 10 % is recommended; this many are more often lost labels",
            "check that the labels of these images are where the client looks for them", SUSPECTED, 33, "bad-labels",
            TIPS, where, empty,
        )  # fmt: skip


def _balance(found: Dataset, split: Split) -> Iterator[Clue]:
    counts = {name: split.tally.classes.get(str(at), 0) for at, name in enumerate(found.names)}
    if found.kind != "yolo":
        counts = dict(split.tally.classes)
    missing = [name for name, count in counts.items() if not count]
    place = (Place(found.path, None, split.name),)
    if split.tally.boxes and missing and split.name in ("train", "val"):
        yield Clue(
            "data.class-missing", f"{split.name} has no box of {len(missing)} of {len(counts)} classes: "
            + ", ".join(missing[:5]),
            "what is never shown is never found; in val its AP counts as missing", "add examples, or drop the class",
            NOTE, 12, "bad-labels", TIPS, place, len(missing),
        )  # fmt: skip
    having = {name: count for name, count in counts.items() if count}
    if len(having) > 1 and max(having.values()) >= IMBALANCE * min(having.values()):
        rare, common = min(having, key=lambda n: having[n]), max(having, key=lambda n: having[n])
        yield Clue(
            "data.imbalance", f"{split.name}: {having[common]} boxes of {common}, {having[rare]} of {rare}",
            "rare classes are hardly learnt; this lowers mAP and makes no NaN", "collect more of the rare class",
            NOTE, 6, "bad-labels", TIPS, place,
        )  # fmt: skip


def _figures(found: Dataset, split: Split) -> Iterator[str]:
    tally = split.tally
    backgrounds = tally.empty + tally.unlabelled
    legal = f", {backgrounds} of them background (empty or no label file: legal)" if backgrounds else ""
    sizes = ", ".join(
        f"{100 * tally.sizes[at] // max(tally.boxes, 1)} % {word}"
        for at, word in enumerate(SIZE_WORDS)
        if tally.sizes[at]
    )
    side = f"; side against the image's: {sizes}" if sizes else ""
    yield f"{split.name}: {tally.images} images{legal}, {tally.boxes} boxes of {len(tally.classes)} classes{side}"
