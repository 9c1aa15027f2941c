"""The page of a run: template, style, script and data in one file."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from lab.claims.catalogue import Catalogue
from lab.record.results import Run
from lab.report.claims import claim_reports
from lab.report.colours import ladder_style, phase_rules, variables
from lab.report.coverage import coverage
from lab.report.html import overview
from lab.report.html.data import Details, packed
from lab.report.i18n import LANGUAGES, table, words
from lab.report.screen import printable

_HERE = Path(__file__).parent
_STYLES = ("page.css", "scenario.css")
_SCRIPTS = ("base.js", "fields.js", "packet.js", "inspector.js", "scenario.js", "search.js", "main.js")


def page(run: Run, catalogue: Catalogue) -> str:
    """The whole page. Whatever the run has recorded is escaped, or packed so that it cannot be markup."""
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        finalize=lambda value: printable(value) if value.__class__ is str else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = variables() + ladder_style() + phase_rules(".inspector .pill", "border-color") + _joined(_STYLES)
    script = f"(() => {{\n'use strict';\n{_joined(_SCRIPTS)}}})();\n"
    details = Details(run)
    return environment.get_template("page.html.jinja").render(
        **overview.verdicts(run, details),
        **overview.figure(coverage(run)),
        **overview.claims(claim_reports(run, catalogue), catalogue),
        run=run,
        words={language: words(language) for language in LANGUAGES},
        languages=LANGUAGES,
        style=Markup(style),  # our own files
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
        index=packed({"words": table(), **details.index}),
        details=details.packed,
    )


def _joined(names: tuple[str, ...]) -> str:
    return "".join((_HERE / name).read_text(encoding="utf-8") for name in names)


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
