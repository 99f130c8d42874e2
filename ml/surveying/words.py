"""The methods paragraph of a report, ready to paste into a paper, and how Facet is cited."""

from collections.abc import Mapping

from ml.shares.merging import LEAST
from ml.shares.result import ADJUSTED, COUNTED, REVIEWED
from ml.surveying.report import Report, Reviewing, Table
from ml.surveying.survey import Survey

NOT_PERSONS = (
    "Appearances, not persons: what a model, or people who look at pictures, perceive in faces. They say "
    "nothing of how anybody identifies, where anybody comes from, or who anybody is."
)
BIBTEX = """@software{facet,
  title  = {Facet: who is pictured in a collection of photos, as perceived},
  author = {{The Facet developers}},
  note   = {Version 0.1.0}
}"""

_ESTIMATORS = {
    COUNTED: "Shares are counted labels: each face counts as its most probable label, and the model's errors are not "
    "corrected; no interval belongs to them.",
    ADJUSTED: "Shares are adjusted counts: the counted labels were corrected by the model's confusion matrix on "
    "held-out faces (Gart and Buck 1966; Forman 2008), solved by constrained least squares, under the assumption that "
    "the model errs in this collection as on {evidence} (Saerens et al. 2002). Intervals are 95 % percentile intervals "
    "of a bootstrap of photos and held-out faces; sensitivity ranges go over the matrices of parts of the held-out "
    "faces, and are no confidence intervals.",
    REVIEWED: "Shares come from people's answers about a stratified probability sample of the faces (Cochran 1977, "
    "ch. 5), with 95 % Wilson intervals at the effective number of answers; no assumption on the model's errors is "
    "needed.",
}


def write_methods(report: Report, *, survey: Survey) -> str:
    """One paragraph in the past tense, with this report's numbers."""
    sentences = [
        *_tell_faces(report, survey=survey),
        *_tell_model(report, is_ours=survey.is_ours),
        *_tell_estimators(report),
        *_tell_reviews(report),
    ]
    if report.comparisons:
        sentences.append(
            f"The collection was compared with {report.comparisons[0].against}; p-values are corrected for the number "
            "of labels by Holm's method."
        )
    sentences.append("All labels are perceived ones. Computed with Facet.")
    return " ".join(sentences)


def write_methods_of_totals(report: Report, *, narrowest_px: float) -> str:
    """The same of a collection that keeps no faces, only sums."""
    sentences = [
        f"{_count(report.photos, 'photo')} were analysed, of which {report.photos_with_faces:,} showed a counted face; "
        f"{_count(report.faces, 'face')} were counted.",
        "Faces were found with MTCNN (Zhang et al. 2016).",
        f"Faces narrower than {narrowest_px:g} pixels were not counted.",
        *([f"Left out: {tell_left_out(report.left_out)}."] if report.left_out else []),
        "Each photo was deleted when it was counted; its counts were added to totals, and by Poisson(1) weights to "
        "replicate totals, from which the intervals come.",
        f"Labels counted for fewer than {LEAST} faces are told together with others.",
        *_tell_model(report, is_ours=True),
        *_tell_estimators(report),
        "All labels are perceived ones. Computed with Facet.",
    ]
    return " ".join(sentences)


def _tell_faces(report: Report, *, survey: Survey) -> list[str]:
    if survey.is_boxed:
        told = [
            f"Of {_count(report.photos, 'photo')}, {report.photos_read:,} could be read and "
            f"{report.photos_with_faces:,} showed a counted face; {_count(report.faces, 'face')} "
            f"{'was' if report.faces == 1 else 'were'} counted."
        ]
        if survey.is_ours:
            told.append("Faces were found with MTCNN (Zhang et al. 2016).")
        told.append(f"Faces narrower than {survey.narrowest_px:g} pixels were not counted.")
    elif survey.is_ours:
        told = [f"{_count(report.faces, 'face')} {'was' if report.faces == 1 else 'were'} given as ready crops."]
    else:
        told = [f"{_count(report.faces, 'face')} in {_count(report.photos_with_faces, 'file')} were told of."]
    if report.left_out:
        told.append(f"Left out: {tell_left_out(report.left_out)}.")
    missed = report.missed
    if missed:
        told.append(
            f"In {_count(missed.photos, 'photo')} drawn at random, people marked {100 * missed.share:.0f} % of the "
            f"faces ({100 * missed.low:.0f} to {100 * missed.high:.0f}) as not found."
        )
    return told


def _tell_model(report: Report, *, is_ours: bool) -> list[str]:
    model = report.model
    version = f" (SHA-256 {model.sha256[:12]})" if model.sha256 else ""
    trained = f", trained on {model.trained_on}" if model.trained_on else ""
    names = ", ".join(f"{table.name} ({table.taxonomy})" for table in report.tables)
    told = [f"Perceived {names} were told by {model.name}{version}{trained}."]
    if any(table.unsure is not None for table in report.tables) and is_ours:
        told.append(
            "The model is called unsure of a face whose largest probability is under the threshold that its "
            "calibration set for the attribute and the label; a label may be unsure always."
        )
    return told


def _tell_estimators(report: Report) -> list[str]:
    used = list(dict.fromkeys(table.estimator for table in report.tables))
    told = []
    for estimator in used:
        names = "" if len(used) == 1 else f"For {', '.join(_names(report.tables, estimator=estimator))}: "
        told.append(names + _ESTIMATORS[estimator].format(evidence=report.model.evidence or "held-out faces"))
    return told


def _tell_reviews(report: Report) -> list[str]:
    found = report.reviewing
    if found is None:
        return []
    told = [
        f"{_count(found.drawn, 'face')} were drawn without replacement, stratified by counted {found.strata}, half in "
        f"proportion and half evenly{_name_draw(found)}; {_count(found.reviewers, 'reviewer')} answered about "
        f"{found.answered:,} of them, without being shown the model's labels."
    ]
    for row in report.agreement:
        told.append(
            f"Reviewers agreed about {row.name} on {100 * row.raw:.0f} % of {_count(row.faces, 'face')} seen by two or "
            f"more" + (f" (Krippendorff's alpha {row.alpha:.2f})." if row.alpha is not None else ".")
        )
    for accuracy in report.accuracy:
        overall = accuracy.overall
        if overall.share is not None and overall.low is not None and overall.high is not None:
            told.append(
                f"By these answers the model was right about {accuracy.name} for {100 * overall.share:.0f} % of the "
                f"faces ({100 * overall.low:.0f} to {100 * overall.high:.0f})."
            )
    return told


def _name_draw(found: Reviewing) -> str:
    """Which draw that is, and by which codebook people answered, where that is known."""
    told = [found.draw, f"codebook {found.codebook}" if found.codebook else ""]
    return f" ({', '.join(filter(None, told))})" if any(told) else ""


def _names(tables: tuple[Table, ...], *, estimator: str) -> list[str]:
    return [table.name for table in tables if table.estimator == estimator]


def tell_left_out(counts: Mapping[str, int]) -> str:
    """What is not counted, by reasons that begin with what they count: "1 face without an answer, 2 photos …"."""
    told = []
    for reason, count in counts.items():
        noun, _, rest = reason.partition(" ")
        told.append(f"{_count(count, noun.removesuffix('s'))} {rest}")
    return ", ".join(told)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
