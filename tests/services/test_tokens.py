from classifier.models import AccessToken, AuditEvent
from classifier.services import tokens


def test_taking_back_all_tokens_of_somebody_is_written_down(alice, bob, rita):
    kept, _ = tokens.create_token(bob, name="bob's")
    for name in ("one", "two"):
        tokens.create_token(alice, name=name)
    assert tokens.revoke_all(alice, because="the account was blocked", by=rita) == 2
    assert list(AccessToken.objects.all()) == [kept]
    event = AuditEvent.objects.latest("pk")
    assert (event.action, event.actor, event.target) == ("access tokens revoked", rita, f"user {alice.uid}")
    assert event.details == {"because": "the account was blocked", "count": 2}


def test_where_there_was_no_token_nothing_is_written_down(alice):
    assert tokens.revoke_all(alice, because="the account was blocked") == 0
    assert not AuditEvent.objects.exists()
