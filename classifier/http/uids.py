"""Public ids out of what a form or an address says, which anybody may have typed."""

from collections.abc import Iterable
from uuid import UUID


def read_uids(texts: Iterable[str]) -> list[UUID]:
    """Those of the texts that are uids, in their order."""
    found = []
    for text in texts:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found
