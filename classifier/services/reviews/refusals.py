"""Why something about a draw or a review is turned away: a code for programs, a sentence for people."""

from typing import Any


class ReviewRefused(Exception):
    """Nothing was stored. `details` hold what a program may want to know.

    `is_malformed`: it could never be done so; otherwise it cannot be done any more, or yet.
    """

    is_malformed = False
    wait: float | None = None  # seconds after which it may be tried again, where that helps
    code = "refused"
    sentence = "This cannot be done."

    def __init__(self, sentence: str = "", **details: Any) -> None:
        self.sentence = sentence or self.sentence
        self.details = details
        super().__init__(self.sentence)


class BadDraw(ReviewRefused):
    """A draw that cannot be made so.

    `empty`, `too_large`, `too_small`, `attribute_off`, `unknown_filter`, `declared`, `not_extended`,
    `only_sums`.
    """

    is_malformed = True

    def __init__(self, code: str, sentence: str, **details: Any) -> None:
        self.code = code
        super().__init__(sentence, **details)


class TooManyDraws(ReviewRefused):
    code = "too_many_draws"
    sentence = "There are as many draws as there may be: enlarge one of them."


class DrawnTooOften(ReviewRefused):
    """Somebody drew often; `wait` seconds from now there is a next time."""

    code = "throttled"

    def __init__(self, wait: int) -> None:
        self.wait = wait
        super().__init__(f"Many draws were made just now. Draw again in {wait} s.", retry_after=wait)


class NotDrawn(ReviewRefused):
    code = "not_drawn"
    sentence = "This face is not in the draw any more: its photo was deleted, or its faces were found anew."


class DrawEnded(ReviewRefused):
    code = "draw_ended"
    sentence = "This draw has ended: the attribute that it was drawn by was switched off for the collection."


class QuestionsOff(ReviewRefused):
    code = "questions_off"
    sentence = "What this answers was switched off for the collection, so nothing of it is kept."


class BadAnswer(ReviewRefused):
    """An answer that says nothing, or not all, or in other words: `empty_answer`, `incomplete`, `unknown_label`."""

    is_malformed = True

    def __init__(self, code: str, sentence: str, **details: Any) -> None:
        self.code = code
        super().__init__(sentence, **details)


class AnsweredMeanwhile(ReviewRefused):
    code = "answered_meanwhile"
    sentence = "You have answered this in another window. What you said there stands; change it there, or load anew."


class NothingToTakeBack(ReviewRefused):
    code = "nothing_to_take_back"
    sentence = "There is no answer of yours in this draw to take back."


class MayNotReview(ReviewRefused):
    code = "may_not_review"
    sentence = "You may read this collection, and not review it."
