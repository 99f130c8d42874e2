"""Whether a faster way to run a checkpoint may take the place of the exact one: by what `comparing.compare` found."""

from collections.abc import Mapping, Sequence

from ml.measuring.comparison_tables import AttributeComparison, Loss, PairedGroup, Sameness

SMALLEST_GROUP = 200  # images: in a smaller group one face alone is more than the largest loss that is allowed


def check(attributes: Mapping[str, AttributeComparison]) -> dict[str, Sameness]:
    """Per attribute of what `comparing.compare` returned; groups under SMALLEST_GROUP tell of no loss."""
    return {name: Sameness(part.agreement.same, _find_largest_loss(part.by)) for name, part in attributes.items()}


def _find_largest_loss(tables: Mapping[str, Sequence[PairedGroup]]) -> Loss | None:
    losses = [
        Loss(by, row.group, row.images, row.production_only - row.candidate_only)
        for by, rows in tables.items()
        for row in rows
        if row.images >= SMALLEST_GROUP
    ]
    return max(losses, key=lambda loss: loss.share, default=None)
