"""What the operator has set, as far as it is no secret: the audit log tells when it changed."""

from typing import Any

from django.conf import settings

from classifier.models import AuditEvent
from classifier.services import audit

ACTION = "settings changed"
TOLD = (
    *("ATTRIBUTES_OFF", "FACET_SIGNUP", "ACCOUNT_EMAIL_VERIFICATION", "KEEP_UPLOADS_DAYS", "AUDIT_ADDRESS_DAYS"),
    *("USER_QUOTA_BYTES", "MAX_FILE_BYTES", "UPLOAD_RATE", "ALLOWED_HOSTS", "BEHIND_TLS", "TRUSTED_PROXIES", "DEBUG"),
)


def note_settings(*, until: float) -> bool:
    """Write down what is set otherwise than when it was last written down."""
    now: dict[str, Any] = {name: getattr(settings, name) for name in TOLD}
    last = AuditEvent.objects.filter(action=ACTION).order_by("-id").values_list("details", flat=True).first()
    before = (last or {}).get("settings", {})
    if changed := sorted(name for name, value in now.items() if before.get(name) != value):
        audit.record(ACTION, details={"changed": changed, "settings": now})
    return True
