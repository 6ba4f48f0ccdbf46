"""Clients whose programs are in no package: their repositories at one commit, beside the other environments.

    python tests/clients/checkouts.py DIR [NAME ...]

clones what each tests/clients/environments/<name>.git names (address and tag or commit) into `DIR/checkouts/<name>`;
with NAMEs only those that begin so. What is there is kept. DIR is the folder of HWCOMPAT_TEST_CLIENTS. Nothing of the
clones is kept in this repository.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

LISTS = Path(__file__).resolve().parent / "environments"
FOLDER = os.environ.get("HWCOMPAT_TEST_CLIENTS")


def wanted() -> dict[str, tuple[str, str]]:
    """name -> address and tag or commit."""
    lists = {path.stem: path.read_text(encoding="utf-8").split() for path in sorted(LISTS.glob("*.git"))}
    return {name: (address, commit) for name, (address, commit) in lists.items()}


def clone(folder: Path, address: str, commit: str) -> None:
    """One commit of `address` in `folder`, without its history; the folder appears when it is complete."""
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for words in (
        ["init", "-q"],
        ["remote", "add", "origin", address],
        ["fetch", "-q", "--depth", "1", "origin", commit],
        ["checkout", "-q", "FETCH_HEAD"],
    ):
        subprocess.run(["git", *words], cwd=part, check=True)
    part.rename(folder)


def versions(client: str) -> list[str]:
    """The versions of `client` that have a list here, oldest first."""
    found = [name.partition("-")[2] for name in wanted() if name.partition("-")[0] == client]
    return sorted(found, key=lambda version: [int(part) for part in version.split(".")])


def folder(client: str, version: str) -> Path:
    """Where the clone of `client` at `version` lies."""
    return Path(FOLDER or "") / "checkouts" / f"{client}-{version}"


def needs(client: str):
    """Gives a test the marker `checkouts`, and skips it where a clone of `client` is missing."""
    import pytest  # not needed to make the clones

    missing = not FOLDER or not all(folder(client, version).exists() for version in versions(client))
    skip = pytest.mark.skipif(missing, reason=f"no clones of {client}: tests/clients/checkouts.py makes them")
    return lambda test: pytest.mark.checkouts(skip(test))


if __name__ == "__main__":
    for name, (address, commit) in wanted().items():
        if sys.argv[2:] and not name.startswith(tuple(sys.argv[2:])):
            continue
        target = Path(sys.argv[1]) / "checkouts" / name
        if not target.exists():
            clone(target, address, commit)
        print(f"{target}: {commit}")
