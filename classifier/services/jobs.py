"""Claim a job and do it, once, whatever breaks: the worker's side of everything slow that is no photo."""

import logging
import uuid
from collections.abc import Callable
from datetime import timedelta
from time import monotonic

from django.db import transaction
from django.utils import timezone

from classifier.models import FINISHED, Collection, Job
from classifier.services import disk, explaining, exports, leases
from classifier.services.reports import computing

logger = logging.getLogger("facet.jobs")

# What does a job of each kind: it finishes or fails the row that it is given, under the token of the claim.
DOERS: dict[str, Callable[..., None]] = {
    Job.Kind.EXPLANATION: explaining.explain_face,
    Job.Kind.REPORT: computing.do_job,
    Job.Kind.EXPORT: exports.make_export,
}
# Leases after which a job is taken to hang, where it may take longer than others: an hour for tens of gigabytes.
HANGS_AFTER = {Job.Kind.EXPORT: 60}
KEPT_FOR = timedelta(days=7)  # once they are finished, for administrators who look for what broke
PRUNED_AT_ONCE = 500


def has_work() -> bool:
    """Whether a job could be claimed now: queued, or left by a worker whose lease is over."""
    return Job.objects.has_claimable()


def run_once() -> int:
    """Claim and do one job; 0 when nothing waits."""
    claimed = Job.objects.claim(limit=1)
    if not claimed:
        return 0
    job: Job = claimed[0]
    token: uuid.UUID = job.token  # type: ignore[assignment] # a claim gives one
    hangs_after = HANGS_AFTER.get(Job.Kind(job.kind), leases.HANGS_AFTER_LEASES)
    started = monotonic()
    with leases.keep_lease(Job.objects.all(), token=token, alone=True, hangs_after=hangs_after):
        try:
            DOERS[job.kind](job, token=token)
        except Exception as error:  # whatever broke fails this job; the worker goes on with the next
            logger.exception("job %s broke", job.uid)
            if disk.is_full(error):
                Job.objects.fail(pk=job.pk, token=token, code=Job.Code.DISK_FULL)
            else:
                Job.objects.fail_attempt(pk=job.pk, token=token, code=Job.Code.CRASHED)
    logger.info("%s took %.0f ms", job, 1000 * (monotonic() - started))
    return 1


def prune_finished(*, until: float) -> bool:
    """Remove jobs that were finished long ago, batch by batch; whether all went before `until` (monotonic seconds).

    What they made stays. What failed can be asked for anew.
    """
    old = Job.objects.filter(state__in=FINISHED, finished_at__lt=timezone.now() - KEPT_FOR).order_by("finished_at")
    while keys := list(old.values_list("pk", flat=True)[:PRUNED_AT_ONCE]):
        if monotonic() > until:
            return False
        with transaction.atomic():
            Collection.objects.filter(photos__faces__explanations__job__in=keys).hold()  # their explanations change
            Job.objects.filter(pk__in=keys, state__in=FINISHED).delete()
    return True
