"""What a browser calls itself, in two words, and what it is handed for its passkeys."""

import json
from typing import Any

from django import template
from django.core.serializers.json import DjangoJSONEncoder

register = template.Library()

# The first that is found: others name those that they are made of after themselves.
BROWSERS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser": "Samsung Internet",
    "Firefox": "Firefox",
    "FxiOS": "Firefox",
    "CriOS": "Chrome",
    "Chrome": "Chrome",
    "Safari": "Safari",
}
SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}


@register.filter
def browser_label(user_agent: str) -> str:
    """ "Firefox on Linux", as far as it is known."""
    browser = next((name for mark, name in BROWSERS.items() if mark in user_agent), "A browser or program")
    system = next((name for mark, name in SYSTEMS.items() if mark in user_agent), "")
    return f"{browser} on {system}" if system else browser


@register.filter
def as_json(value: Any) -> str:
    """For an attribute that a script reads: inline scripts are not let in."""
    return json.dumps(value, cls=DjangoJSONEncoder)
