"""`hwcompat sweep`: which torch build is the fastest correct one on this machine?"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hwcompat.commands._wheels import wheel_options
from hwcompat.console import ProgressLine, give, json_option, output_option, say
from hwcompat.errors import INTERRUPTED, MachineError

if TYPE_CHECKING:
    from hwcompat.sweep.engine import Settings
    from hwcompat.sweep.ledger import Ledger, Outcome
    from hwcompat.sweep.planning import Plan

GB = 10**9


def _words(_ctx: click.Context, _option: click.Parameter, texts: tuple[str, ...]) -> tuple[str, ...]:
    """ "2.6,2.7" and repeated options alike."""
    return tuple(dict.fromkeys(word.strip() for text in texts for word in text.split(",") if word.strip()))


@click.command()
@click.option(
    "--torch", multiple=True, callback=_words, metavar="LIST", help="Only these releases: 2.6,2.7,2.14.1+cu126"
)
@click.option("--tags", multiple=True, callback=_words, metavar="LIST", help="Only these builds: cu126,cu128,cpu")
@click.option(
    "--python",
    multiple=True,
    metavar="VERSION|PATH",
    help="What environments are made of: 3.11, or an interpreter; repeatable. A build takes the first that suits it.",
)
@click.option("--device", metavar="NAME", help="As for probe. cpu: builds for the processor, although there is a GPU.")
@click.option("--level", type=click.Choice(["quick", "standard"]), default="standard", show_default=True)
@click.option("--most", type=click.IntRange(min=0), default=6, show_default=True, help="Builds to install at most.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and stop.")
@click.option(
    "--resume/--fresh", default=True, help="Keep what earlier sweeps of this machine found (default), or not."
)
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds per group of probes.")
@click.option(
    "--max-disk",
    type=click.FloatRange(min=0, min_open=True),
    metavar="GB",
    help="Occupy no more; downloads are then kept in a cache of the sweep's own. Default: what the disk has.",
)
@wheel_options
@click.option("--keep", is_flag=True, help="Keep the environments.")
@json_option
@output_option
def sweep(
    output: Path | None, dry_run: bool, most: int, torch: Sequence[str], tags: Sequence[str], **options: Any
) -> int:
    """Install every torch build that can run here, one after the other, test and time each, and name the best.

    The build that is installed is measured first. Nothing is changed: each build gets an environment of its own, which
    is deleted afterwards. What is done is kept: run the same command again after an interruption.
    """
    from hwcompat import tables
    from hwcompat.sweep import asking, ledger, planning

    data = tables.load_tables()
    planning.understood(torch, tags, data)  # a mistyped word is told before anything is looked at
    settings = _settings(options)
    here = asking.here(options["python"], options["device"])
    plan = planning.plan(here.place, here.pythons, data, torch=torch, tags=tags, installed=here.installed)
    if not plan.candidates:
        raise planning.no_candidates(plan, here.place)
    plan, left_out = planning.cut(plan, most)
    book = ledger.Ledger(ledger.sweep_id(here.env, options["level"], options["device"]))
    if dry_run:
        give(_plan(plan, left_out, book, options["as_json"]), output)
        return 0
    say(*[f"note: {note}" for note in here.notes])
    outcomes, interrupted = _measure(plan, book, settings)
    _answer(outcomes, plan, left_out, book.id, options, output)
    if interrupted:
        say("interrupted: what is finished is kept; the same command goes on with the rest")
        return INTERRUPTED
    if not any(each.outcome == "measured" for each in outcomes):
        raise _nothing(outcomes)
    return 0


def _plan(plan: Plan, left_out: int, book: Ledger, as_json: bool) -> str:
    from hwcompat.sweep import telling
    from hwcompat.sweep.ledger import known_sizes

    if as_json:
        return json.dumps({"schema": 1, "sweep": book.id, **telling.plan_json(plan, left_out)}, indent=1)
    done = [outcome for each in plan.candidates if (outcome := book.read(each)) and outcome.final]
    known = {telling.name_of(outcome): outcome.outcome for outcome in done}
    return "\n".join(telling.plan_lines(plan, left_out, known, known_sizes()))


def _settings(options: dict[str, Any]) -> Settings:
    from hwcompat.sweep import asking
    from hwcompat.sweep.engine import Settings
    from hwcompat.tables import index_base

    limit = options["max_disk"]
    return Settings(
        level=options["level"],
        device=options["device"],
        timeout=options["timeout"],
        keep=options["keep"],
        fresh=not options["resume"],
        offline=options["offline"],
        max_disk=int(limit * GB) if limit else None,
        wheels=asking.wheels(options["find_links"]),
        index_base=index_base(),
    )


def _measure(plan: Plan, book: Ledger, settings: Settings) -> tuple[list[Outcome], bool]:
    """The outcomes, and True if Ctrl-C ended it early."""
    from hwcompat import api
    from hwcompat.sweep import engine
    from hwcompat.sweep.installer import Uv, find_uv, orderly_end

    needs_uv = any(not each.installed for each in plan.candidates)
    program = find_uv() if needs_uv else ""
    found: list[Outcome] = []
    try:
        with orderly_end(), _progress() as progress:
            tools = engine.Tools(
                probe=lambda python, told: api.probe(
                    settings.device, settings.level, python=python, timeout=settings.timeout, progress=told
                ),
                record=api.record,
                uv=lambda cache: Uv(program, cache, settings.offline),
                tell=say,
                progress=progress,
            )
            for outcome in engine.run(plan.candidates, book, settings, tools):
                found.append(outcome)
    except KeyboardInterrupt:
        return found, True
    return found, False


@contextmanager
def _progress() -> Iterator[Callable[[int, int, str], None]]:
    """A bar on a terminal; elsewhere the lines of the sweep itself say enough."""
    if not sys.stderr.isatty():
        yield lambda _done, _total, _label: None
        return
    with ProgressLine("sweeping") as progress:
        yield progress


def _answer(
    outcomes: list[Outcome], plan: Plan, left_out: int, sweep_id: str, options: dict[str, Any], output: Path | None
) -> None:
    """The table, or JSON, to stdout; the next command to stderr, and the table too where stdout does not have it."""
    from hwcompat.sweep import choice, telling

    if not outcomes:
        return
    chosen = choice.choose(outcomes)
    told = [*telling.table(outcomes, chosen.best), *telling.remarks(outcomes), telling.answer(chosen)]
    following = _next(chosen.best, plan, options) if chosen.best else ""
    if options["as_json"]:
        facts = {"sweep": sweep_id, "level": options["level"], "next": following}
        give(json.dumps(telling.as_json(outcomes, chosen, plan, left_out, facts), indent=1), output)
    else:
        give("\n".join(told), output)
    say(*(told if options["as_json"] or output else []), *([f"next: {following}"] if following else []))


def _next(best: Outcome, plan: Plan, options: dict[str, Any]) -> str:
    """The command that puts the best build to use, with the options it needs from this one."""
    from hwcompat.sweep.setting_up import quoted

    facts = (best.build, best.python, best.installed)
    [chosen] = [each for each in plan.candidates if (each.build, each.python.version, each.installed) == facts]
    named = bool(options["python"])
    if best.installed:
        return "hwcompat recommend -o cfg.yaml" + (f" --python {quoted(chosen.path)}" if named else "")
    more = ["--python", chosen.python.request] if named else []
    more += [word for folder in options["find_links"] for word in ("--find-links", str(folder))]
    more += ["--device", "cpu"] if options["device"] == "cpu" else []
    return f"hwcompat setup ENV --torch {best.build} " + " ".join(map(quoted, more))


def _nothing(outcomes: Sequence[Outcome]) -> MachineError:
    """Why no build was measured, and what to do about it."""
    unreachable = [each for each in outcomes if each.outcome == "unreachable"]
    if unreachable:
        return MachineError(
            f"{len(unreachable)} of {len(outcomes)} builds could not be fetched: {unreachable[0].detail}",
            "name a mirror of that address (HWCOMPAT_TORCH_INDEX=https://...) or a folder of wheels (--find-links DIR)",
        )
    first = outcomes[0]
    hint = (
        "free space or raise --max-disk" if first.outcome == "no room" else "see every build: hwcompat sweep --dry-run"
    )
    return MachineError(f"no build could be measured: {first.build}: {first.detail}", hint)
