from django.db import transaction

from classifier.models import User
from classifier.services import accounts


def test_an_account_that_is_being_deleted_tells_nothing_of_whose_it_was_and_may_nothing(alice):
    known = {"email": "a@example.org", "first_name": "Alice", "last_name": "Liddell", "terms_accepted_by": "adam"}
    User.objects.filter(pk=alice.pk).update(is_staff=True, is_superuser=True, **known)
    with transaction.atomic():
        accounts.mark_account(alice)
    left = User.objects.get(pk=alice.pk)
    assert (left.is_active, left.is_staff, left.is_superuser) == (False, False, False)
    assert {name: getattr(left, name) for name in known} == dict.fromkeys(known, "")
    assert (left.username, left.has_usable_password()) == (f"deleted-{left.uid}", False)
