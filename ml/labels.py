"""Probability vectors of the declared attributes: told in a taxonomy, and as a number where the labels are bins."""

from ml import attributes

# Attribute -> its labels in FairFace's spelling, in the order of every probability vector.
ATTRIBUTES: dict[str, tuple[str, ...]] = {name: found.labels for name, found in attributes.ATTRIBUTES.items()}
RACE, GENDER, AGE = attributes.RACE.labels, attributes.GENDER.labels, attributes.AGE.labels

# Attributes of which a neighbouring label is less wrong than a distant one.
ORDERED = tuple(name for name, found in attributes.ATTRIBUTES.items() if found.scale)

# Taxonomy -> group -> the labels it sums, of every attribute that has several.
TAXONOMIES: dict[str, dict[str, tuple[str, ...]]] = {
    taxonomy: found.groups_in(taxonomy) for found in attributes.ATTRIBUTES.values() for taxonomy in found.taxonomies
}
FINEST = next(iter(TAXONOMIES))  # what is told when nobody chose

FIRST = next(iter(ATTRIBUTES))  # the attribute that is meant where none is named
BY = attributes.COMPARED_BY.name
# The one of which data sets and other programs also tell the exact number.
# Empty where a site tells it in labels of its own.
IN_YEARS = next((name for name, of in attributes.ATTRIBUTES.items() if of.scale and of.scale.unit == "years"), "")

Vector = tuple[float, ...] | list[float]


def attribute_of(taxonomy: str) -> str:
    """The attribute that has a taxonomy. Raises KeyError."""
    for name, found in attributes.ATTRIBUTES.items():
        if taxonomy in found.ways:
            return name
    raise KeyError(taxonomy)


def taxonomies_of(attribute: str) -> tuple[str, ...]:
    """The taxonomies an attribute can be told in, the finest first; often one, named after the attribute."""
    return attributes.ATTRIBUTES[attribute].ways


def groups_of(attribute: str, *, taxonomy: str | None = None) -> tuple[str, ...]:
    """The labels of an attribute in a taxonomy (None: the finest). Raises KeyError for a name not known."""
    found = attributes.ATTRIBUTES[attribute]
    return tuple(found.groups_in(taxonomy or found.finest))


def group_indices(taxonomy: str) -> tuple[tuple[int, ...], ...]:
    """For each group of a taxonomy, the positions among its attribute's labels that it sums."""
    found = attributes.ATTRIBUTES[attribute_of(taxonomy)]
    return tuple(tuple(map(found.labels.index, members)) for members in found.groups_in(taxonomy).values())


def aggregate(probabilities: Vector, *, taxonomy: str = FINEST) -> tuple[float, ...]:
    """Sum a vector over an attribute's labels into the groups of its taxonomy, then scale it to 1.

    A vector whose mass lies wholly in groups that the taxonomy leaves out becomes even.
    """
    sums = [sum(float(probabilities[i]) for i in members) for members in group_indices(taxonomy)]
    total = sum(sums)
    if total <= 0.0:
        return tuple(1.0 / len(sums) for _ in sums)
    return tuple(value / total for value in sums)


def top(probabilities: Vector, *, labels: tuple[str, ...]) -> tuple[str, float]:
    """The label of the largest probability, and that probability; the first of equals."""
    index = max(range(len(labels)), key=lambda i: probabilities[i])
    return labels[index], float(probabilities[index])


def top_group(attribute: str, probabilities: Vector, *, taxonomy: str | None = None) -> tuple[str, float]:
    """First sum and scale, then argmax: the label of a fine vector in a taxonomy, and its probability."""
    if taxonomy in TAXONOMIES:
        probabilities = aggregate(probabilities, taxonomy=taxonomy)
    return top(probabilities, labels=groups_of(attribute, taxonomy=taxonomy))


def expected(attribute: str, probabilities: Vector) -> float:
    """The expected number of an ordinal attribute, in its unit: the sum of probability times bin centre."""
    centres = scale_of(attribute).centres
    return sum(float(p) * centre for p, centre in zip(probabilities, centres, strict=True))


def percentile(attribute: str, probabilities: Vector, *, fraction: float) -> float:
    """The number under which `fraction` (0..1) of an ordinal attribute's distribution lies, even within each bin."""
    edges = scale_of(attribute).edges
    wanted = fraction * sum(float(p) for p in probabilities)
    below = 0.0
    for index, value in enumerate(probabilities):
        p = float(value)
        if p > 0.0 and below + p >= wanted:
            low, high = edges[index], edges[index + 1]
            return low + (high - low) * (wanted - below) / p
        below += p
    return edges[-1]


def likely_range(attribute: str, probabilities: Vector) -> tuple[float, float]:
    """Low and high number of an ordinal attribute: the 10th and the 90th percentile."""
    return percentile(attribute, probabilities, fraction=0.1), percentile(attribute, probabilities, fraction=0.9)


def scale_of(attribute: str) -> attributes.Scale:
    """The bins of an ordinal attribute. Raises KeyError for one whose labels have no order."""
    scale = attributes.ATTRIBUTES[attribute].scale
    if scale is None:
        raise KeyError(attribute)
    return scale


def is_told_in_taxonomies(attribute: str, names: tuple[str, ...]) -> bool:
    """Whether a network with these labels of an attribute is told in its declared taxonomies; other labels have one."""
    return ATTRIBUTES.get(attribute) == names


def bin_of(attribute: str, number: float) -> int:
    """The position among an ordinal attribute's labels of a number; what is beyond the ends is in the last bin."""
    return max(i for i, edge in enumerate(scale_of(attribute).edges[:-1]) if number >= edge)
