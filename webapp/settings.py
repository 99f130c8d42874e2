"""All settings of Facet: the only file that reads the environment. `.env.example` explains each variable.

There is no separate production file: `manage.py check --deploy` and `classifier.checks` say what is wrong.
"""

import logging
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF
from django.urls import reverse_lazy

from webapp import data_folder, logs, own_labels
from webapp.environment import NamingEnv

BASE_DIR = Path(__file__).resolve().parent.parent
env = NamingEnv()
NamingEnv.read_env(BASE_DIR / ".env", overwrite=False)

TESTING = "pytest" in sys.modules
DATA_DIR = data_folder.choose_folder(env("FACET_DATA", default=""), otherwise=BASE_DIR / "data", testing=TESTING)
SPOOL_DIR = DATA_DIR / "spool"  # what is on its way in lies here and nowhere else
with data_folder.named_in_errors(DATA_DIR):
    DATA_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
    SPOOL_DIR.mkdir(exist_ok=True, mode=0o700)
    SECRET_KEY = env("FACET_SECRET_KEY", default="") or data_folder.load_secret_key(DATA_DIR)

# --- The site --------------------------------------------------------------------------------------------------------

DEBUG = env.bool("FACET_DEBUG", default=False)
WEB_THREADS = env.int("FACET_WEB_THREADS", default=8)
PORT = env.int("FACET_PORT", default=8000)
SITE_URL = env("FACET_URL", default=f"http://127.0.0.1:{PORT}")
ALLOWED_HOSTS = env.list("FACET_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("FACET_TRUSTED_ORIGINS", default=[])
BEHIND_TLS = env.bool("FACET_TLS", default=SITE_URL.startswith("https://"))

INSTALLED_APPS = [
    "classifier",
    "webapp.admin.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "csp",
    "django_filters",
    "django_htmx",
    "django_structlog",
    "rest_framework",
    "knox",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

MIDDLEWARE = [
    "classifier.middleware.RequestIdMiddleware",
    "classifier.middleware.AccessLogMiddleware",
    "classifier.middleware.PrivateAnswerMiddleware",  # around all that may answer by itself
    "classifier.middleware.FullDiskMiddleware",
    "classifier.middleware.BusyDatabaseMiddleware",
    "classifier.middleware.TrustedProxyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "classifier.body_refusals.BodyLimitMiddleware",  # before the next, which reads bodies
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "classifier.middleware.AttemptsMiddleware",
]

ROOT_URLCONF = "webapp.urls"
WSGI_APPLICATION = "webapp.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "classifier.context_processors.site",
            ],
        },
    }
]

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
FORMAT_MODULE_PATH = ["webapp.formats"]

# --- Database, cache, files ------------------------------------------------------------------------------------------

DATABASES = {"default": env.database("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'facet.sqlite3'}")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",  # a reader that becomes a writer would fail at once otherwise
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
    data_folder.close_database(Path(DATABASES["default"]["NAME"]))
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 60
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True

LOCK_SECONDS = env.int("FACET_LOCK_SECONDS", default=20)  # that a request waits for what others hold in PostgreSQL

RESERVE_BYTES = env.int("FACET_RESERVE_MB", default=64) * 1024**2  # room set aside for making room on a full disk
LOW_DISK_BYTES = env.int("FACET_LOW_DISK_MB", default=1024) * 1024**2  # with less free, administrators are warned
AUDIT_ADDRESS_DAYS = env.int("FACET_AUDIT_ADDRESS_DAYS", default=90)  # where people came from who did something
KEEP_UPLOADS_DAYS = env.int("FACET_KEEP_UPLOADS_DAYS", default=90)  # what became of each file; 0 keeps it

REDIS_URL = env("REDIS_URL", default="")
# Limits are counted where all processes see them: in Redis when it is there and serves, in the database otherwise.
DATABASE_CACHE = {
    "BACKEND": "django.core.cache.backends.db.DatabaseCache",
    "LOCATION": "facet_cache",
    # Limits of sign-in are counted in it: nobody shall wash them out with what pages keep.
    "OPTIONS": {"MAX_ENTRIES": 100_000},
}
CACHES: dict[str, dict[str, Any]] = {"default": DATABASE_CACHE}
if REDIS_URL:
    CACHES = {
        "default": {
            "BACKEND": "classifier.running.shared_cache.SharedCache",
            "LOCATION": REDIS_URL,
            "OPTIONS": {"stand_in": "database"},
        },
        "database": DATABASE_CACHE,
    }

MEDIA_ROOT = DATA_DIR / "media"
STATIC_URL = "static/"
STATIC_ROOT = env("FACET_STATIC_ROOT", default="") or None  # with it, what `collectstatic` put there is served
# The style of a report is the one of the file that it is exported to.
STATICFILES_DIRS = [BASE_DIR / "static", ("css", str(BASE_DIR / "ml" / "reporting" / "styles"))]
WHITENOISE_USE_FINDERS = STATIC_ROOT is None
STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": MEDIA_ROOT},
    },
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if WHITENOISE_USE_FINDERS
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# --- People ----------------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "classifier.User"
AUTHENTICATION_BACKENDS = ["classifier.accounts.OneDoorBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "CommonPasswordValidator", "NumericPasswordValidator")
] + [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    }
]
FACET_SIGNUP = env("FACET_SIGNUP", default="open")  # open, invite or closed
LOGIN_URL = reverse_lazy("account_login")
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "classifier.accounts.AccountAdapter"
ACCOUNT_FORMS = {
    "signup": "classifier.forms.SignupForm",
    "add_email": "classifier.forms.AddEmailForm",
    "change_password": "classifier.forms.ChangePasswordForm",
    "reset_password": "classifier.forms.RequestResetForm",
    "reset_password_from_key": "classifier.forms.ResetPasswordForm",
}
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = env("FACET_EMAIL_VERIFICATION", default="none")
# Strict: an address that has an account already is taken once more, unconfirmed, instead of being told.
ACCOUNT_PREVENT_ENUMERATION = "strict"
# These are counted by `services.attempts`, which knows the visitor and says how long to wait. `confirm_email` stays for
# the mails that confirm an address.
ACCOUNT_RATE_LIMITS = dict.fromkeys(
    (
        *("login", "login_failed", "signup", "reset_password", "reset_password_from_key"),
        *("change_password", "manage_email", "reauthenticate"),
    )
)
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""  # the subjects name Facet themselves

MFA_ADAPTER = "classifier.second_factors.SecondFactorAdapter"
MFA_FORMS = {
    "authenticate": "classifier.second_factors.CodeForm",
    "reauthenticate": "classifier.second_factors.ConfirmingCodeForm",
    "add_webauthn": "classifier.second_factors.AddPasskeyForm",
    "authenticate_webauthn": "classifier.second_factors.PasskeyForm",
    "login_webauthn": "classifier.second_factors.LoginPasskeyForm",
    "reauthenticate_webauthn": "classifier.second_factors.ConfirmingPasskeyForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_TOTP_ISSUER = "Facet"
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not BEHIND_TLS  # of which browsers let http://localhost use passkeys, no other
MFA_RATE_LIMITS = {"webauthn_login": None}  # counted as the others are
# Where nobody confirms addresses, a second factor must not ask for it. Somebody who signed up with another's address
# keeps nobody out: the owner of the address can make an account with it all the same.
MFA_ALLOW_UNVERIFIED_EMAIL = ACCOUNT_EMAIL_VERIFICATION != "mandatory"

vars().update(env.mail("EMAIL_URL", default="consolemail://"))
# For each answer of the mail server: pages wait for it, and Django would wait for good.
EMAIL_TIMEOUT = env.int("FACET_EMAIL_SECONDS", default=5)
DEFAULT_FROM_EMAIL = env("FACET_EMAIL_FROM", default="Facet <facet@localhost>")

# --- Security --------------------------------------------------------------------------------------------------------

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_TLS
SESSION_COOKIE_HTTPONLY = True
SECURE_SSL_REDIRECT = BEHIND_TLS
SECURE_HSTS_SECONDS = 31_536_000 if BEHIND_TLS else 0
# Both bind more than this site, and preloading for years: only who owns the whole domain can want them.
SECURE_HSTS_PRELOAD = BEHIND_TLS and env.bool("FACET_HSTS_PRELOAD", default=False)
SECURE_HSTS_INCLUDE_SUBDOMAINS = BEHIND_TLS and env.bool("FACET_HSTS_SUBDOMAINS", default=SECURE_HSTS_PRELOAD)
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]  # which ask for them
TRUSTED_PROXIES = env.list("FACET_TRUSTED_PROXIES", default=[])
TRUST_PROXY = env.bool("FACET_TRUST_PROXY", default=bool(TRUSTED_PROXIES))
if TRUST_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "style-src": [SELF],
        "script-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

# --- Uploads ---------------------------------------------------------------------------------------------------------

MAX_FILE_BYTES = env.int("FACET_MAX_FILE_MB", default=20) * 1024**2
MAX_FILES_PER_REQUEST = env.int("FACET_MAX_FILES", default=100)
MAX_REQUEST_BYTES = env.int("FACET_MAX_REQUEST_MB", default=400) * 1024**2
MAX_PIXELS = env.int("FACET_MAX_MEGAPIXELS", default=50) * 1_000_000
USER_QUOTA_BYTES = env.int("FACET_USER_QUOTA_GB", default=20) * 1000**3  # as pages tell sizes
MAX_PENDING_PHOTOS = env.int("FACET_MAX_PENDING_PHOTOS", default=100_000)  # beyond it the API answers 503
UPLOAD_RATE = env("FACET_UPLOAD_RATE", default="3000/min")  # photos a person sends, by page or API
EXPLAIN_RATE = env("FACET_EXPLAIN_RATE", default="60/min")  # heat maps a person asks for that are not there yet
DRAW_RATE = env("FACET_DRAW_RATE", default="60/hour")  # draws for review that a person begins or adds to
DECODE_PROCESSES = env.int("FACET_DECODE_PROCESSES", default=min(2, os.cpu_count() or 1))
# Seconds of CPU time: one file, one request with all its files, and a person in the long run.
DECODE_CPU_SECONDS = env.float("FACET_DECODE_FILE_SECONDS", default=10)
DECODE_REQUEST_SECONDS = env.float("FACET_DECODE_REQUEST_SECONDS", default=120)
DECODE_RATE = env("FACET_DECODE_RATE", default="3600/hour")
DECODE_SECONDS = 6 * DECODE_CPU_SECONDS  # by the clock, for a decoder that hangs without working
DATA_UPLOAD_MAX_NUMBER_FILES = MAX_FILES_PER_REQUEST
MAX_TABLE_BYTES = 8 * 1024**2  # a CSV of tags: some 200,000 lines
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024**2  # form fields, not files; and any body that brings no photos
FILE_UPLOAD_MAX_MEMORY_SIZE = 1024**2
FILE_UPLOAD_PERMISSIONS = 0o600
FILE_UPLOAD_TEMP_DIR = SPOOL_DIR
FILE_UPLOAD_HANDLERS = [
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "classifier.intake.upload_handler.NamelessFileUploadHandler",
]

# --- The queue and the worker ----------------------------------------------------------------------------------------

LEASE_SECONDS = env.int("FACET_LEASE_SECONDS", default=60)
SWEEP_SECONDS = env.float("FACET_SWEEP_SECONDS", default=5)
BATCH_PHOTOS = env.int("FACET_BATCH_PHOTOS", default=8)
MODEL_DIR = env("FACET_MODEL_DIR", default="")  # empty: the model that comes with Facet
own_labels.declare(MODEL_DIR)
RUNTIME = env("FACET_RUNTIME", default="")  # torch or onnx; empty: what the model's folder holds, torch before onnx
DEVICE = env("FACET_DEVICE", default="")  # empty: CUDA if there is one, else the CPU
TORCH_THREADS = env.int("FACET_TORCH_THREADS", default=0)  # 0: as many as there are cores
ATTRIBUTES_OFF = env.list("FACET_ATTRIBUTES_OFF", default=[])  # by name, for the whole site
PIPELINE = env("FACET_PIPELINE", default="") or "ml.pipeline.FacePipeline"  # tests put a stand-in here

# --- The API ---------------------------------------------------------------------------------------------------------

KNOX_TOKEN_MODEL = "classifier.AccessToken"  # noqa: S105 - a model's name
REST_KNOX = {"TOKEN_PREFIX": "facet_", "TOKEN_TTL": timedelta(days=90)}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "classifier.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["classifier.api.permissions.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "classifier.api.pagination.NewestFirst",
    "DEFAULT_THROTTLE_CLASSES": ["classifier.api.throttles.SharedRateThrottle"],
    "DEFAULT_THROTTLE_RATES": {
        "api": env("FACET_API_RATE", default="600/min"),  # a token, or a browser's session
        "user": env("FACET_API_USER_RATE", default="1200/min"),  # a person, over all of them
    },
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "EXCEPTION_HANDLER": "classifier.api.errors.answer_error",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Facet",
    "VERSION": "1",
    "DESCRIPTION": (
        "Finds the faces in photos and says which race group, gender and age each is perceived as. "
        "The answers are a model's guesses, never facts about a person."
    ),
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_NAME_OVERRIDES": {"AttributesEnum": "classifier.api.draw_serializers.NAMES"},  # and of `attribute`
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "TAGS": [
        {"name": "photos", "description": "Send photos, read what was found, delete them."},
        {"name": "faces", "description": "Faces over all photos, narrowed by what the model said."},
        {"name": "collections", "description": "Named sets of photos with a stated purpose."},
        {"name": "models", "description": "Which networks speak, and how far they can be trusted."},
    ],
    # JavaScript, since the page's own frame for it comes from static/js/api-docs.js.
    "SWAGGER_UI_SETTINGS": (
        '{deepLinking: true, defaultModelsExpandDepth: -1, layout: "FacetLayout", plugins: [facetPlugin]}'
    ),
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# --- Logs: ids, never names or predictions ---------------------------------------------------------------------------

LOG_LEVEL = env("FACET_LOG_LEVEL", default="INFO")
LOG_FORMAT = env("FACET_LOG_FORMAT", default="text")
LOGGING = logs.arrange(level=LOG_LEVEL, form=LOG_FORMAT, with_words=DEBUG)
# Celery's tasks carry the id of the request that sent them, and no address.
DJANGO_STRUCTLOG_CELERY_ENABLED = True
DJANGO_STRUCTLOG_CELERY_TASK_START_LOG_LEVEL = logging.DEBUG
