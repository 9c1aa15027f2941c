"""`lab claims`: is that sentence of the article true here, and which packet says so?"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.exits import CANNOT_RUN, DIFFERS, leave, wrong_usage
from lab.cli.options import AsJson, From, Full, InLanguage, IPv4, IPv6, Language, families
from lab.cli.printer import screen_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.claims.catalogue import Catalogue
    from lab.record.results import Run
    from lab.report.claims import ClaimReport


def claims(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="C50 and so on; without one, all.")] = None,
    *,
    language: InLanguage = Language.EN,
    ipv4: IPv4 = False,
    ipv6: IPv6 = False,
    full: Full = False,
    saved: From = None,
    as_json: AsJson = False,
) -> None:
    """Hold what the article says beside the RFC and this kernel, with the packet that shows it."""
    from lab.author import registry
    from lab.claims.catalogue import CatalogueError, catalogue
    from lab.claims.index import showing
    from lab.cli.running import is_whole, whole_run
    from lab.cli.saved_runs import load_run, reading

    try:
        known = catalogue()
    except CatalogueError as wrong:
        wrong_usage(str(wrong))
    wanted = _wanted(ids or [], known)
    with reading():
        if saved is not None:
            made = load_run(saved, families(ipv4, ipv6))
        else:
            found = registry.find()
            made = whole_run(found, showing(found.scenarios, wanted), families(ipv4, ipv6), full=full)
        differs = _print(made, known, wanted, language.value, as_json=as_json)
    leave(DIFFERS if differs else 0 if is_whole(made) else CANNOT_RUN)


def _wanted(ids: Sequence[str], known: Catalogue) -> list[str]:
    """The ids as the catalogue has them, in its order; ends the command at one that is not there."""
    asked = {each.upper() for each in ids}
    for each in sorted(asked - set(known.claims)):
        last = list(known.claims)[-1]
        near = ", ".join(known.near(each))
        wrong_usage(f"there is no claim {each!r}; " + (f"near it: {near}" if near else f"they are C1 to {last}"))
    return [each for each in known.claims if not asked or each in asked]


def _print(made: Run, known: Catalogue, wanted: list[str], language: str, *, as_json: bool) -> bool:
    """Print the reports of the wanted claims; whether one of them differs."""
    from lab.report import claims
    from lab.report.screen import json_text

    reports: list[ClaimReport] = [each for each in claims.claim_reports(made, known) if each.claim.id in wanted]
    if as_json:
        print(json_text(claims.as_json(reports)))
    else:
        screen = screen_of(sys.stdout)
        for line in claims.claim_lines(reports, known, screen.width, language):
            print(line)
        print(claims.total_line(reports, made.environment["kernel"], language))
    return any(report.verdict is claims.Verdict.DIFFERS for report in reports)
