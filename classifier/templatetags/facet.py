"""How numbers, names and states are written on the pages."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import template
from django.forms import BoundField
from django.template.defaultfilters import floatformat
from django.utils.html import format_html
from django.utils.safestring import SafeString

from classifier.models import Face, ModelVersion, Photo, State
from classifier.terms import DECLARATION, TERMS_OF_USE
from ml.attributes import ATTRIBUTES

register = template.Library()

NBSP = "\N{NO-BREAK SPACE}"
# Variance of the Laplacian of the chip, from which on a face is called so.
SHARP_FROM, SOFT_FROM = 60.0, 20.0
SECONDS_TOLD = 90  # longer waits are told in minutes
# Labels and taxonomies as people say them, of all attributes.
WORDS = {word: said for attribute in ATTRIBUTES.values() for word, said in attribute.words.items()}


@dataclass(frozen=True)
class Bar:
    """One row of a chart; `width` is 0 to 100."""

    label: str
    width: float
    text: str
    is_top: bool


@register.filter
def percent(fraction: float | None) -> str:
    """0.634 -> 63 %; what is not quite none or all is not rounded to it."""
    if fraction is None:
        return "–"
    if 0 < fraction < 0.005:
        return f"<1{NBSP}%"
    if 0.995 <= fraction < 1:
        return f">99{NBSP}%"
    return f"{fraction * 100:.0f}{NBSP}%"


@register.filter
def waiting_time(seconds: int) -> str:
    """How long somebody has to wait, never told too short: 1 second, 45 seconds, 3 minutes."""
    count, unit = (seconds, "second") if seconds <= SECONDS_TOLD else (-(-seconds // 60), "minute")
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


@register.filter
def as_percent(fraction: float) -> str:
    """A length for an SVG attribute: 0.634 -> 63.4%."""
    return f"{fraction * 100:.2f}%"


@register.filter
def group_label(label: str) -> str:
    """A label or a taxonomy of the model in words for people."""
    return WORDS.get(label, label.replace("_", " "))


@register.filter
def attribute_title(name: str) -> str:
    """As a heading: Perceived group."""
    return ATTRIBUTES[name].title if name in ATTRIBUTES else name


@register.filter
def attribute_label(name: str) -> str:
    """Within a sentence: perceived group."""
    title = attribute_title(name)
    return title[:1].lower() + title[1:]


@register.filter
def may_stay_empty(field: BoundField) -> bool:
    """Whether somebody may leave a field without a value; a list that offers none always has one."""
    choices = getattr(field.field, "choices", None)
    return not field.field.required and (choices is None or any(not value for value, _ in choices))


@register.filter
def attribute_word(name: str) -> str:
    """In a list of them: group."""
    return _short(name)


@register.filter
def metric_label(name: str) -> str:
    """A measure's name, with the attributes in it by their short words: calibration error, group."""
    return " ".join(re.sub(r"[^\W_]+", lambda word: _short(word[0]), name).split("_"))


def _short(name: str) -> str:
    return ATTRIBUTES[name].short if name in ATTRIBUTES else name


@register.filter
def expected(answer: Mapping[str, Any], attribute: str) -> str:
    """What is expected of an ordinal attribute: about 34; empty for others."""
    scale = ATTRIBUTES[attribute].scale
    return f"about {floatformat(answer[scale.unit], 0)}" if scale else ""


@register.filter
def expected_range(answer: Mapping[str, Any], attribute: str) -> str:
    """The same with its unit and its ends: about 34 years, between 26 and 43; empty for others."""
    scale = ATTRIBUTES[attribute].scale
    return f"{expected(answer, attribute)} {scale.unit}, between {answer['low']} and {answer['high']}" if scale else ""


@register.filter
def never_sure(version: ModelVersion) -> list[tuple[str, str]]:
    """The attributes of which a model version is never sure of some labels in the finest grouping, and these labels."""
    found = {
        name: version.calibration.never_sure(name, taxonomy=attribute.finest) for name, attribute in ATTRIBUTES.items()
    }
    return [(name, ", ".join(map(group_label, labels))) for name, labels in found.items() if labels]


@register.filter
def set_words(answer: Mapping[str, Any]) -> str:
    """The labels of a set that has several, with its coverage: Latino / Hispanic or White, 90 %; else empty."""
    chosen = answer["set"] or []
    if len(chosen) < 2:
        return ""
    return f"{' or '.join(map(group_label, chosen))}, {answer['set_coverage'] * 100:.0f}{NBSP}%"


@register.filter
def groupings(attribute: str) -> tuple[str, ...]:
    """The taxonomies of an attribute that has several, the finest first; else none."""
    return tuple(ATTRIBUTES[attribute].taxonomies)


@register.filter
def metric_value(value: float | None) -> str:
    """Shares as per cent with one decimal; what is not between 0 and 1 (a count, an error in years) as it is."""
    if value is None:
        return "–"
    return f"{value * 100:.1f}{NBSP}%" if 0 <= value <= 1 else f"{value:,.4g}"


@register.filter
def duration(seconds: float | None) -> str:
    """44 s, 3 min, 2 h 5 min."""
    if seconds is None:
        return ""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{max(round(seconds), 1)}{NBSP}s"
    if minutes < 90:
        return f"{minutes}{NBSP}min"
    return f"{minutes // 60}{NBSP}h {minutes % 60}{NBSP}min"


@register.filter
def size_of_bytes(count: int | None) -> str:
    """Bytes with three figures: 1.24 GB."""
    size = float(count or 0)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g}{NBSP}{unit}"
        size /= 1000
    return f"{size:.3g}{NBSP}TB"


@register.filter
def sharpness_word(variance: float) -> str:
    if variance >= SHARP_FROM:
        return "sharp"
    return "somewhat soft" if variance >= SOFT_FROM else "blurred"


@register.filter
def brightness_word(luma: float) -> str:
    if luma < 0.2:
        return "dark"
    return "very bright" if luma > 0.85 else "well lit"


@register.filter
def device_label(device: str) -> str:
    """cpu, cuda:0 as people say it."""
    if device.startswith("cuda"):
        return "a GPU"
    return "the CPU" if device == "cpu" else device


@register.filter
def is_pending(photo: Photo) -> bool:
    return photo.state in (State.QUEUED, State.RUNNING)


@register.filter
def state_name(photo: Photo) -> str:
    """One of the five forms a photo's state is drawn in: queued, running, done, no_face, failed."""
    return "no_face" if photo.state == State.DONE and photo.code == Photo.Code.NO_FACE else photo.state


@register.filter
def state_word(photo: Photo) -> str:
    """The state in words, with what came of it."""
    if photo.state == State.FAILED:
        return f"failed: {photo.get_code_display() or 'no reason is known'}"
    if photo.state == State.DONE:
        if not photo.face_count:
            return "no face"
        return "1 face" if photo.face_count == 1 else f"{photo.face_count} faces"
    return str(photo.get_state_display())


@register.simple_tag
def failure_advice(photo: Photo, is_mine: bool) -> str:
    """What is safe and what helps after the analysis of a photo failed, for its owner or for somebody else."""
    who = "you" if is_mine else "its owner"
    if photo.code == Photo.Code.FILE_MISSING:
        return (
            "Running it again helps only after whoever runs this site has brought the file back from a backup; "
            f"otherwise {who} can delete it here and add it anew."
        )
    return f"The photo itself is safe; {who} can run it again."


STATE_FORMS = {
    "queued": '<circle cx="8" cy="8" r="5"/>',
    "running": '<circle cx="8" cy="8" r="5" class="track"/><path class="turning" d="M8 3a5 5 0 0 1 5 5"/>',
    "done": '<circle cx="8" cy="8" r="4.5" class="full"/>',
    "no_face": '<path d="M3 8h10"/>',
    "failed": '<path d="M4 4l8 8M12 4l-8 8"/>',
}


@register.simple_tag
def state_mark(name: str) -> SafeString:
    """A state's form, beside its word: ring, turning ring, dot, dash, cross."""
    drawing = SafeString(STATE_FORMS[name])
    return format_html('<svg class="state state-{}" viewBox="0 0 16 16" aria-hidden="true">{}</svg>', name, drawing)


@register.filter
def bars(answer: Mapping[str, Any]) -> list[Bar]:
    """The rows of one attribute's chart, the most probable first; no bar is the top one where the model is unsure.

    What has an order of its own keeps it: ages, the youngest first.
    """
    rows = list(answer["probabilities"].items())
    if "low" not in answer:
        rows.sort(key=lambda row: -row[1])
    return [
        Bar(
            label=group_label(name),
            width=round(value * 100, 2),
            text=percent(value),
            is_top=name == answer["label"] and not answer["unsure"],
        )
        for name, value in rows
    ]


@register.filter
def largest(answer: Mapping[str, Any], count: int) -> list[Bar]:
    """The `count` most probable rows of an attribute, in the order of its chart."""
    rows = bars(answer)
    kept = sorted(rows, key=lambda row: -row.width)[:count]
    return [row for row in rows if row in kept]


@register.filter
def attr_number(value: float) -> str:
    """A number for an SVG attribute: a point whatever the language, no more decimals than a screen shows."""
    return f"{value:.1f}"


@register.simple_tag(takes_context=True)
def same_page(context: dict[str, Any], **changes: Any) -> str:
    """The query of this address with some parameters changed; an empty value takes one away."""
    query = context["request"].GET.copy()
    for name, value in changes.items():
        if value in ("", None):
            query.pop(name, None)
        else:
            query[name] = value
    return f"?{query.urlencode()}" if query else "?"


@register.simple_tag
def attribute_words() -> str:
    """What is told of a face, for a sentence: group, gender and age."""
    *words, last = (attribute.short for attribute in ATTRIBUTES.values())
    return f"{', '.join(words)} and {last}"


@register.simple_tag
def terms_of_use() -> tuple[str, ...]:
    return TERMS_OF_USE


@register.simple_tag
def declaration() -> tuple[str, ...]:
    return DECLARATION


@register.simple_tag
def face_box(face: Face) -> SafeString:
    """Two rectangles over each other, dark and light, so that the box shows on any picture; dashed when small.

    A third one, unseen, makes also a small face large enough for a finger.
    """
    box = format_html(
        'x="{}" y="{}" width="{}" height="{}" rx="{}"',
        *(f"{value:.1f}" for value in (face.x1, face.y1, face.x2 - face.x1, face.y2 - face.y1, face.size_px / 16)),
    )
    small = " is-small" if face.is_small() else ""
    drawing = '<rect class="box-reach" {}/><rect class="box-edge" {}/><rect class="box{}" {}/>'
    return format_html(drawing, box, box, small, box)


@register.simple_tag
def face_number(face: Face, photo: Photo, place: int) -> SafeString:
    """Which face of the photo it is, under its box where there is room, in a size that reads on a usual screen.

    Small faces have theirs above too: they stand in the background, close over the larger ones.
    """
    size = max(photo.width, photo.height) / 55
    is_above = face.is_small() or face.y2 + size * 1.2 > photo.height
    y, dy = (face.y1, "-0.35em") if is_above else (face.y2, "1.15em")
    return format_html(
        '<text x="{}" y="{}" dy="{}" font-size="{}">{}</text>', f"{face.x1:.1f}", f"{y:.1f}", dy, f"{size:.1f}", place
    )
