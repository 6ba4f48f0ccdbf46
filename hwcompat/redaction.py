"""Takes out of a text what could say whose machine wrote it: paths, host and user names, UUIDs, serial numbers,
network and bus addresses. It rather takes too much: a word lost costs less than a name published.

The patterns know no machine; `machine_names` reads the names of this one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
"""Control characters (tab and line feed aside), direction overrides, lone surrogates: a terminal or an editor obeys
them, UTF-8 cannot carry the last."""

_TAIL = r"(?:[^\s\"'`<>|]|'(?=\w))*"  # the quote in /home/o'neill belongs to the name
_ROOTS = "home|root|Users|tmp|var|usr|opt|mnt|media|data|srv|etc|private|Volumes|Library|proc|dev|run|scratch"

# Texts may be hostile: a pattern starts only where a word can begin, so that no text costs quadratic time.
_PATH = re.compile(
    "|".join(
        (
            r"(?P<url>https?://(?:[\w-]+\.)+[A-Za-z]{2,}(?<!\.local)(?<!\.lan)(?<!\.corp)(?![\w.@:-])[^\s\"'`<>|@]*)",
            # Quotes are the ends of a path that may hold blanks.
            r"([\"'`])(?:[A-Za-z]:[\\/]|\\\\|/|~[\\/])[^\"'`\n]*\2",
            # An unquoted Windows path goes on to the last separator of the line: C:\Users\Ann Lee\x.py
            rf"(?<![A-Za-z0-9])[A-Za-z]:[\\/](?:[^\\/:*?\"<>|\n]*[\\/])*{_TAIL}",
            rf"\\\\[^\\\s]+\\(?:[^\\/:*?\"<>|\n]*\\)*{_TAIL}",
            rf"(?<!\w)~[\w.-]*[\\/]{_TAIL}",
            # A home folder's own name may hold blanks.
            rf"/(?:home|Users)/[^/\n\"'`<>|:]{{1,64}}/{_TAIL}",
            # A known top folder even inside a word (-I/usr/include); any other slash only where a word can begin.
            rf"(?<!/)/+(?:{_ROOTS})/{_TAIL}",
            rf"(?<![\w.)\]>/])/+[^\s/\"'`<>|]{_TAIL}",
        )
    )
)

_HEX4 = "[0-9a-f]{4}"
_GLUED = r"(?:(?<![\w.-])|(?<=_)|(?<=[A-Za-z_]\.))"
"""Where a serial number begins: also after the "_" or "." of a file name, never inside a number or a longer word."""
_RULES = tuple(
    (re.compile(pattern, flags), word)
    for pattern, flags, word in (
        (rf"(?:\b(?:GPU|MIG)-)?\b[0-9a-f]{{8}}-(?:{_HEX4}-){{3}}[0-9a-f]{{12}}\b", re.IGNORECASE, "<uuid>"),
        (r"\b[0-9a-f]{32}\b", re.IGNORECASE, "<uuid>"),
        (r"\b(?:[0-9a-f]{2}[:-]){5,}[0-9a-f]{2}\b", re.IGNORECASE, "<mac>"),
        (rf"\b(?:{_HEX4}(?:{_HEX4})?:)?[0-9a-f]{{2}}:[0-9a-f]{{2}}\.[0-7]\b", re.IGNORECASE, "<slot>"),
        (r"(?<![A-Za-z0-9])(serial(?:[ _.]?(?:number|no\.?))?|s/n|asset[ _]tag|service[ _]tag)[\s:=#._]+"
         r"(?=[\w-]{0,40}\d)[\w-]{4,}", re.IGNORECASE, r"\1 <serial>"),
        (rf"{_GLUED}\d{{13}}(?![A-Za-z0-9-]|\.\d)", 0, "<serial>"),  # the form of NVIDIA's board serials
        (rf"(?<![/])(?:{_GLUED})(?=\d*[A-Z]\d*[A-Z])(?=(?:[A-Z]*\d){{3}})[A-Z0-9]{{10,16}}(?![A-Za-z0-9/-]|\.\d)", 0,
         "<serial>"),
        (r"\b[fF][eEdD][0-9a-fA-F]{2}:[0-9a-fA-F:]+\b", 0, "<address>"),
        (r"\b(?:192\.168|172\.(?:1[6-9]|2\d|3[01])|169\.254)(?:\.\d{1,3}){2}\b", 0, "<address>"),
        (r"\b(?:\d{1,3}\.){3}\d{1,3}:\d{2,5}\b", 0, "<address>"),
        (r"(?<![\w/.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)*", 0, "<user>"),
        (r"\b(?:DESKTOP|LAPTOP|WIN|EC2AMAZ)-[A-Z0-9]{5,}\b", re.IGNORECASE, "<host>"),
        (r"\bip(?:-\d{1,3}){4}\b", re.IGNORECASE, "<host>"),
        (r"(?<![\w.-])[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}\.(?:local|lan|internal|intranet|corp|localdomain)\b",
         re.IGNORECASE, "<host>"),
    )
)  # fmt: skip

_IMPERSONAL = frozenset(
    "admin administrator ai cuda default desktop gpu home host laptop linux localhost localdomain mac node nvidia pc "  # noqa: SIM905
    "root runner server torch ubuntu user users windows workstation "
    "address mac name path serial slot uuid".split()  # our own replacements
)
"""Names that tell nobody anything; taking them out would only damage sentences."""


def scrub(text: str, names: Sequence[str] = ()) -> str:
    """`text` without control characters and without anything personal; `names` are words to take out as well."""
    return (_remembered if len(text) <= _SHORT else _scrubbed)(text, tuple(names))


def _scrubbed(text: str, names: tuple[str, ...]) -> str:
    text = _PATH.sub(lambda found: found["url"] or "<path>", _CONTROL.sub(" ", text))
    for pattern, word in _RULES:
        text = pattern.sub(word, text)
    return _name_pattern(names).sub("<name>", text) if names else text


_SHORT = 200
_remembered = lru_cache(maxsize=2048)(_scrubbed)
"""The reports of a fleet, and the results of one report, repeat the same short texts again and again."""


@lru_cache(maxsize=16)
def _name_pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    words = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.compile(rf"(?<![A-Za-z0-9])(?:{words})(?![A-Za-z0-9])", re.IGNORECASE)


def machine_names() -> tuple[str, ...]:
    """The names of this machine and of its user that a text could give away; never raises."""
    return tuple(sorted({name for name in _names_found() if len(name) > 1 and name.lower() not in _IMPERSONAL}))


def _names_found() -> Iterable[str]:
    import platform

    hosts = [platform.node(), os.environ.get("HOSTNAME", ""), os.environ.get("COMPUTERNAME", "")]
    yield from hosts
    yield from (host.partition(".")[0] for host in hosts)
    yield from (os.environ.get(name, "") for name in ("USER", "LOGNAME", "USERNAME", "SUDO_USER"))
    with suppress(RuntimeError, KeyError):
        yield Path.home().name
