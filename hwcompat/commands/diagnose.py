"""`hwcompat diagnose`: why is the loss NaN, or mAP 0? What the files of a run say, before anything is run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from hwcompat.console import give, json_option, output_option, python_option, say

files = click.Path(path_type=Path)


@click.command()
@click.option("--config", "configs", multiple=True, type=files, help="A client's settings: args.yaml, hyp.yaml, ...")
@click.option("--client", metavar="NAME", help="The client of --config, where it is not recognised.")
@click.option("--client-version", metavar="VERSION", help="Its release. Default: the one installed here.")
@click.option("--results", multiple=True, type=files, help="Its record: results.csv, trainer_state.json or a log.")
@click.option("--command", "command_line", metavar="LINE", help="A command line that starts a training; never run.")
@click.option("--gpu", multiple=True, metavar="NAME", help="The card of the run, if it is not here; repeatable.")
@click.option("--folklore", "list_folklore", is_flag=True, help="List the advice that does not help, and stop.")
@click.option("--all", "everything", is_flag=True, help="Every clue with all its places, not one screen.")
@click.option("--check", is_flag=True, help="Exit 1 if anything was found.")
@python_option
@json_option
@output_option
def diagnose(
    list_folklore: bool, as_json: bool, output: Path | None, everything: bool, check: bool, **inputs: Any
) -> int:
    """Find out why a training gives NaN or mAP 0, from its settings and its record, without running it."""
    from hwcompat import api
    from hwcompat.diagnose import folklore, tell
    from hwcompat.diagnose.clue import as_json as json_of

    known = api_knowledge(api, inputs.pop("gpu"), inputs.pop("python"))
    if list_folklore:
        tales = [tale._asdict() for tale in known.tales]
        give(json.dumps(tales, indent=1) if as_json else "\n".join(folklore.listing(known.tales)), output)
        return 0
    answer = _answer(known, **inputs)
    give(json.dumps(json_of(answer), indent=1) if as_json else "\n".join(tell.lines(answer, everything)), output)
    if as_json or output:
        say(*tell.lines(answer)[:1])
    return 1 if check and answer.findings else 0


def api_knowledge(api: Any, gpu: tuple[str, ...], python: str | None) -> Any:
    """The tables, and the machine that is asked for when a check first needs it."""
    from hwcompat import diagnose, tables

    asked = {"gpu": list(gpu)} if gpu else {"python": python}
    return diagnose.Knowledge(tables.data_folders(), lambda: api.recommend(**asked))


def _answer(
    known: Any,
    configs: tuple[Path, ...],
    results: tuple[Path, ...],
    client: str | None,
    client_version: str | None,
    command_line: str | None,
) -> Any:
    from dataclasses import replace

    from hwcompat import diagnose

    parts = [diagnose.settings(path, known, client, client_version) for path in configs]
    parts += [diagnose.results(path, known) for path in results]
    parts += [diagnose.command(command_line, known)] if command_line else []
    answer = diagnose.together(parts)
    return replace(answer, next_steps=diagnose.next_steps(answer))
