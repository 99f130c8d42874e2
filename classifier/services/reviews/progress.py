"""How far a draw is, told as the width of the interval: now, and after so many answers more."""

from dataclasses import dataclass

from classifier.models import Draw

STEPS = (20, 50, 100, 200, 500, 1000)  # answers more that are told, as far as the draw holds them


@dataclass(frozen=True)
class Reach:
    """After `more` answers the widest interval of an attribute's labels reaches `half_width` (0..1) to both sides."""

    more: int
    half_width: float


@dataclass(frozen=True)
class AttributeProgress:
    """`answered` count in their turn; `now` is None until each stratum has an answer, `later` are what comes next."""

    attribute: str
    answered: int
    waiting: int
    now: float | None
    later: tuple[Reach, ...] = ()


@dataclass(frozen=True)
class Progress:
    """Drawn faces that are there, those with an answer by anybody, who answered, and each attribute's intervals."""

    size: int
    answered: int
    reviewers: int
    attributes: tuple[AttributeProgress, ...]

    def of(self, attribute: str) -> AttributeProgress | None:
        """What is known of one attribute; None where the draw does not ask it."""
        return next((found for found in self.attributes if found.attribute == attribute), None)


def measure_progress(draw: Draw) -> Progress:
    """How far a draw of faces is. Answers of all reviewers count together."""
    from classifier.services.reviews import said, widths

    found = said.read_said(draw)
    return Progress(
        size=len(found.draw),
        answered=found.answered,
        reviewers=found.reviewers,
        attributes=tuple(widths.measure_attribute(found, name=name) for name in draw.questions()),
    )
