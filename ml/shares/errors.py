"""What can be wrong with what an estimator is given; each has a code beside its sentence."""


class SharesError(ValueError):
    """Something from which no share can be told; `code` says what, for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class BadInput(SharesError):
    """Arrays or names that do not fit each other: a mistake of the caller or of a file."""


class NoFaces(SharesError):
    """There is no face to tell anything of: `no_faces`, `no_answers`, `no_photos`."""


class NoEvidence(SharesError):
    """The model does not tell how it errs, or not for this.

    `no_matrix`, `other_classes`, `class_without_faces`, `too_few_faces`.
    """


class BadDraw(SharesError):
    """A draw that cannot be made or does not fit its frame."""


class BadReviews(SharesError):
    """Answers that do not fit their draw."""


class BadReference(SharesError):
    """Reference shares that do not fit the labels, or do not add up."""
