"""Attributes in FairFace's spelling, taxonomies as sums over them, and age in years; imports nothing."""

RACE = ("White", "Black", "Latino_Hispanic", "East Asian", "Southeast Asian", "Indian", "Middle Eastern")
GENDER = ("Male", "Female")
AGE = ("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "more than 70")

# Attribute -> its labels, in the order of every probability vector.
ATTRIBUTES: dict[str, tuple[str, ...]] = {"race": RACE, "gender": GENDER, "age": AGE}

ORDERED = ("age",)  # attributes of which a neighbouring label is less wrong than a distant one

AGE_CENTRES = (1.0, 6.0, 14.5, 24.5, 34.5, 44.5, 54.5, 64.5, 76.0)
# Where a bin starts, in years; the last bin is taken to end at 90.
AGE_EDGES = (0.0, 3.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 90.0)

FINEST = "fairface-7"
_ASIAN = ("East Asian", "Southeast Asian")

# Taxonomy -> group -> the fine races it sums. A fine race in no group is left out and the rest scaled to 1.
TAXONOMIES: dict[str, dict[str, tuple[str, ...]]] = {
    "fairface-7": {name: (name,) for name in RACE},
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
}


def taxonomies_of(attribute: str) -> tuple[str, ...]:
    """The taxonomies an attribute can be told in; gender and age have one each, named after themselves."""
    return tuple(TAXONOMIES) if attribute == "race" else (attribute,)


def groups_of(attribute: str, *, taxonomy: str | None = None) -> tuple[str, ...]:
    """The labels of an attribute in a taxonomy (None: the finest). Raises KeyError for a name not known."""
    if attribute == "race" and taxonomy is not None:
        return tuple(TAXONOMIES[taxonomy])
    if taxonomy not in (None, attribute):
        raise KeyError(taxonomy)
    return ATTRIBUTES[attribute]


def group_indices(taxonomy: str) -> tuple[tuple[int, ...], ...]:
    """For each group of a race taxonomy, the positions in RACE that it sums."""
    return tuple(tuple(RACE.index(fine) for fine in members) for members in TAXONOMIES[taxonomy].values())


def aggregate(probabilities: tuple[float, ...] | list[float], *, taxonomy: str = FINEST) -> tuple[float, ...]:
    """Sum a vector over RACE into the groups of a taxonomy, then scale it to 1.

    A vector whose mass lies wholly in groups that the taxonomy leaves out becomes even.
    """
    sums = [sum(float(probabilities[i]) for i in members) for members in group_indices(taxonomy)]
    total = sum(sums)
    if total <= 0.0:
        return tuple(1.0 / len(sums) for _ in sums)
    return tuple(value / total for value in sums)


def top(probabilities: tuple[float, ...] | list[float], *, labels: tuple[str, ...]) -> tuple[str, float]:
    """The label of the largest probability, and that probability; the first of equals."""
    index = max(range(len(labels)), key=lambda i: probabilities[i])
    return labels[index], float(probabilities[index])


def top_group(
    attribute: str, probabilities: tuple[float, ...] | list[float], *, taxonomy: str | None = None
) -> tuple[str, float]:
    """First sum and scale, then argmax: the label of a fine vector in a taxonomy, and its probability."""
    if attribute == "race" and taxonomy is not None:
        probabilities = aggregate(probabilities, taxonomy=taxonomy)
    return top(probabilities, labels=groups_of(attribute, taxonomy=taxonomy))


def age_years(probabilities: tuple[float, ...] | list[float]) -> float:
    """Expected age: the sum of probability times bin centre."""
    return sum(float(p) * centre for p, centre in zip(probabilities, AGE_CENTRES, strict=True))


def age_percentile(probabilities: tuple[float, ...] | list[float], *, fraction: float) -> float:
    """The age in years under which `fraction` (0..1) of the distribution lies, even within each bin."""
    wanted = fraction * sum(float(p) for p in probabilities)
    below = 0.0
    for index, value in enumerate(probabilities):
        p = float(value)
        if p > 0.0 and below + p >= wanted:
            low, high = AGE_EDGES[index], AGE_EDGES[index + 1]
            return low + (high - low) * (wanted - below) / p
        below += p
    return AGE_EDGES[-1]


def age_range(probabilities: tuple[float, ...] | list[float]) -> tuple[float, float]:
    """Low and high age in years: the 10th and the 90th percentile."""
    return age_percentile(probabilities, fraction=0.1), age_percentile(probabilities, fraction=0.9)
