"""Keys that the client, in this version, does not have."""

from __future__ import annotations

from collections.abc import Iterator

from hwcompat.diagnose.clue import NOTE, PROVED, SUSPECTED, Clue
from hwcompat.diagnose.config import Config, Facts, under
from hwcompat.diagnose.keytable import KeyTable

SILENT = {"deepspeed": "ignores it in silence", "timm": "keeps it in silence and never reads it"}
"""Clients that do not stop at a wrong key, so that nobody notices."""
REFUSES_INSIDE = "refuses it since 0.17.1"
OTHERS_KEYS = ("transformers",)
"""Clients whose files also hold the keys of the user's own script."""
PRECISION = ("half", "amp", "quantize", "fp16", "bf16", "dtype", "precision")


def check(config: Config, facts: Facts) -> Iterator[Clue]:
    for section, prefix in config.sections:
        if not facts.keys.examined(config.client, section):
            continue
        for name in under(config.document.values, prefix):
            accepted = facts.keys.accepts(config.client, section, name, config.version)
            if accepted is False:
                yield from _foreign(config, facts.keys, section, prefix, name)
            elif accepted is None:
                yield from _unsettled(config, facts.keys, section, prefix, name)


def _foreign(config: Config, keys: KeyTable, section: str, prefix: str, name: str) -> Iterator[Clue]:
    known = keys.find(config.client, section, name)
    nearest = (known.replaced_by if known else "") or keys.nearest(config.client, section, name, config.version)
    if known is None and not nearest and config.client in OTHERS_KEYS:
        return
    examined = keys.examined(config.client, section)
    source = known.source if known else _source(keys, config.client, section)
    change = f"use {prefix}{nearest}" if nearest else "remove it"
    yield config.clue(
        "config.unknown-key",
        prefix + name,
        f"{prefix}{name} is no key of {_named(config)}",
        why=f"{_history(known.versions if known else (), examined)}; {_consequence(config, section, nearest)}",
        change=change,
        certainty=PROVED if known or not nearest or config.client not in OTHERS_KEYS else SUSPECTED,
        weight=30 if name in PRECISION else 15,
        source=source,
    )


def _unsettled(config: Config, keys: KeyTable, section: str, prefix: str, name: str) -> Iterator[Clue]:
    known = keys.find(config.client, section, name)
    if known is None:
        return
    instead = f"; newer ones: {known.replaced_by}" if known.replaced_by else ""
    yield config.clue(
        "config.key-by-version",
        prefix + name,
        f"{prefix}{name} exists in some releases of {config.client} only{instead}",
        why=_history(known.versions, keys.examined(config.client, section)),
        change="name your release with --client-version" if not config.version else "look it up in your release",
        certainty=NOTE,
        weight=3,
        source=known.source,
    )


def _named(config: Config) -> str:
    return f"{config.client} {config.version}" if config.version else f"any {config.client} examined"


def _history(having: tuple[str, ...], examined: tuple[str, ...]) -> str:
    span = f"{len(examined)} releases from {examined[0]} to {examined[-1]} were examined"
    if not having:
        return f"{span}, none has it"
    return f"{span}, those from {having[0]} to {having[-1]} have it"


def _consequence(config: Config, section: str, nearest: str) -> str:
    if config.client == "ultralytics" and nearest == "quantize":
        return "it is mapped to quantize with a warning, and governs prediction and validation, not training"
    if config.client == "deepspeed" and section:
        return f"DeepSpeed {REFUSES_INSIDE} and ignored it before"
    if config.client in SILENT:
        return f"{config.client} {SILENT[config.client]}"
    return f"{config.client} stops at it, or drops it with a warning, so it does nothing"


def _source(keys: KeyTable, client: str, section: str) -> str:
    newest = keys.examined(client, section)[-1]
    some = (k for k in keys.keys.values() if (k.client, k.section) == (client, section) and newest in k.versions)
    found = next(some, None)
    return found.source if found else ""
