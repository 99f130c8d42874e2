"""How wide the intervals of a draw are, and will be. Imports numpy: import this where it is needed."""

from classifier.services.reviews.progress import STEPS, AttributeProgress, Reach
from classifier.services.reviews.said import SaidOfDraw
from ml.attributes import ATTRIBUTES
from ml.shares import answers, planning, schemes
from ml.shares.errors import SharesError


def measure_attribute(found: SaidOfDraw, *, name: str) -> AttributeProgress:
    """The intervals of an attribute by what was said so far."""
    scheme = schemes.single(name, classes=ATTRIBUTES[name].labels)
    try:
        told = answers.gather(found.reviews, scheme=scheme, drawn=len(found.draw))
    except SharesError:  # nobody has said anything yet
        return AttributeProgress(name, 0, 0, None)
    counts = answers.in_turn(told, draw=found.draw)
    answered = int(counts.sum())
    waiting = int(told.answered.sum()) - answered
    left = len(found.draw) - answered
    more = [0, *(step for step in STEPS if step < left), *([left] if left else [])]
    try:
        now, *later = planning.plan_answers(told, draw=found.draw, more=more)
    except SharesError:  # a stratum is without an answer
        return AttributeProgress(name, answered, waiting, None)
    return AttributeProgress(
        name, answered, waiting, now.widest, tuple(Reach(plan.reviews, plan.widest) for plan in later)
    )
