"""Passkeys, with the authenticator that Chromium has for tests: added, used instead of a password, lost, removed."""

import pytest
from allauth.mfa.models import Authenticator
from django.urls import reverse

from tests.browser import axe

PASSWORD = "correct horse battery"
KEY = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def address(live_server):
    """The site by its name: an address of numbers has no passkeys."""
    host = live_server.url.replace("127.0.0.1", "localhost")
    return lambda name: host + reverse(name)


def assert_easy_to_use(page):
    faults = axe.find_faults(page, name=page.url, variants=axe.BOTH_THEMES)
    assert not faults, "\n".join(faults)
    page.set_viewport_size(axe.WIDE)


def log_in_by_password(page, address):
    page.goto(address("account_login"))
    page.fill("#id_login", "alice")
    page.fill("#id_password", PASSWORD)
    page.click("main button[type=submit].primary")


def test_a_passkey_stands_in_for_the_password_and_for_the_code(page, address, alice):
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    key = devtools.send("WebAuthn.addVirtualAuthenticator", {"options": KEY})["authenticatorId"]

    log_in_by_password(page, address)
    page.goto(address("mfa_add_webauthn"))
    page.fill("#id_password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("#passkey")
    assert_easy_to_use(page)
    page.check("#id_passwordless")
    page.click("#passkey")
    page.wait_for_selector("#codes")
    codes = page.inner_text("#codes").split()
    assert_easy_to_use(page)
    page.goto(address("mfa_activate_totp"))
    assert_easy_to_use(page)
    page.goto(address("mfa_index"))
    assert "never used" in page.inner_text("main")
    assert_easy_to_use(page)

    page.goto(address("account_logout"))
    page.click("main button[type=submit]")
    page.goto(address("account_login"))
    page.click("#passkey")
    page.wait_for_url(address("collection-list"))  # without a password

    page.goto(address("account_logout"))
    page.click("main button[type=submit]")
    log_in_by_password(page, address)
    page.wait_for_url(address("mfa_authenticate"))
    page.click("#passkey")
    page.wait_for_url(address("collection-list"))  # as the second factor

    page.goto(address("account_logout"))
    page.click("main button[type=submit]")
    devtools.send("WebAuthn.clearCredentials", {"authenticatorId": key})
    log_in_by_password(page, address)
    page.wait_for_url(address("mfa_authenticate"))
    page.click("#passkey")
    page.wait_for_selector("[data-passkey-problem]:not([hidden])")  # the key is lost, and that is said
    assert_easy_to_use(page)
    page.fill("#id_code", codes[0])
    page.keyboard.press("Enter")
    page.wait_for_url(address("collection-list"))

    page.goto(address("mfa_index"))
    page.click("text=Remove")
    page.click("text=a code")
    page.fill("#id_code", codes[1])
    page.keyboard.press("Enter")
    page.wait_for_selector(".button.danger")
    assert_easy_to_use(page)
    page.click(".button.danger")
    page.wait_for_selector("text=You have no passkey.")
    assert not Authenticator.objects.exists()
