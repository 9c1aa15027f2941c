"""Templates of pages that hold texts of others: every value is escaped."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from lab.report.colours import variables
from lab.report.screen import printable

_HERE = Path(__file__).parent


def escaping(folder: Path) -> Environment:
    """Templates of a folder. A value becomes no markup, and has no characters that control the direction of writing."""
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        finalize=lambda value: printable(value) if value.__class__ is str else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def hash_of(text: str) -> str:
    """SHA-256 of a script or a style, by which a content security policy names it."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def table_page(template: Path, **values: object) -> str:
    """A page in the style of the report, from a template `NAME.html.jinja` with NAME.css and NAME.js beside it."""
    own = template.with_suffix("").with_suffix("")
    style = variables() + (_HERE / "page.css").read_text(encoding="utf-8")
    style += own.with_suffix(".css").read_text(encoding="utf-8")
    script = own.with_suffix(".js").read_text(encoding="utf-8")
    return (
        escaping(template.parent)
        .get_template(template.name)
        .render(
            **values,
            style=Markup(style),  # files of these packages
            script=Markup(script),
            style_hash=hash_of(style),
            script_hash=hash_of(script),
        )
    )
