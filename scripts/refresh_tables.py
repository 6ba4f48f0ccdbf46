"""Reads wheels of torch and brings their rows in matrix/torch_builds.csv up to date.

    python scripts/refresh_tables.py WHEEL_OR_FOLDER ... [--diff | --check] [--matrix matrix] [--fatbins] [--complete]

Give wheel files, folders of wheels, or site-packages folders with a torch installed; none of it is imported or run.
Version, CUDA, cuDNN, Python, system and arch list are read from the files themselves; wheels of one build that differ
in the Python alone share a row. All other rows stay as they are, byte for byte, and the order of the file too. A row
that exists keeps its widest range of Pythons, unless --complete says that all wheels of the build were given.

--diff (or --dry-run) shows the change and writes nothing. --check writes nothing and exits 1 if the table says
otherwise than the wheels. --fatbins counts the kernels inside as well (half a minute for each wheel): a target without
kernels is reported, and only PTX that is really there is listed. Exit code 4: a file cannot be used.
"""

from __future__ import annotations

import argparse
import csv
import difflib
import io
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import wheel_facts
from kernel_lists import target_key
from wheel_facts import Facts

from hwcompat.errors import DataError
from hwcompat.store import write_bytes_atomic
from hwcompat.tablerows import cuda_version, version_key

MATRIX = Path(__file__).resolve().parents[1] / "matrix"
KEY = ("torch", "build_tag", "os", "arch")
VALUES = ("sm_list", "ptx_list", "cudnn", "python_min", "python_max", "is_default_on_pypi")
# The digest is a part of its own: what users are shown of a source is the part before the first semicolon.
OWN_SOURCE = re.compile(r"read from (?:the wheel|an installed torch) [^;]+; sha256 [0-9a-f]{64}[^;]*")
KEPT_REMARKS = ("release date:", "source lists PTX")
Record = dict[str, str]


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        return refreshed(options)
    except DataError as error:
        print(f"error: {error.message}\n  {error.hint}", file=sys.stderr)
        return error.exit_code


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("places", nargs="+", type=Path, metavar="WHEEL_OR_FOLDER")
    made.add_argument("--matrix", type=Path, default=MATRIX, help="the folder of torch_builds.csv")
    made.add_argument("--diff", "--dry-run", action="store_true", dest="diff")
    made.add_argument("--check", action="store_true")
    made.add_argument("--fatbins", action="store_true")
    made.add_argument("--complete", action="store_true")
    made.add_argument("--release-date", type=_date, help="of a new row: YYYY-MM-DD")
    return made


def _date(text: str) -> str:
    if not re.fullmatch(r"\d{4}-\d{2}(-\d{2})?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not YYYY-MM-DD")
    return text


def refreshed(options: argparse.Namespace) -> int:
    """The program without its error messages; returns the exit code."""
    table = options.matrix / "torch_builds.csv"
    before = read_table(table)
    facts = [fact for place in options.places for fact in facts_of(place, options.fatbins)]
    for fact in facts:
        tell_images(fact)
    lines, differences = before, []
    for build in grouped(facts):
        lines, changed = with_build(lines, build, options)
        differences += changed
    if options.check:
        for difference in differences:
            print(difference)
        print(f"{len(facts)} read, {len(differences)} differences from {table.name}", file=sys.stderr)
        return 1 if differences else 0
    sys.stdout.writelines(difflib.unified_diff(before, lines, f"a/{table.name}", f"b/{table.name}", n=0))
    if not options.diff and lines != before:
        write_bytes_atomic(table, "".join(lines).encode("utf-8"))
    tell_what_else(options.matrix, facts)
    return 0


# --- reading ----------------------------------------------------------------------------------------------------------


def facts_of(place: Path, images: bool) -> list[Facts]:
    """The facts of a wheel, of every wheel in a folder, or of the torch installed in a folder. Raises DataError."""
    with wheel_facts.one_line(wheel_facts.printable(str(place))):
        if not place.exists():
            raise wheel_facts.bad(wheel_facts.printable(str(place)), "does not exist", "check the path")
        if place.is_file():
            return [wheel_facts.read_wheel(place, images)]
        wheels = sorted(each for each in place.glob("torch-*.whl") if each.is_file())
    return [wheel_facts.read_wheel(each, images) for each in wheels] or [wheel_facts.read_installed(place, images)]


def grouped(facts: Iterable[Facts]) -> list[list[Facts]]:
    """The wheels of each build, which must agree in all but the Python. Raises DataError."""
    builds: dict[tuple[str, ...], list[Facts]] = {}
    for fact in sorted(facts, key=lambda each: (each.key, each.source)):
        builds.setdefault(fact.key, []).append(fact)
    for first, *others in builds.values():
        for other in others:
            if (first.archs, first.ptx, first.cudnn) != (other.archs, other.ptx, other.cudnn):
                problem = f"wheels of one build differ: {first.source} and {other.source}"
                raise DataError(problem, "give them one by one, and find out which is the published one")
    return list(builds.values())


def read_table(path: Path) -> list[str]:
    """The lines of the table with their ends. Raises DataError unless each line is one row."""
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}", "name the folder of the tables with --matrix") from None
    lines = text.splitlines(keepends=True)
    header = cells(lines[0]) if lines else []
    wanted = {*KEY, *VALUES, "release_date", "source", "verified", "note"}
    if set(header) != wanted:
        raise DataError(f"{path}: its columns are not those of torch_builds.csv", "see README.md beside it")
    for number, line in enumerate(lines, 1):
        if len(cells(line)) != len(header) or not line.endswith("\n"):
            raise DataError(f"{path}:{number}: this line is not one row", "run scripts/lint_tables.py")
    return lines


def cells(line: str) -> list[str]:
    return next(csv.reader([line.rstrip("\r\n")]), [])


def row_of(header: Sequence[str], line: str) -> Record:
    return dict(zip(header, cells(line), strict=True))


# --- changing ---------------------------------------------------------------------------------------------------------


def sort_key(row: Record) -> tuple[object, ...]:
    """Order of the table: release, system, architecture, CUDA or ROCm version."""
    tag = row["build_tag"]
    digits = tuple(int(part) for part in re.findall(r"\d+", tag))
    return version_key(row["torch"]), row["os"], row["arch"], digits, tag


def with_build(lines: list[str], build: list[Facts], options: argparse.Namespace) -> tuple[list[str], list[str]]:
    """The table's lines with the row of `build` as the wheels say, and the values in which they differed."""
    header = cells(lines[0])
    rows = [row_of(header, line) for line in lines[1:]]
    index = next((n for n, row in enumerate(rows) if tuple(row[column] for column in KEY) == build[0].key), None)
    old = rows[index] if index is not None else None
    others = [row for row in rows if row is not old and row["torch"] == build[0].torch]
    new = updated(old, build, options.complete)
    if old is None:
        dates = sorted(row["release_date"] for row in others if row["release_date"])
        new["release_date"] = options.release_date or (dates[0] if dates else "")
    check_default(new, others)
    line = written(header, new)
    if index is None:
        before = next((n for n, row in enumerate(rows, 1) if sort_key(row) > sort_key(new)), len(lines))
        return [*lines[:before], line, *lines[before:]], [f"{name_of(new)}: no such row in the table"]
    changed = [f"{name_of(new)}: {c}: table {old[c]!r}, wheel {new[c]!r}" for c in VALUES if old and old[c] != new[c]]
    return [*lines[: index + 1], line if old != new else lines[index + 1], *lines[index + 2 :]], changed


def name_of(row: Record) -> str:
    return f"{row['torch']}+{row['build_tag']} {row['os']} {row['arch']}"


def written(header: Sequence[str], row: Record) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow([row[column] for column in header])
    return out.getvalue()


def updated(old: Record | None, build: list[Facts], complete: bool) -> Record:
    """The row that follows from the wheels of `build` and from what the table says already."""
    first = build[0]
    row = dict(old or {**dict(zip(KEY, first.key, strict=True)), "note": "", "source": "", "verified": "yes"})
    values = {
        "sm_list": " ".join(first.archs),
        "ptx_list": " ".join(first.ptx if not first.images else present_ptx(first)),
        "cudnn": first.cudnn or row.get("cudnn", ""),
        "is_default_on_pypi": "yes" if any(f.default_on_pypi for f in build) else row.get("is_default_on_pypi", "no"),
        **pythons(old, build, complete),
    }
    changed = [c for c in ("sm_list", "cudnn") if old and old[c] not in ("", values[c])]
    remarks = row["note"].split("; ") if row["note"] else []
    if row["verified"] != "yes":
        remarks = [each for each in remarks if each.startswith(KEPT_REMARKS)]  # the others spoke of doubts now settled
    remarks += [f"{c} read from the wheel, other sources: {old[c]}" for c in changed if old]
    sources = sorted({*OWN_SOURCE.findall(row["source"]), *(fact.source for fact in build)})
    earlier = [each for each in OWN_SOURCE.sub("", row["source"]).split("; ") if each.strip("; ")]
    return {**row, **values, "source": "; ".join([*sources, *earlier]), "verified": "yes", "note": "; ".join(remarks)}


def pythons(old: Record | None, build: list[Facts], complete: bool) -> Record:
    """First and last Python: of these wheels, widened by the row that exists. Raises DataError."""
    found = sorted({python for fact in build for python in fact.pythons})
    if not found and old is None:
        raise DataError(f"{build[0].torch}: free-threaded wheels alone make no row", "give the wheel for CPython too")
    ends = [f"{major}.{minor}" for major, minor in (found[:1] + found[-1:] if found else [])]
    if old and not (complete and found):
        ends = sorted([*ends, old["python_min"], old["python_max"]], key=version_key)
    return {"python_min": ends[0], "python_max": ends[-1]}


def check_default(row: Record, others: Iterable[Record]) -> None:
    """A release has one default build a system: two are for a person to judge. Raises DataError."""
    if row["is_default_on_pypi"] != "yes":
        return
    for other in others:
        if other["is_default_on_pypi"] == "yes" and (other["os"], other["arch"]) == (row["os"], row["arch"]):
            problem = f"{name_of(row)} has no local version, but the table calls {name_of(other)} the default on PyPI"
            raise DataError(problem, "correct is_default_on_pypi of that row by hand, then run this again")


# --- kernels and remarks ----------------------------------------------------------------------------------------------


def present_ptx(fact: Facts) -> list[str]:
    """PTX that belongs to torch's own kernels, not to a few of a bundled library: at least half as often as a cubin."""
    most = max((count for image, count in fact.images.items() if image.startswith("sm_")), default=0)
    ptx = [i for i, count in fact.images.items() if i.startswith("compute_") and 2 * count >= most]
    return ["sm_" + each.removeprefix("compute_") for each in sorted(ptx, key=target_key)]


def tell_images(fact: Facts) -> None:
    """What --fatbins found, and where it contradicts the arch list; on stderr."""
    if not fact.images:
        return
    told = " ".join(f"{image}:{fact.images[image]}" for image in sorted(fact.images, key=target_key))
    print(f"{fact.torch}+{fact.tag} {fact.os} {fact.arch}: kernels {told}", file=sys.stderr)
    for target in fact.archs:
        if target.rstrip("af") not in fact.images:
            print(f"  warning: the arch list names {target}, and no kernel of it was found", file=sys.stderr)


def tell_what_else(matrix: Path, facts: Iterable[Facts]) -> None:
    """Rows that other tables lack for these builds; on stderr."""
    for name, column, wanted in (
        ("torch_companions.csv", "torch", {fact.torch for fact in facts}),
        ("cuda_drivers.csv", "cuda", {cuda_version(fact.tag) for fact in facts if fact.tag.startswith("cu")}),
    ):
        path = matrix / name
        with path.open(encoding="utf-8", newline="") as handle:
            known = [row[column] for row in csv.DictReader(handle)]
        for value in sorted(each for each in wanted if not any(f"{k}.".startswith(f"{each}.") for k in known)):
            print(f"note: {name} has no row for {value}: add it with its source", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
