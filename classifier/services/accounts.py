"""What happens to whole accounts."""

from classifier.models import Collection, Photo, User
from classifier.services import deletion


def delete_account(user: User) -> bool:
    """Delete somebody with collections, photos and files; whether all of it is gone.

    Nobody can log in with it from the first step on. While a file cannot be removed the empty account stays, so that
    the sweeper, which tries again, still knows whose file it is.
    """
    User.objects.filter(pk=user.pk).update(is_active=False)
    for collection in Collection.objects.filter(owner=user):
        deletion.delete_collection(collection)
    if Photo.objects.filter(owner=user).exists():
        return False
    User.objects.filter(pk=user.pk).delete()
    return True
