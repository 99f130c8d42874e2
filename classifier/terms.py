"""The texts people accept: terms of use at sign-up, a declaration for each collection.

Accounts and collections keep which version was accepted, when and by whom. A text that changes is a new version beside
the old ones, which stay here so that it can be told later what somebody agreed to; the new one is asked for anew.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Texts:
    """What one version says, sentence by sentence."""

    terms_of_use: tuple[str, ...]
    declaration: tuple[str, ...]


VERSIONS = {
    "2026-11": Texts(
        terms_of_use=(
            "I use Facet to look at sets of photos, not to judge, select or track any person in them.",
            "I have the right to process the photos I add, and I know that perceived race is special-category data.",
            "I take the results for what they are: a model's guesses about how a face is perceived, with errors that "
            "differ between groups. They say nothing about what a person is.",
        ),
        declaration=(
            "These photos were acquired lawfully, and I state truthfully above why they are looked at.",
            "The results serve statistics about this collection; no decision about a single person is based on them.",
        ),
    ),
}

TERMS_VERSION = next(reversed(VERSIONS))
TERMS_OF_USE, DECLARATION = VERSIONS[TERMS_VERSION].terms_of_use, VERSIONS[TERMS_VERSION].declaration
