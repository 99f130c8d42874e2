"""What happens to whole accounts."""

import logging
from datetime import datetime, timedelta
from smtplib import SMTPDataError, SMTPRecipientsRefused
from time import monotonic
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.mail import get_connection, send_mail
from django.db import transaction
from django.db.models import CASCADE
from django.template.loader import render_to_string
from django.utils import timezone

from classifier.models import AccountExport, Collection, CollectionShare, Invitation, Photo, Review, Upload, User
from classifier.services import audit, deletion, disk
from classifier.terms import TERMS_VERSION

logger = logging.getLogger("facet.accounts")

LEFT_TO_DELETION = (AccountExport, Collection, Photo, Upload)  # they have files, or are many: they go batch by batch
GRACE = timedelta(days=7)
TELLING_SECONDS = 30  # for all mails that somebody goes, while that person waits
REVIEWER = "reviewer "  # with a number: what somebody is called whose account has gone


def accept_terms(user: User) -> None:
    """Somebody accepts the terms of use as they stand now, and the audit log keeps which they are."""
    with transaction.atomic():
        user.accept_terms(version=TERMS_VERSION, by=user.username)
        audit.record("terms accepted", actor=user, target=f"user {user.uid}", details={"version": TERMS_VERSION})


class LastAdministrator(Exception):
    """Nobody else could give rights: another must be able to before this one goes."""

    code = "last_administrator"


def ask_to_leave(user: User) -> None:
    """Somebody wants the account to go: it does in seven days, and whom they share collections with are told.

    Raises LastAdministrator. Asked for again, the first day stands.
    """
    _refuse_last_administrator(user)
    with transaction.atomic():
        leaving_at = timezone.now() + GRACE
        if not User.objects.filter(pk=user.pk, leaving_at=None, deleting_at=None).update(leaving_at=leaving_at):
            return
        user.leaving_at = leaving_at
        audit.record("deletion of account asked for", actor=user, target=f"user {user.uid}")
        transaction.on_commit(lambda: _tell_people(user, leaving_at=leaving_at))


def stay(user: User) -> None:
    """They have thought better of it."""
    with transaction.atomic():
        if User.objects.filter(pk=user.pk, deleting_at=None).exclude(leaving_at=None).update(leaving_at=None):
            audit.record("deletion of account taken back", actor=user, target=f"user {user.uid}")


def leave_now(user: User) -> None:
    """Cut the grace short: nobody sees or opens the account from now on, and the sweeper removes it.

    Raises LastAdministrator.
    """
    _refuse_last_administrator(user)
    with transaction.atomic():
        mark_account(user, told="account deleted by its owner", by=user)


def delete_overdue(*, until: float) -> bool:
    """Delete the accounts whose grace is over; whether all went before `until` (monotonic seconds)."""
    for user in User.objects.filter(leaving_at__lte=timezone.now(), deleting_at=None).order_by("pk"):
        if monotonic() > until:
            return False
        with transaction.atomic():
            deletion.touched_by(user).hold()
            # Whoever stayed at the last moment, stays.
            if not User.objects.filter(pk=user.pk, leaving_at=user.leaving_at).update(leaving_at=None):
                continue
            mark_account(user, told="account deleted after its grace")
        deletion.finish_account(user)
    return True


@disk.may_use_reserve
def delete_account(user: User) -> bool:
    """Delete somebody with collections, photos and files; whether all of it is gone.

    Name, address, keys and whatever else belongs to the person go in the first step, and nobody can log in any more.
    While a file cannot be removed an empty row stays, which the sweeper deletes with the file.
    """
    with transaction.atomic():
        mark_account(user)
    return deletion.finish_account(user)


def mark_account(user: User, *, told: str = "", by: User | None = None) -> None:
    """Take somebody out of everybody's sight, with all that tells who it was. Call it inside a transaction.

    The audit log tells it in these words, as done by `by`, before it forgets who that was.
    """
    deletion.touched_by(user).hold()
    User.objects.select_for_update(no_key=True).filter(pk=user.pk).exists()
    deletion.forget_log_entries(User.objects.filter(pk=user.pk))
    deletion.mark_collections(Collection.objects.filter(owner=user, deleting_at=None))
    _forget_belongings(user)
    audit.hold_chain()  # of two who go at once each gets a number
    if told:
        audit.record(told, actor=by, target=f"user {user.uid}")
    _number_reviewer(user)
    _forget_person(user)


def _number_reviewer(user: User) -> None:
    """What somebody said stays, as "reviewer 3": whose words belong together is known, whose they are is not."""
    said = Review.objects.filter(reviewer=user, source=Review.Source.PERSON)
    if said.exists():
        gone = Review.objects.filter(reviewer=None, source=Review.Source.PERSON, said_by__startswith=REVIEWER)
        numbers = gone.values_list("said_by", flat=True).distinct()
        last = max((int(name.removeprefix(REVIEWER)) for name in numbers), default=0)
        said.update(said_by=f"{REVIEWER}{last + 1}", reviewer=None)


def _forget_belongings(user: User) -> None:
    for relation in user._meta.related_objects:
        model = relation.related_model
        if relation.on_delete is CASCADE and model not in LEFT_TO_DELETION:
            model._base_manager.filter(**{relation.field.name: user.pk}).delete()
    Invitation.objects.filter(used_by=user).update(note="")  # it may say whom it was for


def _forget_person(user: User) -> None:
    """The last step of all: a new user name keeps everybody waiting who refers to the row."""
    audit.forget_person(user.uid)
    User.objects.filter(pk=user.pk).update(
        is_active=False,
        is_staff=False,
        is_superuser=False,
        leaving_at=None,
        deleting_at=timezone.now(),
        username=f"deleted-{user.uid}",
        email="",
        first_name="",
        last_name="",
        password=make_password(None),
        terms_accepted_by="",
    )


def _refuse_last_administrator(user: User) -> None:
    others = User.objects.filter(is_superuser=True, is_active=True, leaving_at=None).exclude(pk=user.pk)
    if user.is_superuser and not others.exists():
        raise LastAdministrator


def _tell_people(user: User, *, leaving_at: datetime) -> None:
    """A mail to the owner and to those whom collections are shared with.

    Who asked waits for them: all go over one connection. A mail server that is away stops nothing, pages tell it, too.
    """
    shares = CollectionShare.objects.filter(collection__owner=user, collection__deleting_at=None)
    told: dict[str, list[str]] = {}
    for address, name in shares.exclude(user__email="").values_list("user__email", "collection__name"):
        told.setdefault(address, []).append(name)
    context = {"user": user, "leaving_at": leaving_at, "site": settings.SITE_URL}
    mails = [("accounts/mails/shared", address, {**context, "names": sorted(told[address])}) for address in told]
    if user.email:
        mails.insert(0, ("accounts/mails/leaving", user.email, context))
    end, sent = monotonic() + TELLING_SECONDS, 0
    try:
        with get_connection() as connection:
            for template, to, about in mails:
                if monotonic() > end:
                    raise TimeoutError
                _send(template, to=to, context=about, connection=connection)
                sent += 1
    except OSError as error:  # of the connection, and what SMTP answers
        left = len(mails) - sent
        logger.warning("%d mails about an account that goes could not be sent (%s)", left, type(error).__name__)


def _send(template: str, *, to: str, context: dict[str, Any], connection: Any) -> None:
    subject = render_to_string(f"{template}_subject.txt", context).strip()
    try:
        send_mail(subject, render_to_string(f"{template}.txt", context), None, [to], connection=connection)
    except (SMTPRecipientsRefused, SMTPDataError) as error:  # this one, while the server goes on
        logger.warning("a mail about an account that goes was refused (%s)", type(error).__name__)
