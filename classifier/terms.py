"""The texts people accept: terms of use at sign-up, a declaration for each collection. A new text, a new version."""

TERMS_VERSION = "2026-11"

TERMS_OF_USE = (
    "I use Facet to look at sets of photos, not to judge, select or track any person in them.",
    "I have the right to process the photos I add, and I know that perceived race is special-category data.",
    "I take the results for what they are: a model's guesses about how a face is perceived, with errors that differ "
    "between groups. They say nothing about what a person is.",
)

DECLARATION = (
    "These photos were acquired lawfully, and I state truthfully above why they are looked at.",
    "The results serve statistics about this collection; no decision about a single person is based on them.",
)
