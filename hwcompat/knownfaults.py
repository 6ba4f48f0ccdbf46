"""Which known faults concern a card with a torch build and with the clients installed beside it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from hwcompat.model import Fault, Gpu
from hwcompat.tablerows import cuda_version, in_range, version_key
from hwcompat.tables import Tables


def faults_for(
    gpu: Gpu | None,
    *,
    torch: str = "",
    cuda: str = "",
    cudnn: str = "",
    os: str = "",
    clients: Mapping[str, str] = MappingProxyType({}),
    cards: int = 1,
    tables: Tables,
    effect: str = "",
) -> tuple[Fault, ...]:
    """The known faults of this card with this build; `cuda` is a tag or a version; `os` may be `wsl`; "" is unknown.

    gpu       None is the CPU
    clients   version by name of those installed there
    cards     how many train together
    effect    only those with it

    An unknown version counts as affected where the fault carries verdicts (the safe assumption) and as not affected
    where it is a caution only, so that nobody is warned of a build that nothing names.
    """
    versions = {"torch": torch, "cuda": cuda_version(cuda) if cuda else "", "cudnn": cudnn}
    return tuple(
        fault
        for fault in tables.faults
        if (not effect or fault.effect == effect)
        and concerns_card(fault, gpu)
        and (not fault.os or os in fault.os)
        and cards >= fault.cards
        and (not fault.clients or affected_clients(fault, clients))
        and not (fault.cuda and cuda and not versions["cuda"])
        and all(_concerns_version(fault, kind, version) for kind, version in versions.items())
    )


def concerns_card(fault: Fault, gpu: Gpu | None) -> bool:
    """Whether a machine with this card (None: the CPU alone) can have the fault, whatever its software."""
    if gpu is None:
        of_a_card = fault.chips or fault.pci_ids or fault.compute_capabilities
        return not of_a_card and (not fault.vendors or "cpu" in fault.vendors)
    return (
        (not fault.chips or gpu.chip in fault.chips)
        and (not fault.pci_ids or gpu.pci_id in fault.pci_ids)
        and (not fault.compute_capabilities or gpu.compute_capability in fault.compute_capabilities)
        and (not fault.vendors or gpu.vendor in fault.vendors)
    )


def affected_clients(fault: Fault, clients: Mapping[str, str]) -> Mapping[str, str]:
    """Those of the installed `clients` (version by name) that have the fault; a version that nobody knows has not."""
    return {
        name: clients[name]
        for name, wanted in fault.clients.items()
        if version_key(clients.get(name, "")) and in_range(clients[name], wanted)
    }


def _concerns_version(fault: Fault, kind: str, version: str) -> bool:
    wanted: str = getattr(fault, kind)
    if not wanted:
        return True
    return in_range(version, wanted) if version else bool(fault.verdicts)
