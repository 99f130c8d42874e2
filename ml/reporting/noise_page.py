"""The page of `ml.find_noise`: how many labels are probably wrong, which ones, and pictures of the worst."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ml.measuring.noise import Noise
from ml.reporting import html, numbers, rendering

LEAD = (
    "A label is suspect where a network that did not learn it holds another one for much likelier. It may be the "
    "network that is wrong, above all where people disagree too: look before anything is left out."
)
METHOD = (
    "Confident learning (Northcutt, Jiang and Chuang 2021): of the faces that are given a label, the network's mean "
    "probability of it is what counts as confident; how often it is confident of another label tells the share of "
    "wrong ones, and as many are listed, those with the largest difference first."
)


@dataclass(frozen=True)
class Found:
    """One attribute: its groups, what was found among `faces` of them, and pictures of the worst."""

    names: tuple[str, ...]
    faces: int
    noise: Noise
    pictures: Sequence[html.Thumbnail]


def write_page(found: Mapping[str, Found], *, judge: str, source: str) -> str:
    """`judge` says which network judged, and how; `source` names the data set."""
    sections = [_section(attribute, of) for attribute, of in found.items()]
    about = html.facts([("Judged by", judge), ("Data set", source)])
    sections.append(html.section("How this was found", html.paragraph(METHOD), about))
    return html.page(f"Labels that are probably wrong: {source}", lead=LEAD, sections=sections)


def summarise(found: Mapping[str, Found]) -> str:
    """A line an attribute."""
    return "\n".join(
        f"{attribute}: {len(of.noise.suspects):,} of {of.faces:,} labels are suspect; "
        f"{numbers.percent(of.noise.wrong)} are estimated to be wrong, the network's own errors among them"
        for attribute, of in found.items()
    )


def _section(attribute: str, of: Found) -> html.Section:
    rows: list[list[html.Cell]] = [
        [name, *(numbers.percent(share) for share in shares)]
        for name, shares in zip(of.names, of.noise.joint, strict=True)
    ]
    told = html.paragraph(
        f"{len(of.noise.suspects):,} of {of.faces:,} labels are suspect, and {numbers.percent(of.noise.wrong)} are "
        "estimated to be wrong: the less often the network itself is right, the more of these are its own errors."
    )
    joint = html.table(
        ("given", *of.names),
        rows,
        caption="Estimated share of all faces by the label given and, in columns, the true one",
    )
    shown = [html.thumbnails(of.pictures)] if of.pictures else []
    return html.section(rendering.capital(attribute), told, *shown, joint)
