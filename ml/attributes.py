"""What Facet says of a face, each attribute declared once: all that tells, stores, filters or measures follows this.

To add one, declare it below and name it in ATTRIBUTES, which is the order everywhere; docs/extending.md has the steps
around it. Light enough for everybody: only the standard library is imported.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

LONGEST_NAME, LONGEST_LABEL = 16, 20  # characters that the site's database keeps
# What people may say of a face instead of a label, as files spell it.
CANNOT_TELL, NOT_A_FACE = "cannot tell", "not a face"
OWN_TARGET = 0.90  # of sure answers in labels that somebody defines, of which nothing is known here
# What the addresses of the gallery and of the API mean otherwise, so that no attribute can be called so.
TAKEN = frozenset(
    {"card", "collection", "cursor", "explain", "face", "min_size_px", "page", "page_size", "photo", "size", "sort"}
    | {"state", "sure", "taxonomy"}
)


class BadDeclaration(ValueError):
    """An attribute that contradicts itself or would not fit where it is stored; the message says how."""


@dataclass(frozen=True)
class Scale:
    """The labels of an ordinal attribute as bins of a number: their `centres`, and their `edges` (one more)."""

    unit: str  # in the plural: years
    centres: tuple[float, ...]
    edges: tuple[float, ...]


@dataclass(frozen=True)
class Attribute:
    """One thing that is said of a face, by one of some labels.

    `labels` are in the order of every probability vector. With a `scale` they are ordinal: a neighbouring label is less
    wrong than a distant one, and a vector has an expected number. `taxonomies` are coarser ways to tell it, the finest
    first: taxonomy -> group -> the labels that it sums. A label in no group is left out and the rest scaled to 1.
    Without taxonomies it is told in one way, called as the attribute is.

    `sure_targets` has, by taxonomy, the accuracy that the answers not called unsure must reach when a checkpoint is
    calibrated. `title` heads it on pages, `short` is its one word there and in the gallery's address; `words` are
    labels and taxonomies as people say them, where they say them otherwise. `spellings` are further ways to write a
    label or group in files, in small letters, where the meaning is certain. Raises BadDeclaration.
    """

    name: str
    labels: tuple[str, ...]
    title: str
    short: str
    sure_targets: Mapping[str, float]
    words: Mapping[str, str] = field(default_factory=dict)
    spellings: Mapping[str, str] = field(default_factory=dict)
    taxonomies: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    scale: Scale | None = None

    def __post_init__(self) -> None:
        for word in (self.name, self.short):
            if not word.isidentifier() or not word.islower() or len(word) > LONGEST_NAME or word in TAKEN:
                raise BadDeclaration(f"{word!r} is no word of up to {LONGEST_NAME} small letters that is still free")
        groups = [group for groups in self.taxonomies.values() for group in groups]
        if long := [label for label in (*self.labels, *groups) if len(label) > LONGEST_LABEL]:
            raise BadDeclaration(f"{self.name}: longer than {LONGEST_LABEL} characters: {', '.join(long)}")
        if len(self.labels) < 2 or len(set(self.labels)) < len(self.labels):
            raise BadDeclaration(f"{self.name} needs two labels or more, each once")
        if self.taxonomies and self.groups_in(self.finest) != {label: (label,) for label in self.labels}:
            raise BadDeclaration(f"{self.name}: the first taxonomy is not the labels themselves")
        if set(self.sure_targets) != set(self.ways):
            raise BadDeclaration(f"{self.name} needs a target of sure answers for each of {', '.join(self.ways)}")
        if self.scale and (len(self.scale.centres), len(self.scale.edges)) != (len(self.labels), len(self.labels) + 1):
            raise BadDeclaration(f"{self.name} needs a centre for each label, and one edge more")

    @property
    def ways(self) -> tuple[str, ...]:
        """The names of the taxonomies that it can be told in, the finest first."""
        return tuple(self.taxonomies) or (self.name,)

    @property
    def finest(self) -> str:
        """The taxonomy of the labels themselves."""
        return self.ways[0]

    def way(self, taxonomy: str | None) -> str:
        """The taxonomy that it is told in when this one is asked for: its own finest where it is another's."""
        return taxonomy if taxonomy in self.taxonomies and taxonomy is not None else self.finest

    def groups_in(self, taxonomy: str) -> dict[str, tuple[str, ...]]:
        """Group -> the labels that it sums, in a taxonomy of its own. Raises KeyError for another."""
        if not self.taxonomies and taxonomy == self.name:
            return {label: (label,) for label in self.labels}
        return dict(self.taxonomies[taxonomy])

    @property
    def is_of_two(self) -> bool:
        """Whether it is one of two labels without an order, of which the one is found more often than the other."""
        return len(self.labels) == 2 and self.scale is None

    @property
    def all_groups(self) -> frozenset[str]:
        """The groups of all its taxonomies."""
        return frozenset(group for way in self.ways for group in self.groups_in(way))


def in_order(*declared: Attribute) -> dict[str, Attribute]:
    """Attributes by their names. Raises BadDeclaration where two share a name, a short word or a taxonomy."""
    for words in ("name", "short", "ways"):
        found = [getattr(attribute, words) for attribute in declared]
        flat = [word for value in found for word in ([value] if isinstance(value, str) else value)]
        if len(set(flat)) < len(flat):
            raise BadDeclaration(f"two attributes share one of {', '.join(flat)}")
    return {attribute.name: attribute for attribute in declared}


_RACES = ("White", "Black", "Latino_Hispanic", "East Asian", "Southeast Asian", "Indian", "Middle Eastern")
_ASIAN = ("East Asian", "Southeast Asian")

RACE = Attribute(
    name="race",
    labels=_RACES,
    title="Perceived group",  # the seven are groups of a data set
    short="group",
    words={
        "Latino_Hispanic": "Latino / Hispanic",
        "fairface-7": "7 groups of FairFace",
        "fairface-6": "6 groups of FairFace",
        "utkface-5": "5 groups of UTKFace",
        "utkface-4": "4 groups of UTKFace",
        "list-5": "5 groups of list files",
    },
    spellings={
        **dict.fromkeys(
            ("latino", "latina", "latinx", "hispanic", "latino/hispanic", "hispanic/latino", "latinohispanic"),
            "Latino_Hispanic",
        ),
        **dict.fromkeys(("hispanic latino", "latino or hispanic", "hispanic or latino"), "Latino_Hispanic"),
        "eastasian": "East Asian",
        **dict.fromkeys(("south east asian", "southeastasian"), "Southeast Asian"),
        "middleeastern": "Middle Eastern",
    },
    taxonomies={
        "fairface-7": {name: (name,) for name in _RACES},
        "fairface-6": {
            "White": ("White",),
            "Black": ("Black",),
            "Latino_Hispanic": ("Latino_Hispanic",),
            "Asian": _ASIAN,
            "Indian": ("Indian",),
            "Middle Eastern": ("Middle Eastern",),
        },
        "utkface-5": {
            "White": ("White",),
            "Black": ("Black",),
            "Asian": _ASIAN,
            "Indian": ("Indian",),
            "Others": ("Latino_Hispanic", "Middle Eastern"),
        },
        "utkface-4": {"White": ("White",), "Black": ("Black",), "Asian": _ASIAN, "Indian": ("Indian",)},
        "list-5": {
            "Asian": _ASIAN,
            "Black": ("Black",),
            "Indian": ("Indian",),
            "White": ("White",),
            "Latino_Hispanic": ("Latino_Hispanic",),
        },
    },
    # Seven groups are hard (people agree little better), so 80 % leaves about half the faces out already; easier
    # groupings promise more.
    sure_targets={"fairface-7": 0.80, "fairface-6": 0.85, "utkface-5": 0.85, "utkface-4": 0.95, "list-5": 0.90},
)

GENDER = Attribute(
    name="gender",
    labels=("Male", "Female"),
    title="Perceived gender",
    short="gender",
    spellings={"m": "Male", "man": "Male", "f": "Female", "woman": "Female"},
    sure_targets={"gender": 0.97},
)

AGE = Attribute(
    name="age",
    labels=("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "more than 70"),
    title="Perceived age",
    short="age",
    words={"more than 70": "70 and over"},
    spellings={
        **dict.fromkeys(("70+", ">70", ">=70", "over 70", "70 and over", "70 and older"), "more than 70"),
        # What spreadsheets make of 3-9 and 10-19: 9 March or 3 September, and October 2019 or 19 October.
        **dict.fromkeys(("9-mar", "09-mar", "mar-09", "3-sep", "03-sep", "sep-03"), "3-9"),
        **dict.fromkeys(("oct-19", "19-oct"), "10-19"),
    },
    scale=Scale(
        unit="years",
        centres=(1.0, 6.0, 14.5, 24.5, 34.5, 44.5, 54.5, 64.5, 76.0),
        edges=(0.0, 3.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 90.0),  # the last bin is taken to end at 90
    ),
    sure_targets={"age": 0.70},
)

# Whatever is measured is told for each of its labels, so that no group's errors hide in a mean.
COMPARED_BY = RACE
# What data sets from outside label. Tables of faces have columns of these; those of further ones may be missing.
FROM_THE_FIRST = (RACE.name, GENDER.name, AGE.name)

ATTRIBUTES = in_order(RACE, GENDER, AGE)


def declare_labels(own: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Let this process tell attributes in the labels of somebody's network; which ones are told otherwise than above.

    `own` are all its labels by attribute. Labels of its own have neither an order nor coarser taxonomies. To be called
    before `ml.labels` is imported, which follows the declarations. Raises BadDeclaration, with nothing changed, for
    attributes that are not declared, for labels that do not fit, and for those that everything is compared by.
    """
    other = {
        name: tuple(of) for name, of in own.items() if name not in ATTRIBUTES or ATTRIBUTES[name].labels != tuple(of)
    }
    if unknown := other.keys() - ATTRIBUTES.keys():
        raise BadDeclaration(f"nothing is known of {', '.join(sorted(unknown))}: declare it in ml.attributes")
    if COMPARED_BY.name in other:
        raise BadDeclaration(f"everything is compared by {COMPARED_BY.name}, so its labels are fixed")
    if other and "ml.labels" in sys.modules:
        raise BadDeclaration("labels were told already in this process")
    told = {
        name: replace(ATTRIBUTES[name], labels=of, scale=None, taxonomies={}, words={}, sure_targets={name: OWN_TARGET})
        for name, of in other.items()
    }
    ATTRIBUTES.update(told)
    return tuple(told)
