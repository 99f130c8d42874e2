"""How heat maps are drawn and told on the pages."""

from collections.abc import Sequence
from dataclasses import dataclass

from django import template

from classifier.models import Explanation, Face
from classifier.templatetags.facet import percent

register = template.Library()

GRADCAM = Explanation.Method.GRADCAM
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Stop:
    """A colour of a legend: where it stands, and the class that paints it."""

    offset: str
    colour: str


@register.filter
def map_title(explanation: Explanation) -> str:
    return "Where it looked" if explanation.method == GRADCAM else "For and against"


@register.filter
def numbers_title(explanation: Explanation) -> str:
    return "looked at" if explanation.method == GRADCAM else "for or against"


@register.filter
def map_words(explanation: Explanation) -> str:
    """What stands out, for those who do not see it: where most of the heat lies, what spoke most for and against."""
    regions = sorted(explanation.regions.items(), key=lambda row: -row[1])
    if not any(value for _, value in regions):
        return "Nothing stands out."
    if explanation.method == GRADCAM:
        return "Most of it: " + ", ".join(f"{name} {percent(value)}" for name, value in regions[:2] if value) + "."
    most, least = regions[0], regions[-1]
    spoke_for = [f"For it most: {most[0]}."] if most[1] > 0 else []
    return " ".join(spoke_for + ([f"Against it most: {least[0]}."] if least[1] < 0 else []))


@register.filter
def scale_ends(explanation: Explanation) -> tuple[str, str]:
    return ("not at all", "most") if explanation.method == GRADCAM else ("against", "for")


@register.filter
def scale_stops(explanation: Explanation) -> tuple[Stop, ...]:
    if explanation.method == GRADCAM:
        return (Stop("0", "heat-none"), Stop("0.5", "heat-little"), Stop("1", "heat-for"))
    return (Stop("0", "heat-against"), Stop("0.5", "heat-none"), Stop("1", "heat-for"))


@register.filter
def region_rows(maps: Sequence[Explanation]) -> list[tuple[str, list[str]]]:
    """Part of the face -> its number in each map."""
    names = list(maps[0].regions) if maps else []
    return [
        (name, [_number(explanation, explanation.regions.get(name, 0.0)) for explanation in maps]) for name in names
    ]


def _number(explanation: Explanation, value: float) -> str:
    if explanation.method == GRADCAM:
        return percent(value)
    return f"{value:+.2f}".replace("-", MINUS)


@register.simple_tag
def crop_transform(explanation: Explanation, face: Face) -> str:
    """Brings the photo's pixels into a square of 100 that shows the crop as the model saw it."""
    scale = 100 / (explanation.crop_side or face.chip_side)
    return (
        f"translate(50 50) scale({scale:.6f}) rotate({-face.chip_angle:.4f}) "
        f"translate({-face.chip_cx:.3f} {-face.chip_cy:.3f})"
    )
