"""docs/statistics.md: what is estimated and how, and how well that held in simulations and on real chips."""

from collections.abc import Sequence

import numpy as np

from ml.simulating import floors
from ml.simulating.real import RealTally
from ml.simulating.runs import SIMPLE, STRATIFIED, UNSMOOTHED, Tally

SHOWN = 12  # places where a promise was missed that are named
COVERAGE_PICTURE, VARIATION_PICTURE = "images/shares-coverage.png", "images/shares-off.png"

HEAD = """# Who is in a collection, and how sure that is

<!-- Written by `python -m ml.simulate_shares`: change ml/simulating/page.py, not this file. -->

Facet's answer about a collection is the shares of perceived labels among its faces, each with an interval. They are
appearances, not persons, as perceived. There are three ways to tell them, in [ml/shares](../ml/shares/__init__.py):

- **Counted labels**: what the model said, added up. Its errors do not cancel out: where most faces are of one group,
  more of them are lost to the other groups than come back. Counted labels stand behind an answer, never in front.
- **Adjusted shares** (adjusted classify and count): theta = argmin |M theta - c| over the simplex, of the counted
  shares c and M[i, j], the share of predicted i among held-out faces of true j (Gart and Buck 1966, Forman 2008).
  Intervals are percentiles of 1,000 resamples: every photo, with its faces, and every held-out face weighs Poisson(1)
  in each. Race is solved between seven groups and summed into other taxonomies, age between five bands.
  This **assumes that the model errs here as on the held-out faces** (Saerens et al. 2002), which no resampling shows.
  A sensitivity range beside it tells the lowest and highest answer under the matrices of parts of the held-out faces
  (women, men, age bands, groups); it is no confidence interval. A warning comes up where another attribute's shares are
  more than 25 points from the held-out faces', or the median size, sharpness or brightness lies outside of their 5th
  to 95th percentile.
- **Reviewed shares**, from a draw of faces that people looked at: theta = sum W_h m_h / n_h over strata h of equal
  counted label, V = sum W_h^2 q_h (1 - q_h) / n_h (1 - n_h / N_h) with q_h = (m_h + 1/4) / (n_h + 1/2), and Wilson's
  interval with as many examples as V amounts to (Cochran 1977, ch. 5; Korn and Graubard 1998). Half of a draw goes in
  proportion to the strata, half evenly. Under five positives only the upper bound is told, under five negatives only
  the lower one. Simple random draws use PPI++ (Angelopoulos et al. 2023), with a variance smoothed in the same way:
  without that, single labels were covered in as few as 88 % of 500 draws of 100.
  **Nothing is assumed of the model's errors.** From 100 reviews of a draw on this is the headline. A review that says
  "not a face" counts among them: it was drawn and looked at like any other, and the interval widens for the faces that
  are fewer.

Adjusted shares are intervals over photos, as faces of one photo are alike. Under ten photos, faces are resampled one by
one where that tells wider intervals, and groups that no face was counted as get the width that photos so few allow.

What is no face leaves the population of reviewed shares as a ratio estimate does; adjusted shares cannot leave it out.
"Cannot tell" is a label. Only draws count: faces reviewed in the order of doubt serve correction and training alone.
"""

_SIMULATED = """## Simulated collections

Each run draws a collection of the given true shares from {images:,} held-out images, as {model} answers them, and
{known:,} of them, with replacement, as what the checkpoint knows of its errors. Where the matrix holds, both come from
the same images. Where it does not, the collection comes from women only, from children under ten only, or from the
validation images made dark ({dark:.0%} of the light) or blurred. Reviewers say the true label. Coverage is the part of
the runs whose interval holds the true share, in per cent: the mean over the seven groups, and the worst group. Widths
are in points, of intervals of which both ends are told; so is the total variation between answer and truth (half the
sum of all differences).

![Coverage by scenario and method]({picture})
"""

_WIDTHS = """### Width beside that of the design

How wide the intervals of draws are, over the width that one who knows all true labels would reckon for the same draw
(of a simple one: with the best use of the counted labels); a dash where both ends are told in less than half of the
runs. Over {widest} in bold.
"""

_SMOOTHING = """### What the smoothing of variances brings

Coverage of a stratified draw's intervals in per cent, the worst group in brackets: as they are, and with m_h / n_h in
place of (m_h + 1/4) / (n_h + 1/2). A stratum in which all answers are alike then seems to be known, and a label that is
rare is missed far too often. The price is that intervals of rare labels are wider than the design's.
"""

_REAL = """## Real chips

Sets of known shares drawn without replacement from FairFace's validation images, {draws} of each; the correction knows
the model's errors from the calibration images. Total variation is in points; coverage is the part of all labels and
draws whose interval holds the true share, and beside it stands what was told of the most frequent label. The draws of
one set share most of their images, so their coverage says less than its number of draws. The draw is one by race and
serves all attributes; age is told in five bands.

Where a set is much like the held-out faces, counted labels are near by themselves, and a correction brings more noise
than it takes away: it shows in its intervals. Where it is not, they are far off, and nothing about them says so.

![Points off by set and method]({picture})
"""


def write_page(
    tallies: Sequence[Tally], reals: Sequence[RealTally], *, model: str, images: int, known: int, dark: float
) -> str:
    """The whole page in Markdown; `model` is the name of the one whose answers were drawn from."""
    parts = [HEAD]
    parts.append(_SIMULATED.format(model=model, images=images, known=known, dark=dark, picture=COVERAGE_PICTURE))
    for size in dict.fromkeys(tally.size for tally in tallies):
        found = [tally for tally in tallies if tally.size == size]
        runs = min(tally.runs for tally in found)
        parts.append(f"### Collections of {size:,} faces, {runs:,} runs each\n\n" + coverage_table(found))
    parts.append(_WIDTHS.format(widest=floors.WIDEST) + "\n" + width_table(tallies))
    parts.append(_SMOOTHING + "\n" + smoothing_table(tallies))
    parts.append("## What is promised, and what came out\n\n" + floor_list(tallies))
    parts.append(_REAL.format(draws=max(real.draws for real in reals), picture=VARIATION_PICTURE))
    for scheme in dict.fromkeys(real.scheme for real in reals):
        parts.append(f"### {scheme.capitalize()}\n\n" + real_table([real for real in reals if real.scheme == scheme]))
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def coverage_table(tallies: Sequence[Tally]) -> str:
    rows = [
        (
            f"{tally.world}{'' if tally.holds else ' (other errors)'}",
            tally.method,
            _coverage(tally),
            _number(100 * _mean(tally.width)),
            f"{100 * tally.variation:.1f}",
            f"{tally.warned:.0%}" if tally.method == "adjusted" else "",
        )
        for tally in tallies
        if not tally.method.startswith(UNSMOOTHED)
    ]
    heads = ("true shares", "method", "coverage, mean (worst)", "width", "total variation", "warned")
    return _table(heads, rows)


def width_table(tallies: Sequence[Tally]) -> str:
    """Of draws, by label."""
    found = [tally for tally in tallies if tally.method.startswith((STRATIFIED, SIMPLE))]
    rows = []
    for tally in found:
        ratios = floors.widths_of(tally)
        told = [f"**{ratio:.2f}**" if ratio > floors.WIDEST else _number(ratio, digits=2) for ratio in ratios]
        rows.append((tally.world, f"{tally.size:,}", tally.method.partition(", ")[2], *told))
    return _table(("true shares", "faces", "draw", *found[0].labels), rows)


def smoothing_table(tallies: Sequence[Tally]) -> str:
    rows = []
    for bare in tallies:
        if bare.method.startswith(UNSMOOTHED) and bare.holds:
            reviews = bare.method.rpartition(" ")[2]
            wanted = (bare.world, bare.size, f"{STRATIFIED}, {reviews}")
            (same,) = [tally for tally in tallies if (tally.world, tally.size, tally.method) == wanted]
            rows.append((bare.world, f"{bare.size:,}", reviews, _coverage(same), _coverage(bare)))
    return _table(("true shares", "faces", "reviews", "as they are", "unsmoothed"), rows)


def floor_list(tallies: Sequence[Tally]) -> str:
    """Each promise, whether it was kept, and where it was not."""
    lines = []
    for floor in floors.check_floors(tallies):
        if not floor.missed:
            lines.append(f"- {floor.promise}: **kept**; at worst {floor.worst}.")
            continue
        missed = f"in {len(floor.missed)} of {floor.checked}"
        lines.append(f"- {floor.promise}: **missed** {missed}, of labels with {floor.largest:.0%} and less:")
        lines += [f"  - {where}" for where in floor.missed[:SHOWN]]
        lines += [f"  - and {len(floor.missed) - SHOWN} that missed it by less"] if len(floor.missed) > SHOWN else []
    return "\n".join(lines) + "\n"


def real_table(reals: Sequence[RealTally]) -> str:
    rows = [
        (
            real.mixture,
            str(real.size),
            real.method,
            f"{100 * real.variation:.1f}",
            "" if real.method == "counted" else f"{100 * real.coverage:.0f} %",
            f"{100 * real.told:.1f} of {100 * real.largest:.1f}",
            f"{real.warned:.0%}" if real.method == "adjusted" else "",
        )
        for real in reals
    ]
    return _table(("set", "faces", "method", "total variation", "coverage", "most frequent label", "warned"), rows)


def _coverage(tally: Tally) -> str:
    return f"{100 * tally.coverage.mean():.1f} ({100 * tally.coverage.min():.1f})"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _number(value: float, *, digits: int = 1) -> str:
    return "–" if np.isnan(value) else f"{value:.{digits}f}"
