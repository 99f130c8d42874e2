"""What HTTP says to an upload that is turned away, for pages and API alike."""

from classifier.services import rates
from classifier.services.refusals import UploadRefused

# By the refusal's code. A full quota is 413, since sending the same again cannot help; a full disk is the site's own
# fault, so 507.
STATUS = {
    "no_files": 400,
    "folders_do_not_match": 400,
    "collection_gone": 404,
    "terms_not_accepted": 409,
    "too_many_files": 413,
    "quota_exceeded": 413,
    "throttled": 429,
    "too_many_uploads": 429,
    "busy": 503,
    "queue_full": 503,
    "storage_full": 507,
}
PASSING = frozenset({429, 503})  # what passes by itself: the answer says when to come again
RETRY_SECONDS = 5  # to wait for it, where nothing better is known


def find_status(refusal: UploadRefused) -> int:
    return STATUS.get(refusal.code, 400)


def find_wait(refusal: UploadRefused) -> int | None:
    """Whole seconds for Retry-After, at least 1; None where sending the same again would not help."""
    if find_status(refusal) not in PASSING:
        return None
    return rates.whole_seconds(refusal.wait or RETRY_SECONDS)
