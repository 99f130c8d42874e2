"""What can be wrong with the files of a survey; each error has a code beside its sentence."""

from ml.errors import FacetError


class SurveyError(FacetError, ValueError):
    """A file from which nothing can be told; `code` says why, for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class BadTable(SurveyError):
    """A CSV that cannot be read.

    `not_text`, `no_header`, `empty`, `half_a_line`, `column_twice`, `missing_column`, `not_csv`.
    """


class BadPredictions(SurveyError):
    """Rows that are no predictions of one model.

    `no_predictions`, `bad_number`, `bad_status`, `unknown_label`, `face_twice`, `two_models`, `other_model`,
    `too_many_groups`, `no_boxes`, `no_photos`.
    """


class BadAnswers(SurveyError):
    """What reviewers filled in does not fit its draw or the predictions.

    `unknown_label`, `no_such_face`, `rows_missing`, `rows_differ`, `other_predictions`, `two_draws`, `bad_number`,
    `no_answers`.
    """


class BadReferenceFile(SurveyError):
    """Reference shares that cannot be compared with.

    `unknown_attribute`, `bad_number`, `label_twice`, `no_shares`.
    """
