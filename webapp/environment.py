"""How `settings` reads the environment: empty means left out, and an error names its variable."""

import warnings
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from environ import Env

YES, NO = {"true", "on", "ok", "yes", "y", "1"}, {"false", "off", "no", "n", "0"}
DATABASE_ENGINES = ("django.db.backends.sqlite3", "django.db.backends.postgresql")


class NamingEnv(Env):
    """An environment in which empty means left out, and which names the variable whose value cannot be read."""

    def get_value(self, var: str, cast: Any = None, default: Any = Env.NOTSET, **kwargs: Any) -> Any:
        if default is not self.NOTSET and not self.ENVIRON.get(var, "").strip():
            return default
        try:
            return super().get_value(var, cast, default, **kwargs)
        except ValueError as error:
            raise ImproperlyConfigured(f"{var} cannot be read: {error}") from None

    def bool(self, var: str, *, default: bool) -> bool:
        """Yes or no. The library takes whatever it does not know for no, and a typing error would switch TLS off."""
        word = str(self.get_value(var, str, str(default))).strip().lower()
        if word not in YES | NO:
            raise ImproperlyConfigured(f"{var} is {word!r}: write true or false.")
        return word in YES

    def list(self, var: str, *, default: list[str]) -> list[str]:
        """Texts between commas, without the spaces around them."""
        found: str | list[str] = self.get_value(var, str, default)
        return [entry.strip() for entry in found.split(",") if entry.strip()] if isinstance(found, str) else found

    def database(self, var: str, *, default: str) -> dict[str, Any]:
        """A database's address as Django wants it; empty is the default. Errors do not tell it: it has a password."""
        try:
            with warnings.catch_warnings(action="ignore"):  # one of them tells the password
                found: dict[str, Any] = self.db_url_config(self.str(var, default="") or default)
        except ValueError:
            raise ImproperlyConfigured(
                f"{var} cannot be read: the port must be a number; in a password, write / : @ # as %2F %3A %40 %23."
            ) from None
        if found.get("ENGINE") not in DATABASE_ENGINES:
            raise ImproperlyConfigured(
                f"{var} names no database that Facet knows: write postgres://USER:PASSWORD@HOST:5432/NAME."
            )
        if not found["NAME"]:
            raise ImproperlyConfigured(f"{var} names a server, but no database on it: append /NAME.")
        return found

    def mail(self, var: str, *, default: str) -> dict[str, Any]:
        """A mail server's address as Django's settings; empty is the default."""
        try:
            return dict(self.email_url_config(self.str(var, default="") or default))
        except (KeyError, ValueError, ImproperlyConfigured):
            raise ImproperlyConfigured(
                f"{var} cannot be read: write smtp+tls://USER:PASSWORD@HOST:587, or consolemail://."
            ) from None
