"""The one Jinja2 environment of the reports: a name that is missing is an error, and text cannot become markup.

Pages (`.html`) and charts (`.svg`) escape everything, and so do documents in Markdown (`.md`). Sentences (`.txt`) are
plain text: whoever puts them on a page or a terminal escapes them there.
"""

import re
from html import escape
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context, select_autoescape
from jinja2.runtime import Context
from markupsafe import Markup

from ml.reporting import markdown, numbers

_BEFORE_PERCENT = re.compile(r"(?<=\d) %")
_BLANK_LINES = re.compile(r"\n\s*\n")
_SPACES = re.compile(r"[ \t\n]+")  # not the no-break space


def escape_html(text: str) -> Markup:
    """Text as pages show it: escaped, a number stays with its per cent sign, what UTF-8 has not is spelt out.

    A file's name may be none that UTF-8 has.
    """
    told = text.encode("utf-8", "backslashreplace").decode()
    return Markup(escape(_BEFORE_PERCENT.sub("\N{NO-BREAK SPACE}%", told)))  # noqa: S704  # just escaped


@pass_context
def write_value(context: Context, value: Any) -> Any:
    """What a template writes of a value, by the kind of document. Markup, and what is no text, stays as it is."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    name = context.name or ""
    if name.endswith((".html", ".svg")):
        return escape_html(value)
    return markdown.escape(value) if name.endswith(".md") else value


def capital(words: str) -> str:
    """Words as a heading or a sentence begins."""
    return words[:1].upper() + words[1:]


ENVIRONMENT = Environment(
    loader=PackageLoader("ml.reporting"),
    autoescape=select_autoescape(("html", "svg")),  # whatever `write_value` does not see
    finalize=write_value,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
ENVIRONMENT.filters |= {
    "percent": numbers.percent,
    "points": numbers.points,
    "points_interval": numbers.points_interval,
    "interval": numbers.interval,
    "decimal": numbers.decimal,
    "p_value": numbers.p_value,
    "p_is": numbers.tell_p,
    "count": "{:,}".format,
    "capital": capital,
    "paragraph": markdown.paragraph,
    "bullets": markdown.bullets,
}
ENVIRONMENT.globals |= {"table": markdown.table}


def render(template: str, **values: Any) -> str:
    """A whole document from the template of this name."""
    return ENVIRONMENT.get_template(template).render(**values)


def render_markdown(template: str, **values: Any) -> str:
    """A whole document in Markdown, its blocks one blank line apart."""
    return _BLANK_LINES.sub("\n\n", render(template, **values)).strip() + "\n"


def call(template: str, macro: str, *args: Any) -> Markup:
    """One part of a page, from a macro."""
    return Markup(getattr(ENVIRONMENT.get_template(template).module, macro)(*args))  # noqa: S704  # its text is escaped


def say_each(template: str, macro: str, *args: Any) -> list[str]:
    """The paragraphs of a macro of sentences, each on one line; none where it says nothing."""
    text = getattr(ENVIRONMENT.get_template(template).module, macro)(*args)
    paragraphs = (_SPACES.sub(" ", part).strip() for part in _BLANK_LINES.split(text))
    return [part for part in paragraphs if part]


def say(template: str, macro: str, *args: Any) -> str:
    """The same, where it is at most one paragraph."""
    return " ".join(say_each(template, macro, *args))
