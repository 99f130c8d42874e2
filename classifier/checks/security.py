"""What strangers could reach: the secret key, the data folder, host names, proxies, mails."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Tags, Warning, register
from django.http.request import split_domain_port, validate_host

from classifier.http import visitors
from classifier.services.backups import restoring

LOCAL_HOSTS = {"127.0.0.1", "localhost", "[::1]", "::1"}
SECRET_KEY_CHARACTERS = 50  # what Django's own check asks for
SECRET_KEY_DIFFERENT_CHARACTERS = 10


@register()
def check_data_folder(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    folder = settings.DATA_DIR
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Error(
            f"The data folder {folder} cannot be written.",
            hint="Give it to the user that Facet runs as, or choose another with FACET_DATA.",
            id="facet.E001",
        )


@register()
def check_restore(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    if restoring.is_unfinished():
        yield Error(
            f"A backup was being restored into {settings.DATA_DIR} and is not all back.",
            hint="Give `manage.py restore` the same backup again: it goes on where it was cut short.",
            id="facet.E046",
        )


@register(Tags.security)
def check_secret_key(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    key = settings.SECRET_KEY
    is_weak = (
        len(key) < SECRET_KEY_CHARACTERS
        or len(set(key)) < SECRET_KEY_DIFFERENT_CHARACTERS
        or key.startswith("django-insecure-")
    )
    if is_weak:
        level = Warning if settings.DEBUG else Error
        yield level(
            "The secret key is short or easy to guess: sessions and password resets could be forged.",
            hint="Leave FACET_SECRET_KEY empty, then a good one is made in the data folder; or set it to "
            f"{SECRET_KEY_CHARACTERS} random characters or more.",
            id="facet.E002",
        )


@register(Tags.security)
def check_secret_key_file(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    path = settings.DATA_DIR / "secret_key"
    if path.exists() and path.stat().st_mode & 0o077:
        yield Warning(
            f"Other users of this machine can read {path}.",
            hint=f"chmod 600 {path}",
            id="facet.W003",
        )


@register(Tags.security)
def check_data_folder_mode(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    folder = settings.DATA_DIR
    if folder.exists() and folder.stat().st_mode & 0o077:
        yield Warning(
            f"Other users of this machine can look into {folder}.",
            hint=f"chmod 700 {folder}",
            id="facet.W040",
        )


@register(Tags.security)
def check_private_files(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    """Static files are served to everybody without asking; photos must never lie among them."""
    private = {"data folder": settings.DATA_DIR, "folder of photos": Path(settings.MEDIA_ROOT)}
    # A folder that is served under a prefix comes with it, as a pair.
    served = [entry[1] if isinstance(entry, tuple) else entry for entry in settings.STATICFILES_DIRS]
    public = [Path(str(folder)) for folder in (settings.STATIC_ROOT, *served) if folder]
    for name, folder in private.items():
        for root in public:
            if folder.resolve().is_relative_to(root.resolve()):
                yield Error(
                    f"The {name} {folder} lies in {root}, whose files are served to everybody.",
                    hint="Choose another FACET_DATA or FACET_STATIC_ROOT.",
                    id="facet.E011",
                )


@register(Tags.security)
def check_debug(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    public = [host for host in settings.ALLOWED_HOSTS if host not in LOCAL_HOSTS]
    if settings.DEBUG and public:
        yield Error(
            f"Debug mode shows settings and code to everybody who can reach {', '.join(public)}.",
            hint="Unset FACET_DEBUG, or leave only local names in FACET_HOSTS.",
            id="facet.E004",
        )


@register(Tags.security)
def check_trusted_proxies(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    try:
        visitors.parse_networks(tuple(settings.TRUSTED_PROXIES))
    except ValueError as error:
        yield Error(
            f"FACET_TRUSTED_PROXIES cannot be read: {error}.",
            hint="Write addresses or networks, by commas: 127.0.0.1, 10.0.0.0/8.",
            id="facet.E041",
        )


@register(Tags.security, deploy=True)
def check_tls_is_told(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    """Facet speaks plain HTTP: that somebody came by TLS is known from a proxy or not at all."""
    if settings.SECURE_SSL_REDIRECT and not settings.TRUST_PROXY:
        yield Error(
            "People are to come by TLS, but no proxy is believed to say that they did: every page redirects for ever.",
            hint="Name the proxy that speaks TLS in FACET_TRUSTED_PROXIES, or set FACET_TLS=false where there is none.",
            id="facet.E045",
        )


@register(Tags.security, deploy=True)
def check_visitors_addresses(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    if settings.TRUST_PROXY and not settings.TRUSTED_PROXIES:
        yield Warning(
            "Behind the proxy all visitors count as one: wrong passwords of one of them stop the log-ins of all.",
            hint="Name the proxy's own address in FACET_TRUSTED_PROXIES, and let it set X-Forwarded-For.",
            id="facet.W042",
        )
    if any(proxy.endswith("/0") for proxy in settings.TRUSTED_PROXIES):
        yield Warning(
            "FACET_TRUSTED_PROXIES trusts everybody, so visitors choose the address that limits count.",
            hint="Name only the proxies themselves.",
            id="facet.W043",
        )


@register(Tags.security, deploy=True)
def check_site_address(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    host, _ = split_domain_port(urlsplit(settings.SITE_URL).netloc)
    if not validate_host(host, settings.ALLOWED_HOSTS):
        yield Warning(
            f"FACET_URL names {host or 'no host'}, which FACET_HOSTS does not allow: requests would be refused.",
            hint="Add the host to FACET_HOSTS.",
            id="facet.W014",
        )
    if "*" in settings.ALLOWED_HOSTS:
        yield Warning(
            "FACET_HOSTS allows every host name, so links in mails could be made to lead elsewhere.",
            hint="Name the hosts under which the site is reached.",
            id="facet.W015",
        )


@register(deploy=True)
def check_mail(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    if settings.EMAIL_BACKEND.endswith("console.EmailBackend"):
        yield Info(
            "Mails are written to the log: nobody receives a link to reset a password.",
            hint="Set EMAIL_URL, for example to smtp+tls://user:password@mail.example.org:587.",
            id="facet.I016",
        )
