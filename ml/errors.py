"""What people can act on: a command tells each of these in a line, not in a traceback."""


class FacetError(Exception):
    """Something that is not as it must be, and that whoever called can mend."""


class BadRecipe(FacetError, ValueError):
    """A recipe, or a value given for it, that means nothing."""


class DataWarning(UserWarning):
    """Something about a data set that a reader of its results must know, told with its count."""
