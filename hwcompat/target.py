"""The machine that an answer is for (this one, the one of a report, or one that is only described), and the answer.

Pure once the tables are loaded: facts come in as an Environment or as words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from . import asked, emitters, policy, resolver
from .circumstances import CardFacts, Machine, is_complete
from .errors import MachineError, NoBuildError, UsageError
from .knownfaults import faults_for
from .model import Environment, Gpu, Pin, Recommendation, Report, Row, Setting
from .tables import Tables, default_for, index_base, resolve_gpu

_UNUSABLE = ("faulty", "unsupported")
_DEVICE = {"nvidia": "cuda", "amd": "rocm", "apple": "mps", "intel": "xpu"}
_FORMAT_OF = {"pytorch-lightning": "lightning"}  # the same client under its older name
_BF16_UNITS = (8, 0)  # https://docs.nvidia.com/cuda/ampere-tuning-guide/index.html


class Target(NamedTuple):
    """`alternatives`: the gpus are chips that one name may mean, of which the machine has one."""

    machine: Machine
    gpus: tuple[Gpu, ...] = ()
    alternatives: bool = False
    described: bool = False  # by words, not by a machine that was read
    reports: tuple[Report, ...] = ()
    clients: Mapping[str, str] = MappingProxyType({})
    warnings: tuple[str, ...] = ()
    env: Environment | None = None  # as it was read; None: the machine was described

    @property
    def device(self) -> str:
        return _DEVICE.get(self.gpus[0].vendor, "cuda") if self.gpus else "cpu"


def of_environment(env: Environment, reports: Iterable[Report]) -> Target:
    """The machine of `env`, its hidden cards left out; `reports` are this machine's, newest first."""
    return Target(
        machine=Machine(env.os, env.arch, env.python or "", env.driver, env.wsl, env.torch, env.cpu),
        gpus=_one_vendor(tuple(gpu for gpu in env.gpus if not gpu.hidden)),
        reports=tuple(reports),
        clients=_served(env.torch.clients if env.torch else {}),
        env=env,
    )


def _served(clients: Mapping[str, str]) -> Mapping[str, str]:
    """Those clients for which there is a format, by the name of the format."""
    formats = emitters.names()
    named = {_FORMAT_OF[name]: version for name, version in clients.items() if name in _FORMAT_OF} | dict(clients)
    return {name: version for name, version in named.items() if name in formats}


def _one_vendor(gpus: tuple[Gpu, ...]) -> tuple[Gpu, ...]:
    """A torch build serves one vendor: NVIDIA's cards if there are any, else the first one's."""
    vendor = "nvidia" if any(gpu.vendor == "nvidia" for gpu in gpus) else gpus[0].vendor if gpus else ""
    return tuple(gpu for gpu in gpus if gpu.vendor == vendor)


def of_words(
    names: Sequence[str], *, driver: str | None, os: str, arch: str, python: str, wsl: bool, tables: Tables
) -> Target:
    """The machine with cards of these `names`. UsageError for a name that no table knows."""
    found = [_made_for(os, resolve_gpu(name, tables)) for name in names]
    gpus = tuple(gpu for cards in found for gpu in cards)
    if len({gpu.vendor for gpu in gpus}) > 1:
        raise UsageError("one torch build serves one vendor's cards", "ask for each vendor's cards apart")
    warnings = tuple(_ambiguous(name, cards) for name, cards in zip(names, found, strict=True) if len(cards) > 1)
    machine = Machine(os, arch, python, driver, wsl)
    return Target(machine, gpus, alternatives=len(names) == 1, described=True, warnings=warnings)


def _made_for(os: str, gpus: tuple[Gpu, ...]) -> tuple[Gpu, ...]:
    """A name that two makers use ("M4") means Apple's on a Mac and the other's elsewhere."""
    fitting = tuple(gpu for gpu in gpus if (gpu.vendor == "apple") == (os.lower() == "macos"))
    return fitting or gpus


def _ambiguous(name: str, gpus: Sequence[Gpu]) -> str:
    chips = ", ".join(f"{gpu.chip} ({gpu.compute_capability})" for gpu in gpus)
    return f"{name} is sold on several chips: {chips}; this answers for the worst of them, unless you give the PCI id"


# --- the answer -------------------------------------------------------------------------------------------------------


def pin(target: Target, torch: str | None, newest: bool, tables: Tables) -> Pin:
    """The build for `target`; `torch` is a wish. Raises NoBuildError or UsageError; MachineError where the Python of a
    machine that was read did not answer."""
    machine = target.machine
    if not target.described and not machine.python:
        raise MachineError("the chosen Python cannot be used: it did not answer", "name another one with --python")
    driver, warnings = _comparable_driver(target)
    found = resolver.resolve(
        target.gpus,
        driver=driver,
        os=machine.os,
        arch=machine.arch,
        python=machine.python,
        torch=torch,
        installed=machine.torch,
        tables=tables,
        index_base=index_base(),
        newest=newest,
        wsl=machine.wsl,
        alternatives=target.alternatives and len(target.gpus) > 1,
        failed=_failed_builds(target),
    )
    return replace(found, warnings=(*found.warnings, *warnings))


def _failed_builds(target: Target) -> dict[str, str]:
    """The builds whose newest probe on one of these cards found float32 itself wrong: another build may be right.

    A faulty 16-bit type does not count: it leaves the build usable, and settings say what to avoid.
    """
    found: dict[tuple[str, object], str] = {}
    for report in target.reports:
        facts = report.environment.torch
        verdict = report.capabilities["fp32"].value if "fp32" in report.capabilities else "unknown"
        speaks = verdict in _UNUSABLE or is_complete(report)  # a run that left something out clears nothing
        if facts and speaks and not report.simulated and _is_of(report, target.gpus):
            slot = (resolver.name_of(facts), report.gpu.pci_bus_id if report.gpu else None)
            found.setdefault(slot, f"fp32 is {verdict}, report of {report.date[:10]}" if verdict in _UNUSABLE else "")
    return {build: told for (build, _), told in found.items() if told}


def _is_of(report: Report, gpus: Sequence[Gpu]) -> bool:
    """Whether it was made on one of `gpus` (none: on the CPU)."""
    if report.gpu is None:
        return not gpus and report.device == "cpu"
    facts = (report.gpu.pci_id, report.gpu.compute_capability)
    return any((gpu.pci_id, gpu.compute_capability) == facts for gpu in gpus)


def _comparable_driver(target: Target) -> tuple[str | None, tuple[str, ...]]:
    """A machine may call its driver what it likes; only words of the user's own are taken at their word."""
    driver = target.machine.driver
    if target.described or driver is None or asked.is_driver(driver):
        return driver, ()
    return None, (f"the driver calls itself {driver!r}, which cannot be compared with what a build needs",)


def decide(
    target: Target, rows: Sequence[Row], *, torch: str | None, prefer: str, newest: bool, date: str, tables: Tables
) -> Recommendation:
    """Settings and pin for `target`. NoBuildError only where the machine was described, or a build was wished for:
    a machine with a working torch gets its settings even if no table knows a build for it."""
    chosen: Pin | None
    warnings = target.warnings
    try:
        chosen = pin(target, torch, newest, tables)
    except NoBuildError as error:
        if target.described or torch or target.machine.torch is None:
            raise
        chosen, warnings = None, (*warnings, f"no torch build to pin: {error.message}")
    cards = 1 if target.alternatives else len(target.gpus)
    decided = policy.decide(
        cards=tuple(card_facts(gpu, target.machine, chosen, tables, cards) for gpu in target.gpus or (None,)),
        device=target.device,
        machine=target.machine,
        reports=target.reports,
        rows=rows,
        pin=chosen,
        prefer=prefer,
        clients=target.clients,
        date=date,
        warnings=warnings,
        repair=_repair(target, chosen),
    )
    return _without_index(decided) if chosen and not chosen.index_url else decided


def _repair(target: Target, chosen: Pin | None) -> tuple[str, ...]:
    """What keeps the installed torch from using the card, and what to do about it."""
    if target.env is None:
        return ()
    from . import repair  # reads environment.py, which a machine that is only described has no use for

    blocked = repair.blocks(target.env)
    return (blocked, *([repair.line(target.env, chosen)] if chosen else [])) if blocked else ()


def _without_index(decided: Recommendation) -> Recommendation:
    nowhere = Setting(None, "the installed build is on no index known here")
    return replace(decided, settings={**decided.settings, "index_url": nowhere})


def card_facts(gpu: Gpu | None, machine: Machine, build: Pin | None, tables: Tables, cards: int = 1) -> CardFacts:
    """What the tables say of a card, one of `cards`, with the build that will be used."""
    torch, cuda, cudnn = _versions(machine, build)
    clients = machine.torch.clients if machine.torch else {}
    build_facts = {"torch": torch, "cuda": cuda, "cudnn": cudnn}
    faults = faults_for(gpu, **build_facts, os=machine.row_os, clients=clients, cards=cards, tables=tables)
    return CardFacts(gpu, faults, default_for(gpu, tables), _bf16_native(gpu, tables))


def _versions(machine: Machine, build: Pin | None) -> tuple[str, str, str]:
    if build:
        return build.torch, build.tag, build.cudnn
    if machine.torch:
        return machine.torch.version.partition("+")[0], machine.torch.cuda or "", machine.torch.cudnn or ""
    return "", "", ""


def _bf16_native(gpu: Gpu | None, tables: Tables) -> bool | None:
    """Does the chip have bf16 units? None: nobody knows, as for AMD, Intel and Apple here."""
    if gpu is None or gpu.vendor != "nvidia":
        return None
    card = tables.card_index.chips.get(gpu.chip or "")
    if card:
        return card.bf16_native
    major, _, minor = (gpu.compute_capability or "").partition(".")
    return (int(major), int(minor)) >= _BF16_UNITS if major.isdigit() and minor.isdigit() else None
