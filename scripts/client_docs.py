"""Writes docs/clients.md: every format of `hwcompat recommend --for`, how to use its file and how far it was proved.

    python scripts/client_docs.py [--check]

The text is that of the emitters themselves. --check changes nothing and exits 1 if the page is not up to date.
"""

from __future__ import annotations

import sys
from pathlib import Path

import generated_page

from hwcompat import emitters

PAGE = Path(__file__).parents[1] / "docs" / "clients.md"

INTRODUCTION = """\
# The clients

Generated from the emitters by `scripts/client_docs.py`; `hwcompat recommend --list` prints the table. A file is written
by `hwcompat recommend --for NAME -o FILE`, and for one version of the client by `--for NAME@VERSION`. Where the client
is installed beside the torch that is meant, its version is read there. With the version unknown only what every
supported version accepts is written.

What a client cannot express is a comment in its file, never a guessed key. A client without a switch for the
recommended dtype gets the safe value: with good bfloat16, faulty float16 and no bfloat16 switch, AMP is off.

**Proof.** *launched*: the real client started with the file on a CPU, and the precision it then used was read back.
*parsed*: the client's own strict loader, or the program that reads the format, accepted it. *schema*: checked against
the options recorded from the client's source. Many clients accept a wrong key when they load and fail or ignore it
later, so that only *launched* is the whole truth, and a CPU cannot show everything: the last column says what was not
seen. Nothing here has been started on a GPU yet.

| `--for` | file | proof | by what, and what is not proved |
|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    found = [emitters.described(name) for name in emitters.names()]
    table = "".join(f"| `{each.name}` | `{each.file}` | {each.proof} | {_cell(each.proved)} |\n" for each in found)
    return INTRODUCTION + table + "\n" + "\n".join(_section(each) for each in found)


def _section(each: emitters.Format) -> str:
    return f"## {each.name}\n\n{each.summary}\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(generated_page.main(PAGE, page, __doc__))
