"""What the tests of hwcompat.diagnose share: the packaged knowledge with a machine of one's choice, and small files."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import hwcompat
from hwcompat import diagnose
from hwcompat.errors import MachineError
from hwcompat.model import Recommendation
from hwcompat.tables import data_folders

FAULTY, GOOD, OLD = "NVIDIA GeForce GTX 1660 Ti", "NVIDIA A100-SXM4-40GB", "NVIDIA GeForce GTX 1080 Ti"


@cache
def known(gpu: str | None = GOOD) -> diagnose.Knowledge:
    """The packaged tables; `gpu` None: a machine of which nobody can say anything."""

    def machine() -> Recommendation:
        if gpu is None:
            raise MachineError("no torch here", "install it")
        return hwcompat.recommend(gpu=gpu, driver="580.65", os="linux", arch="x86_64", python="3.11")

    return diagnose.Knowledge(data_folders(), machine)


def found(answer: diagnose.Answer) -> set[str]:
    return {clue.check for clue in answer.clues}


def clue(answer: diagnose.Answer, check: str) -> diagnose.Clue:
    return next(each for each in answer.clues if each.check == check)


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    return path
