"""A person's own data as one zip: asked for, made by a worker, there for a day."""

import logging
import uuid
from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from classifier.intake import storage
from classifier.models import PENDING, AccountExport, Collection, Job, Review, State, User
from classifier.running import hints
from classifier.services import audit, deletion
from classifier.services.exports import writing

logger = logging.getLogger("facet.exports")

KEPT_FOR = timedelta(days=1)


def find_newest(user: User) -> AccountExport | None:
    """What was asked for last, with its job, unless it has gone."""
    return AccountExport.objects.filter(owner=user).select_related("job").first()


def ask_for_export(user: User) -> AccountExport:
    """Have somebody's data put together. Asked twice, the first that is not made yet is the answer."""
    with transaction.atomic():
        # Of two at once the second finds the job of the first.
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        newest = find_newest(user)
        if newest and newest.job and newest.job.state in PENDING:
            return newest
        job = Job.objects.create(owner=user, kind=Job.Kind.EXPORT, turn=Job.objects.next_turn(user.pk))
        export = AccountExport.objects.create(owner=user, job=job)
        audit.record("data export asked for", actor=user, target=f"export {export.uid}")
        transaction.on_commit(hints.wake_workers)
    return export


def make_export(job: Job, *, token: uuid.UUID) -> None:
    """Do the job of an export: its file is put in its place with the job's end, if the job is still this worker's."""
    export = AccountExport.objects.filter(job=job, owner__deleting_at=None).select_related("owner").first()
    if export is None:
        Job.objects.finish(pk=job.pk, token=token)  # nobody waits for it any more
        return
    if not Job.objects.renew(token=token):
        _tell_dropped(job)
        return
    with storage.writing_export(export.uid, attempt=token) as made:
        writing.write_zip(export.owner, file=made.file)
        size = made.flush()
        with transaction.atomic():
            owner = User.objects.select_for_update(no_key=True).filter(pk=export.owner_id, deleting_at=None)
            is_mine = owner.exists() and Job.objects.finish(pk=job.pk, token=token)
            if is_mine:
                expires_at = timezone.now() + KEPT_FOR
                AccountExport.objects.filter(pk=export.pk).update(file=made.name, size=size, expires_at=expires_at)
                made.publish()
    if not is_mine:
        _tell_dropped(job)
        return
    deletion.remove_exports(AccountExport.objects.filter(owner=export.owner_id).exclude(pk=export.pk))


def _tell_dropped(job: Job) -> None:
    logger.warning("job %s is another worker's by now; this export is dropped", job.uid)


def make_anew(collection: Collection) -> None:
    """Something in a collection may be told no longer: exports that hold it go, and those being made begin again."""
    said = Review.objects.filter(face__photo__collection=collection).exclude(reviewer=None).values("reviewer")
    theirs = AccountExport.objects.filter(Q(owner=collection.owner_id) | Q(owner__in=said))
    # Without its token a worker that has read it already cannot finish: what it wrote is dropped.
    running = Job.objects.filter(kind=Job.Kind.EXPORT, state=State.RUNNING, exports__in=theirs)
    with transaction.atomic():
        running.in_order().update(state=State.QUEUED, token=None, lease_until=None)
    deletion.remove_exports(theirs.exclude(file=""))


def remove_expired() -> None:
    """Remove what has been there for its day."""
    deletion.remove_exports(AccountExport.objects.filter(expires_at__lte=timezone.now()))
