"""What the scripts that write a page of docs/ share: write it, or say whether it is up to date."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path


def main(path: Path, page: Callable[[], str], doc: str | None) -> int:
    """Write `page()` to `path`; with --check change nothing and return 1 if the page is not up to date."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    text = page()
    if options.check:
        return 0 if path.exists() and path.read_text(encoding="utf-8") == text else 1
    path.write_text(text, encoding="utf-8", newline="\n")
    return 0
