"""Why a backup cannot be made or brought back, in words for the operator."""


class BackupError(Exception):
    """The code says what is wrong, the message what to do about it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def explain_full_disk(where: object) -> BackupError:
    """What is told where there is no more room, of a backup or of what it is restored into."""
    return BackupError(
        "disk_full",
        f"The disk of {where} is full. What was copied stays: make room and give the same command again, it goes on.",
    )
