"""The chapter of a model card on how the model errs: the matrices that shares of a collection are corrected by."""

from collections.abc import Sequence

import numpy as np

from ml.reporting import markdown
from ml.shares import evidence as evidence_
from ml.shares.errors import NoEvidence
from ml.shares.evidence import Evidence
from ml.shares.schemes import Scheme, standard_schemes

WAYS = {"chips": "ready chips", "photos": "found again in photos"}


def write_evidence(ways: Sequence[Evidence], *, file: str) -> list[str]:
    """Matrices of race, gender and age in bands, both ways; `file` holds the answers. Nothing without any."""
    if not ways:
        return []
    counts = " and ".join(f"{len(way):,} {WAYS[way.way]}" for way in ways)
    parts = [
        markdown.heading("How it errs: what shares are corrected by"),
        markdown.paragraph(
            f"`{file}` beside the weights holds the answers for faces of {ways[0].name} that no training touched "
            f"({counts}), with their labels. `ml.report` makes these matrices of them: of the faces labelled as the "
            "column says, the per cent that the model calls what the row says. A correction assumes that the model "
            "errs in a collection as it did on these faces.",
        ),
    ]
    for scheme in standard_schemes(ways[0].faces.classes)[: len(ways[0].faces.classes)]:
        for way in ways:
            table = _tabulate(way, scheme=scheme)
            if table:
                parts.append(markdown.folded(f"{scheme.name.capitalize()}, {WAYS[way.way]}", table))
    return parts


def _tabulate(way: Evidence, *, scheme: Scheme) -> str:
    """Empty where the faces are too few for a matrix."""
    try:
        counts = evidence_.count_confusions(way, scheme=scheme)
    except NoEvidence:
        return ""
    (part,) = scheme.parts
    names = part.labels
    per_cent = 100 * evidence_.normalise_columns(counts)
    condition = float(np.linalg.cond(per_cent / 100))
    rows = [(f"called {name}", *(f"{value:.1f}" for value in row)) for name, row in zip(names, per_cent, strict=True)]
    rows.append(("faces", *(f"{total:,}" for total in counts.sum(axis=0))))
    told = f"Condition number {condition:.1f}: the larger, the more an error of the matrix grows in what it corrects."
    return f"{markdown.table(('', *names), rows)}\n\n{markdown.paragraph(told)}"
