"""What `hwcompat recommend` answers for a card on each system, with every client's file. Pure over rows and tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from hwcompat import emitters, target
from hwcompat.errors import HwcompatError
from hwcompat.model import Recommendation, Row
from hwcompat.tables import Tables
from hwcompat.wording import install_command

from .observed import said_of
from .values import Answer, Config, Said, Subject

PYTHON = "3.12"
"""Current torch has wheels for it on every system; an answer says for which Python it is."""

_USUAL = (("linux", "x86_64"), ("windows", "x86_64"))
# Boards where the GPU sits beside a Grace CPU: their Linux is aarch64.
# https://docs.nvidia.com/dccpu/grace-perf-tuning-guide/index.html
_GRACE = ("GH200", "GB200", "GB300", "GB10")
_PINS = ("torch", "cuda", "torchvision", "torchaudio", "index_url")


def systems(subject: Subject) -> tuple[tuple[str, str], ...]:
    """(os, arch) of the machines that such a card is in."""
    if subject.vendor == "apple":
        return (("macos", "arm64"),)
    if any(card.segment == "jetson" for card in subject.models) or any(word in subject.name for word in _GRACE):
        return (("linux", "aarch64"),)
    return _USUAL


def answers(subject: Subject, rows: Sequence[Row], tables: Tables, date: str) -> tuple[Answer, ...]:
    """One answer a system; none for a card that the tables do not understand. `rows`: the standing ones about it."""
    if not subject.ask:
        return ()
    return tuple(_answer(subject, os, arch, rows, tables, date) for os, arch in systems(subject))


def _answer(subject: Subject, os: str, arch: str, rows: Sequence[Row], tables: Tables, date: str) -> Answer:
    answer = Answer(os, arch, PYTHON)
    aim = target.of_words([subject.ask], driver=None, os=os, arch=arch, python=PYTHON, wsl=False, tables=tables)
    try:
        rec = target.decide(aim, rows, torch=None, prefer="speed", newest=False, date=date, tables=tables)
    except HwcompatError as error:
        told = said_of(subject, aim.gpus, rows, os, date)
        rejected = tuple(getattr(error, "rejected", ()))
        return answer._replace(refused=error.message, hint=error.hint, rejected=rejected, said=told)
    return _of_recommendation(answer, rec, subject, rows, date)


def _of_recommendation(answer: Answer, rec: Recommendation, subject: Subject, rows: Sequence[Row], date: str) -> Answer:
    pin = rec.pin
    told = said_of(subject, rec.gpus, rows, answer.os, date, pin.torch if pin else "", pin.tag if pin else "")
    return answer._replace(
        torch=pin.torch if pin else "",
        tag=pin.tag if pin else "",
        install=install_command(pin) if pin else "",
        settings=tuple(
            (name, _word(one.value), one.because) for name, one in rec.settings.items() if name not in _PINS
        ),
        because=pin.because if pin else (),
        rejected=pin.rejected if pin else (),
        evidence=rec.evidence,
        warnings=rec.warnings,
        cautions=tuple((each.operation, each.detail, each.workaround, each.source) for each in rec.cautions),
        next_steps=rec.next_steps,
        said=tuple(_with_verdict(one, rec) for one in told),
        configs=tuple(_configs(rec, subject, answer)),
    )


def _with_verdict(one: Said, rec: Recommendation) -> Said:
    verdict = rec.verdicts.get(one.capability)
    return one._replace(assumed=verdict.value, because=verdict.because) if verdict else one


def _word(value: Any) -> str:
    """As in the YAML that `recommend` writes."""
    return {True: "true", False: "false", None: "null"}.get(value) or str(value)


def _configs(rec: Recommendation, subject: Subject, answer: Answer) -> Iterator[Config]:
    for name in emitters.names():
        form = described(name)
        command = f"{command_for(subject, answer)} --for {name} -o {form.file}"
        config = Config(name, form.file, form.summary, form.proof, command)
        try:
            yield config._replace(text=emitters.render(rec, name))
        except HwcompatError as error:
            yield config._replace(refused=f"{error.message}. {error.hint}")


def command_for(subject: Subject, answer: Answer) -> str:
    """The command that gives this answer, in bash and PowerShell alike."""
    return f'hwcompat recommend --gpu "{subject.ask}" --os {answer.os} --arch {answer.arch} --python {answer.python}'


described = cache(emitters.described)
