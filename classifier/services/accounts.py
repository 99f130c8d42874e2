"""What happens to whole accounts."""

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models import CASCADE
from django.utils import timezone

from classifier.models import Collection, Invitation, Photo, Upload, User
from classifier.services import deletion, disk

LEFT_TO_DELETION = (Collection, Photo, Upload)  # they have files, or are many: they go batch by batch


@disk.may_use_reserve
def delete_account(user: User) -> bool:
    """Delete somebody with collections, photos and files; whether all of it is gone.

    Name, address, keys and whatever else belongs to the person go in the first step, and nobody can log in any more.
    While a file cannot be removed an empty row stays, which the sweeper deletes with the file.
    """
    with transaction.atomic():
        mark_account(user)
    return deletion.finish_account(user)


def mark_account(user: User) -> None:
    """Take somebody out of everybody's sight, with all that tells who it was. Call it inside a transaction."""
    deletion.forget_log_entries(User.objects.filter(pk=user.pk))
    _forget_person(user)
    deletion.mark_collections(Collection.objects.filter(owner=user, deleting_at=None))


def _forget_person(user: User) -> None:
    for relation in user._meta.related_objects:
        model = relation.related_model
        if relation.on_delete is CASCADE and model not in LEFT_TO_DELETION:
            model._base_manager.filter(**{relation.field.name: user.pk}).delete()
    Invitation.objects.filter(used_by=user).update(note="")  # it may say whom it was for
    User.objects.filter(pk=user.pk).update(
        is_active=False,
        is_staff=False,
        is_superuser=False,
        deleting_at=timezone.now(),
        username=f"deleted-{user.uid}",
        email="",
        first_name="",
        last_name="",
        password=make_password(None),
        terms_accepted_by="",
    )
