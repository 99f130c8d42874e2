"""Why a submission of photos is turned away as a whole: one named error, with one sentence for page and API."""

from django.conf import settings

from classifier.services import disk, rates


class UploadRefused(Exception):
    """A submission that is turned away: `code` for programs, the text for people.

    `wait` is the seconds after which it may come again, 0.0 where they are not known or waiting does not help.
    """

    code = "refused"
    sentence = "This upload was refused."
    wait = 0.0

    def __init__(self) -> None:
        super().__init__(self.sentence)


class NoFiles(UploadRefused):
    code = "no_files"
    sentence = "There is no file in this upload. Choose at least one photo."


class TooManyFiles(UploadRefused):
    code = "too_many_files"

    def __init__(self) -> None:
        self.sentence = f"One upload may hold {settings.MAX_FILES_PER_REQUEST} files. Send the rest in another one."
        super().__init__()


class FoldersDoNotMatch(UploadRefused):
    code = "folders_do_not_match"
    sentence = "Say the folder once for all photos of an upload, or once for each of them in their order."


class TermsNotAccepted(UploadRefused):
    code = "terms_not_accepted"
    sentence = "The declaration of this collection was not made yet. Accept it on the collection's page first."


class Throttled(UploadRefused):
    """More photos than one person may send at once, or more work for the decoders than one person may make."""

    code = "throttled"

    def __init__(self, *, wait: float) -> None:
        self.wait = wait
        seconds = rates.whole_seconds(wait)
        self.sentence = f"That is more photos than one person may send at once. Go on in {seconds} s."
        super().__init__()


class TooManyUploads(UploadRefused):
    code = "too_many_uploads"
    sentence = "Several of your uploads are being read already. Nothing is lost: send this one when they are done."


class Busy(UploadRefused):
    code = "busy"
    sentence = "Many people send photos just now. Nothing is lost: send these again in a moment."


class QueueFull(UploadRefused):
    code = "queue_full"
    sentence = "Too many photos are waiting to be analysed. Nothing is lost: send these again in a while."


class QuotaExceeded(UploadRefused):
    code = "quota_exceeded"
    sentence = "These photos do not fit into your storage space. Delete some you no longer need, or ask for more."


class StorageFull(UploadRefused):
    code = "storage_full"
    sentence = disk.FULL_SENTENCE


class CollectionGone(UploadRefused):
    code = "collection_gone"
    sentence = "The collection was deleted while these photos came in."
