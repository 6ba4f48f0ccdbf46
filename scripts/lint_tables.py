"""Checks the tables under matrix/ and says what to correct, one finding a line.

    python scripts/lint_tables.py [--matrix matrix] [--rules]

A finding names file, line, column, value, what is wrong and what to do. What is as it should be in spite of a rule is
recorded in matrix/lint_exceptions.csv with its reason. --rules lists the rules. Exit code 1: there are findings; 4: a
file cannot be read.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import lint_rules
from lint_rules import Finding, Folder

from hwcompat.errors import DataError

MATRIX = Path(__file__).resolve().parents[1] / "matrix"
EXCEPTIONS = "lint_exceptions.csv"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--matrix", type=Path, default=MATRIX)
    parser.add_argument("--rules", action="store_true")
    options = parser.parse_args(arguments)
    rules = lint_rules.every_rule()
    if options.rules:
        for each in rules:
            print(f"{each.__name__}: {(each.__doc__ or '').splitlines()[0]}")
        return 0
    try:
        if not (options.matrix / "torch_builds.csv").is_file():
            raise DataError(f"{options.matrix} holds no tables", "name the folder with --matrix")
        findings = lint(Folder(options.matrix), rules)
    except DataError as error:
        print(f"error: {error.message}\n  {error.hint}", file=sys.stderr)
        return error.exit_code
    for finding in findings:
        print(finding)
    print(f"{len(findings)} findings by {len(rules)} rules", file=sys.stderr)
    return 1 if findings else 0


def lint(folder: Folder, rules: Iterable[lint_rules.Rule]) -> list[Finding]:
    """Every finding of the rules that no exception covers, and every exception that covers none."""
    found = [finding._replace(rule=each.__name__) for each in rules for finding in each(folder)]
    exceptions = {tuple(row[c] for c in ("rule", "file", "row", "column")): row for row in folder.rows(EXCEPTIONS)}
    covered = {(finding.rule, finding.file, finding.row, finding.column) for finding in found}
    stale = [
        row.finding("row", "this exception covers nothing", "remove it", row["row"])._replace(
            rule="exceptions_are_needed"
        )
        for key, row in exceptions.items()
        if key not in covered
    ]
    open_ = [each for each in found if (each.rule, each.file, each.row, each.column) not in exceptions]
    return sorted({*open_, *stale}, key=lambda each: (each.file, each.line, each.column, each.rule, each.problem))


if __name__ == "__main__":
    sys.exit(main())
