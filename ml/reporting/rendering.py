"""The one Jinja2 environment of the reports: everything escaped, and a name that is missing is an error."""

import re
from html import escape
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

_BEFORE_PERCENT = re.compile(r"(?<=\d) %")


def write_text(value: Any) -> Any:
    """Text as pages show it: escaped, a number stays with its per cent sign, what UTF-8 has not is spelt out.

    A file's name may be none that UTF-8 has. Markup, and what is no text, stays as it is.
    """
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    told = value.encode("utf-8", "backslashreplace").decode()
    return Markup(escape(_BEFORE_PERCENT.sub("\N{NO-BREAK SPACE}%", told)))  # noqa: S704  # just escaped


ENVIRONMENT = Environment(
    loader=PackageLoader("ml.reporting"),
    autoescape=True,  # whatever `write_text` does not see
    finalize=write_text,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, **values: Any) -> str:
    """A whole document from the template of this name."""
    return ENVIRONMENT.get_template(template).render(**values)


def call(template: str, macro: str, *args: Any) -> Markup:
    """One part of a page, from a macro."""
    return Markup(getattr(ENVIRONMENT.get_template(template).module, macro)(*args))  # noqa: S704  # its text is escaped
