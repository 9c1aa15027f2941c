"""Views of saved runs (`lab show`, `lab diff`, `lab report`), and of saved or new ones (`lab claims`, `lab coverage`).

A view of a saved run needs neither root nor Linux.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
import typer

from lab.claims.catalogue import Kind
from lab.claims.verdict import Verdict
from lab.cli import completion
from lab.cli.exits import CANNOT_RUN, DIFFERS, USAGE, leave, wrong_usage
from lab.cli.language import language
from lab.cli.messages import warn
from lab.cli.options import AsJson, From, Full, IPv4, IPv6, Patterns, Plain, Saved, Verbose, families
from lab.cli.printer import Printer, screen_of

if TYPE_CHECKING:
    from lab.claims.catalogue import Catalogue
    from lab.record.events import Recording
    from lab.record.results import Result, Run


class Format(Enum):
    """Format of a drawn ladder."""

    TEXT = "text"
    SVG = "svg"
    MERMAID = "mermaid"


_SUFFIXES = {Format.TEXT: "txt", Format.SVG: "svg", Format.MERMAID: "mmd"}


def _named(member: Enum) -> str:
    """A kind or a verdict as an option names it: `left-out`."""
    return member.name.lower().replace("_", "-")


_RUN = typer.Argument(metavar="RUN", help="A saved run.", show_default=False, autocompletion=completion.runs)


def show(
    what: Saved = None,
    *,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only what differs.")] = False,
    verbose: Verbose = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Print all lines; by default the middle of more than 2,000 is left out.")
    ] = False,
    ipv4: IPv4 = False,
    ipv6: IPv6 = False,
    plain: Plain = False,
    form: Annotated[
        Format | None, typer.Option("--format", help="Only the ladder: text, a drawing, or a diagram for Markdown.")
    ] = None,
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="FILE", help="Write to this file, or one file each to DIR/.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a saved run: the list of its results, or the ladders and checks of the named scenarios."""
    from lab.cli.saved_runs import choose, reading
    from lab.report import verdicts
    from lab.report.screen import json_text

    printer = Printer(sys.stdout, quiet=quiet, verbose=verbose, plain=plain, everything=everything)
    with reading():
        run, patterns, unknown = choose(what or [], families(ipv4, ipv6))
        if form is not None or output is not None:
            _draw(run.results, form or Format.TEXT, language(), plain=plain, everything=everything, output=output)
        elif as_json:
            print(json_text(verdicts.as_json(run)))
        elif patterns:
            for result in run.results:
                printer.result(result)
        else:
            printer.listing(run)
            printer.summary(run)
    Printer(sys.stderr).unknown(unknown, listed_by="lab show")
    leave(USAGE if unknown else 0)


def diff(
    first: Annotated[Path, _RUN],
    second: Annotated[Path, _RUN],
    *,
    ipv4: IPv4 = False,
    ipv6: IPv6 = False,
    as_json: AsJson = False,
) -> None:
    """Compare two saved runs, of two kernels or two settings: only what differs. Exit code 1 if anything does."""
    from lab.cli.saved_runs import load_run, reading
    from lab.report import comparison
    from lab.report.screen import json_text

    wanted = families(ipv4, ipv6)
    with reading():
        runs = load_run(first, wanted), load_run(second, wanted)
        found = comparison.compare_runs(*runs, "en" if as_json else language())
    if as_json:
        print(json_text(comparison.as_json(found)))
    else:
        names = str(first), str(second)
        print("\n".join(comparison.comparison_lines(found, runs, names, screen_of(sys.stdout))))
    leave(DIFFERS if found else 0)


def report(
    what: Saved = None,
    *,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Default: report.html in the run's folder."),
    ] = None,
) -> None:
    """Write one HTML page about a saved run, or about some of its scenarios: small enough to mail."""
    from lab.claims.catalogue import catalogue
    from lab.cli.saved_runs import choose, named_run, reading
    from lab.record.saved.folder import RUN_FILE, find
    from lab.report.captures import data_url, name_beside
    from lab.report.html.page import page

    arguments = what or []
    with reading():
        file = find(named_run(arguments))
        run, patterns, unknown = choose(arguments, families(False, False))
        if unknown:
            Printer(sys.stderr).unknown(unknown, listed_by="lab show")
            leave(USAGE)
        if patterns and output is None:
            wrong_usage("a page about some scenarios needs the name of its file: -o FILE")
        beside = file.with_name("report.html") if file.name == RUN_FILE else file.with_suffix(".html")
        target = output or beside
        capture = partial(data_url, run) if patterns else partial(name_beside, target)
        text = page(run, catalogue(), capture, excerpt=bool(patterns))
    _write(target, text)


def claims(
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID]...", help="Such as C50. Default: all.", autocompletion=completion.claims),
    ] = None,
    *,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            help="Only claims of this kind: what the article says is right, or not.",
            click_type=click.Choice([_named(each) for each in Kind]),
        ),
    ] = None,
    topic: Annotated[
        list[str] | None,
        typer.Option(metavar="TOPIC", help="Only claims about this topic.", autocompletion=completion.topics),
    ] = None,
    verdict: Annotated[
        list[str] | None,
        typer.Option(
            help="Only claims with this verdict.", click_type=click.Choice([_named(each) for each in Verdict])
        ),
    ] = None,
    ipv4: IPv4 = False,
    ipv6: IPv6 = False,
    full: Full = False,
    saved: From = None,
    new: Annotated[bool, typer.Option("--new", help="Run now, even if a saved run has all that is needed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare the claims of the article with the RFC and with this kernel, with a packet as evidence.

    The newest saved run below out/ is used if it has all that is needed: of this kernel, by this version of the lab,
    with its own settings. Else the scenarios that name the claims are run.
    """
    from lab.claims.catalogue import catalogue
    from lab.cli.run import is_whole
    from lab.cli.saved_runs import reading
    from lab.report import claims
    from lab.report.screen import json_text, printable, wrapped

    with reading():
        known = catalogue()
        wanted = _wanted(ids or [], kind or [], topic or [], known)
        if saved is not None:
            made = _loaded(saved, families(ipv4, ipv6))
        else:
            made = _run_about(wanted, families(ipv4, ipv6), full=full, new=new)
        reports = [
            each
            for each in claims.claim_reports(made, known, "en" if as_json else language())
            if each.claim.id in wanted and (not verdict or _named(each.verdict) in verdict)
        ]
    if as_json:
        print(json_text(claims.as_json(reports)))
    else:
        width = screen_of(sys.stdout).width
        print("\n".join(claims.claim_lines(reports, known, width, language())))
        for line in claims.total_lines(reports, made.environment["kernel"], language()):
            print("\n".join(wrapped(printable(line), width)))
    differs = any(report.verdict is Verdict.DIFFERS for report in reports)
    leave(DIFFERS if differs else 0 if is_whole(made) else CANNOT_RUN)


def _run_about(claims: Sequence[str], wanted: list[int], *, full: bool, new: bool) -> Run:
    """A run of all scenarios that name the claims: the newest saved one that has them, or a new one."""
    from lab.author import registry
    from lab.claims.index import scenarios_naming
    from lab.cli.run import whole_run
    from lab.cli.saved_runs import newest_with
    from lab.report.i18n import translator

    found = registry.find()
    scenarios = scenarios_naming(found.scenarios, claims)
    usable = None if new else newest_with(scenarios, wanted, full=full)
    if usable is None:
        return whole_run(found, scenarios, wanted, full=full)
    folder, run = usable
    warn(translator(language())("from_saved", folder=folder))
    return run


def coverage(
    patterns: Patterns = None,
    *,
    ipv4: IPv4 = False,
    ipv6: IPv6 = False,
    full: Full = False,
    saved: From = None,
    as_json: AsJson = False,
) -> None:
    """Show which states and arrows of RFC 9293's state diagram the scenarios reach, with a packet for each."""
    from lab.author import registry
    from lab.cli.run import exit_code, whole_run
    from lab.cli.saved_runs import narrow, reading
    from lab.report import coverage
    from lab.report.screen import json_text

    wanted = families(ipv4, ipv6)
    with reading():
        if saved is not None:
            made = _loaded(saved, wanted)
            unknown = narrow(made, patterns or [])
            made.unknown = [each.pattern for each in unknown]
            Printer(sys.stderr).unknown(unknown, listed_by="lab show")
        else:
            found = registry.find(patterns or [])
            made = whole_run(found, found.scenarios, wanted, full=full)
        walked = coverage.coverage(made)
    if as_json:
        print(json_text(coverage.as_json(walked)))
    else:
        print("\n".join(coverage.coverage_lines(walked, screen_of(sys.stdout).width, language())))
    leave(exit_code(made))


def _loaded(saved: Path, families: list[int]) -> Run:
    """A saved run; its results without a verdict are named on standard error, as those of a new run are."""
    from lab.cli.saved_runs import load_run

    made = load_run(saved, families)
    untried = replace(made, results=[result for result in made.results if not result.outcome.has_verdict])
    if untried.results:
        Printer(sys.stderr).listing(untried)
    return made


def _wanted(ids: Sequence[str], kinds: Sequence[str], topics: Sequence[str], known: Catalogue) -> list[str]:
    """The ids of the claims asked for in the order of the catalogue; exits with 2 for an unknown id or topic."""
    from lab.record.nearest import did_you_mean

    asked = {each.upper() for each in ids}
    for each in sorted(asked - set(known.claims)):
        near, last = ", ".join(known.similar_ids(each)), list(known.claims)[-1]
        wrong_usage(
            f"there is no claim {each!r}; did you mean {near}?"
            if near
            else f"there is no claim {each!r}; they are C1 to {last}"
        )
    for each in topics:
        if each not in known.topics:
            near, topics = did_you_mean(each, known.topics), ", ".join(known.topics)
            wrong_usage(
                f"there is no topic {each!r}{near}" if near else f"there is no topic {each!r}; they are {topics}"
            )
    return [
        claim.id
        for claim in known.claims.values()
        if (not asked or claim.id in asked)
        and (not kinds or _named(claim.kind) in kinds)
        and (not topics or claim.topic in topics)
    ]


def _draw(
    results: Sequence[Result], form: Format, language: str, *, plain: bool, everything: bool, output: str | None
) -> None:
    """Draw the ladders to standard output, to one file, or into a folder with one file each."""
    from lab.report.captures import file_name

    screen_of(sys.stdout)  # sets the error handler of its encoding
    drawn = [
        (result, _drawing(result, result.recording, form, language, plain, everything))
        for result in results
        if result.recording is not None
    ]
    if not drawn:
        wrong_usage("the chosen results have no recording")
    if output is not None and (Path(output).is_dir() or output.endswith("/")):
        Path(output).mkdir(parents=True, exist_ok=True)
        for result, text in drawn:
            _write(Path(output) / f"{file_name(result)}.{_SUFFIXES[form]}", text)
        return
    if form is Format.SVG and len(drawn) > 1:
        wrong_usage(
            f"an SVG file holds one ladder and {len(drawn)} match: add -4 or -6, more of the scenario's id, or a folder"
            " for all: -o DIR/"
        )
    text = "\n".join(text for _, text in drawn)
    if output is not None:
        _write(Path(output), text)
    else:
        print(text, end="")


def _drawing(result: Result, recording: Recording, form: Format, language: str, plain: bool, everything: bool) -> str:
    from lab.report import plain as sentences
    from lab.report import svg, text
    from lab.report.i18n import translator
    from lab.report.ladder import ladder_of
    from lab.report.screen import Screen

    translate = translator(language, result.scenario.translations)
    if form is Format.SVG:
        return svg.svg(ladder_of(recording, svg.MOST_RUNGS), translate)
    if form is Format.MERMAID:
        return text.mermaid(ladder_of(recording, text.MOST_IN_MERMAID), translate)
    screen = Screen(most=None) if everything else Screen()
    ladder = ladder_of(recording, screen.most)
    lines = sentences.sentences(ladder, translate) if plain else text.ladder_lines(ladder, screen, translate)
    return "".join(f"{line}\n" for line in lines)


def _write(file: Path, text: str) -> None:
    """Write a file and print its path; exits with 3 if it cannot be written."""
    from lab.cli.saved_runs import output, write

    if not write(output(file, CANNOT_RUN) or file, text.encode("utf-8", "backslashreplace")):
        leave(CANNOT_RUN, at_once=True)
    print(file)
