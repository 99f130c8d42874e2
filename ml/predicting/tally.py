"""What became of the files that `ml.predict` was given."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from ml.photo_formats import REASONS
from ml.predicting.rows import FAILED, OK, Row
from ml.surveying.columns import UNANSWERED

TOLD = REASONS | {FAILED: "an error inside Facet, of which the log tells"}


@dataclass
class Tally:
    """Files that were looked at, faces in them, and why some could not be read."""

    files: int = 0
    faces: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, rows: Sequence[Sequence[Row]]) -> None:
        """Take in the rows of each of some files."""
        for of_file in rows:
            self.files += 1
            self.faces += sum(row["status"] == OK for row in of_file)
            self.reasons.update(str(row["reason"]) for row in of_file if row["status"] in UNANSWERED)

    @property
    def has_nothing(self) -> bool:
        """Whether there were files, and not one of them could be read."""
        return 0 < self.files == self.reasons.total()

    def tell(self) -> str:
        """A line for people."""
        files = "1 file" if self.files == 1 else f"{self.files:,} files"
        told = f"{files}, {self.faces:,} {'face' if self.faces == 1 else 'faces'}"
        if not self.reasons:
            return told
        reasons = (f"{count:,} ({TOLD.get(why, why)})" for why, count in self.reasons.most_common())
        return f"{told}; not read: {', '.join(reasons)}"
