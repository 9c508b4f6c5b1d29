"""Settings of Agora: environment only, loud on wrong values (docs/settings.md lists them).

Every secret X may also come from a file named by X_FILE, as container platforms mount them. A local
runtime leaves its values in DATA_DIR/runtime.env, so that commands in a second terminal reach it.
"""

import sys
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import environ
from celery.schedules import crontab
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from agora.back_office import UNFOLD as UNFOLD
from agora.environment import (
    address,
    env,
    evm_address,
    flag,
    host_name,
    live_vendors,
    one_of,
    required,
    seconds,
    vendor_address,
    whole,
)
from agora.lib.network import BadNetwork, clean_networks

BASE_DIR = Path(__file__).resolve().parent.parent

DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / ".data")))
# The demo itself must not take the addresses of a killed one for parts that run already.
STARTS_THE_DEMO = len(sys.argv) > 1 and sys.argv[1] == "demo"
if (DATA_DIR / "runtime.env").is_file() and not STARTS_THE_DEMO:
    environ.Env.read_env(DATA_DIR / "runtime.env")

# --- Core -----------------------------------------------------------------------------------
DEBUG = flag("DEBUG", default=False)
SECRET_KEY = required("SECRET_KEY")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
SITE_URL = address("SITE_URL", default="http://localhost:8000")
SITE_IS_HTTPS = SITE_URL.startswith("https://")
BACK_OFFICE_HOST = host_name("BACK_OFFICE_HOST")
if urlsplit(SITE_URL).hostname == BACK_OFFICE_HOST:
    raise ImproperlyConfigured("BACK_OFFICE_HOST is the host of SITE_URL; it must be another one.")
if BACK_OFFICE_HOST:
    ALLOWED_HOSTS.append(BACK_OFFICE_HOST)
try:
    BACK_OFFICE_NETWORKS = clean_networks(env.list("BACK_OFFICE_NETWORKS", default=[]))
except BadNetwork as error:
    raise ImproperlyConfigured(f"BACK_OFFICE_NETWORKS: “{error.text}” is no network.") from error
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
ROOT_URLCONF = "agora.urls"
WSGI_APPLICATION = "agora.wsgi.application"
ASGI_APPLICATION = "agora.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.import_export",
    "agora.apps.AgoraAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "django.forms",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "django_celery_beat",
    "django_cotton.apps.SimpleAppConfig",
    "django_htmx",
    "import_export",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "agora.apps.AgoraConfig",
    "agora.lib",
    "accounts",
    "kyc",
    "custody",
    "tokens",
    "trading",
    "copytrade",
    "compliance",
]

if STARTS_THE_DEMO:
    # It loads the apps in the processes it starts; here they would only delay that by seconds.
    INSTALLED_APPS = ["agora.apps.AgoraConfig"]

MIDDLEWARE = [
    "agora.middleware.operations",
    "agora.middleware.request_context",
    "django.middleware.security.SecurityMiddleware",
    "agora.csp.ContentSecurityPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "agora.middleware.back_office",
    "agora.middleware.wrong_methods",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.middleware.note_token_uses",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    [
                        "django_cotton.cotton_loader.Loader",
                        "django.template.loaders.filesystem.Loader",
                        "django.template.loaders.app_directories.Loader",
                    ],
                )
            ],
            "builtins": ["django_cotton.templatetags.cotton"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "agora.lib.pages.page_context",
                "accounts.context.header",
            ],
        },
    }
]

FORM_RENDERER = "agora.lib.pages.PageRenderer"

# --- Database and Redis ---------------------------------------------------------------------
DATABASES = {
    "default": {
        **env.db_url("DATABASE_URL", default="postgres://agora@127.0.0.1:5432/agora"),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }
}
if DATABASES["default"].get("ENGINE") != "django.db.backends.postgresql":
    raise ImproperlyConfigured("DATABASE_URL is not an address that begins postgres://.")
# A migration takes as long as its table is long. It waits no longer than others for a lock, behind
# which everybody else would wait, too (but see agora.lib.indexes).
_LONGEST_STATEMENT_MS = 0 if sys.argv[1:2] == ["migrate"] else 30000
DATABASES["default"].setdefault("OPTIONS", {}).update(
    connect_timeout=3,
    # Prepared on the connection after a few uses: planning a statement costs more than running it.
    # (A pooler in transaction mode has to support prepared statements.)
    server_side_binding=True,
    prepare_threshold=2,
    options=f"-c statement_timeout={_LONGEST_STATEMENT_MS}"
    " -c idle_in_transaction_session_timeout=60000 -c lock_timeout=5000",
)
REDIS_URL = address(
    "REDIS_URL", default="redis://127.0.0.1:6379/0", schemes=frozenset({"redis", "rediss"})
)
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "agora",
        "OPTIONS": {"socket_timeout": 1.0, "socket_connect_timeout": 1.0},
    }
}

# --- People ---------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "dashboard"
LOGOUT_REDIRECT_URL = "home"
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_UNIQUE_EMAIL = True
ACCOUNT_EMAIL_VERIFICATION = one_of(
    "ACCOUNT_EMAIL_VERIFICATION", allowed={"mandatory", "optional", "none"}, default="mandatory"
)
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[Agora] "
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if SITE_IS_HTTPS else "http"
ACCOUNT_SESSION_REMEMBER = True
WALLET_COOL_DOWN_HOURS = whole("WALLET_COOL_DOWN_HOURS", default=24, least=1)
ALLAUTH_TRUSTED_PROXY_COUNT = whole("TRUSTED_PROXY_COUNT", default=0)
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = whole("REAUTHENTICATION_SECONDS", default=900, least=60)
SOCIALACCOUNT_ADAPTER = "accounts.providers.ProviderAdapter"
SOCIALACCOUNT_EMAIL_AUTHENTICATION = SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True
# What a provider has confirmed needs no second message; anything else is confirmed as at sign-up.
SOCIALACCOUNT_EMAIL_VERIFICATION = ACCOUNT_EMAIL_VERIFICATION
OIDC_NAME = env.str("OIDC_NAME", default="OpenID Connect")
OIDC_ISSUER = address("OIDC_ISSUER", default="")
OIDC_CLIENT_ID = env.str("OIDC_CLIENT_ID", default="")
OIDC_CLIENT_SECRET = env.str("OIDC_CLIENT_SECRET", default="")
OIDC_API_AUDIENCE = env.str("OIDC_API_AUDIENCE", default="")
OIDC_API_SCOPES = env.list("OIDC_API_SCOPES", default=["read"])
OIDC_SCOPE_CLAIM = env.str("OIDC_SCOPE_CLAIM", default="scope")
if bool(OIDC_ISSUER) != bool(OIDC_CLIENT_ID) or (OIDC_API_AUDIENCE and not OIDC_ISSUER):
    raise ImproperlyConfigured("OIDC_ISSUER and OIDC_CLIENT_ID must both be set, or neither.")
if not set(OIDC_API_SCOPES) <= {"read", "trade", "copy"}:
    raise ImproperlyConfigured("OIDC_API_SCOPES may hold read, trade and copy.")
USERSESSIONS_ADAPTER = "accounts.adapter.SessionsAdapter"
MFA_ADAPTER = "accounts.second_factors.SecondFactorAdapter"
MFA_FORMS = {
    "authenticate": "accounts.second_factors.AuthenticateOnce",
    "reauthenticate": "accounts.second_factors.ReauthenticateOnce",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "Agora"
# RFC 6238, 5.2: one step for the time between reading a code and sending it.
MFA_TOTP_TOLERANCE = 1
# Who has signed in has a confirmed address then, so that an unconfirmed second one locks nobody out.
MFA_ALLOW_UNVERIFIED_EMAIL = ACCOUNT_EMAIL_VERIFICATION == "mandatory"

# --- Sessions, cookies, transport -----------------------------------------------------------
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 60 * 60 * 12
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SITE_IS_HTTPS
SESSION_COOKIE_NAME = "__Host-agora_session" if SITE_IS_HTTPS else "agora_session"
CSRF_COOKIE_NAME = "__Host-agora_csrf" if SITE_IS_HTTPS else "agora_csrf"
CSRF_COOKIE_HTTPONLY = True
SECURE_SSL_REDIRECT = SITE_IS_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = 31_536_000 if SITE_IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SITE_IS_HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SITE_IS_HTTPS else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
DATA_UPLOAD_MAX_NUMBER_FILES = 5
UPLOAD_MAX_BYTES = whole("UPLOAD_MAX_BYTES", default=10000000, least=1)
FILE_UPLOAD_HANDLERS = ["agora.lib.uploads.BoundedUpload"]

# --- Language and time ----------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("pt-br", _("Portuguese")), ("es", _("Spanish"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = "agora.formats"
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# --- Static files ---------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(BASE_DIR / "staticfiles")))
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = not STATIC_ROOT.is_dir()
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if STATIC_ROOT.is_dir()
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

# --- E-mail ---------------------------------------------------------------------------------
vars().update(env.email_url("EMAIL_URL", default="consolemail://"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Agora <no-reply@localhost>")

# --- Secrets for fields and tokens ----------------------------------------------------------
FIELD_KEYS = required("FIELD_KEYS", stand_in="none:" + "A" * 43 + "=")
BLIND_INDEX_KEY = required("BLIND_INDEX_KEY")
TOKEN_PEPPER = required("TOKEN_PEPPER")

# --- Documents that people show -------------------------------------------------------------
DOCUMENTS_DIR = Path(env.str("DOCUMENTS_DIR", default=str(DATA_DIR / "documents")))
DOCUMENTS_S3_BUCKET = env.str("DOCUMENTS_S3_BUCKET", default="")
DOCUMENTS_S3_ENDPOINT = address("DOCUMENTS_S3_ENDPOINT", default="")
DOCUMENTS_S3_REGION = env.str("DOCUMENTS_S3_REGION", default="us-east-1")
DOCUMENTS_S3_PREFIX = env.str("DOCUMENTS_S3_PREFIX", default="")
DOCUMENTS_S3_KEY_ID = env.str("DOCUMENTS_S3_KEY_ID", default="")
DOCUMENTS_S3_SECRET = env.str("DOCUMENTS_S3_SECRET", default="")
DOCUMENTS_S3_SSE = one_of("DOCUMENTS_S3_SSE", allowed={"", "AES256", "aws:kms"}, default="AES256")
CLAMD_ADDRESS = env.str("CLAMD_ADDRESS", default="")
_host, _colon, _port = CLAMD_ADDRESS.rpartition(":")
if CLAMD_ADDRESS and not CLAMD_ADDRESS.startswith("/") and not (_host and _port.isdecimal()):
    raise ImproperlyConfigured("CLAMD_ADDRESS is neither host:port nor the path of a socket.")

# --- Vendors --------------------------------------------------------------------------------
# Alpaca's live side is not among them: shares are bought in paper accounts only.
LIVE_VENDORS = live_vendors("LIVE_VENDORS", allowed=frozenset({"binance", "fireblocks"}))
ALPACA_BASE_URL = vendor_address("ALPACA_BASE_URL", default="https://paper-api.alpaca.markets")
ALPACA_DATA_URL = vendor_address("ALPACA_DATA_URL", default="https://data.alpaca.markets")
ALPACA_API_KEY = env.str("ALPACA_API_KEY", default="")
ALPACA_API_SECRET = env.str("ALPACA_API_SECRET", default="")
FIREBLOCKS_BASE_URL = vendor_address(
    "FIREBLOCKS_BASE_URL",
    default="https://sandbox-api.fireblocks.io/v1",
    live="fireblocks" in LIVE_VENDORS,
)
FIREBLOCKS_API_KEY = env.str("FIREBLOCKS_API_KEY", default="")
FIREBLOCKS_PRIVATE_KEY = env.str("FIREBLOCKS_PRIVATE_KEY", default="", multiline=True)
FIREBLOCKS_RECEIPT_SOURCE_VAULT = env.str("FIREBLOCKS_RECEIPT_SOURCE_VAULT", default="0")
FIREBLOCKS_CUSTODY_VAULT = env.str("FIREBLOCKS_CUSTODY_VAULT", default="1")
FIREBLOCKS_MINTER_VAULT = env.str("FIREBLOCKS_MINTER_VAULT", default="2")
FIREBLOCKS_RECEIPT_ASSET = env.str("FIREBLOCKS_RECEIPT_ASSET", default="AAPL_RECEIPT")
FIREBLOCKS_GAS_ASSET = env.str("FIREBLOCKS_GAS_ASSET", default="BASECHAIN_ETH_TEST5")
VENDOR_CONNECT_TIMEOUT = seconds("VENDOR_CONNECT_TIMEOUT", default=3)
VENDOR_READ_TIMEOUT = seconds("VENDOR_READ_TIMEOUT", default=10)

# --- Exchange -------------------------------------------------------------------------------
BINANCE_BASE_URL = vendor_address(
    "BINANCE_BASE_URL",
    default="https://testnet.binance.vision",
    live="binance" in LIVE_VENDORS,
)
COPY_SEND_TIMEOUT = seconds("COPY_SEND_TIMEOUT", default=3)
COPY_CONCURRENCY = whole("COPY_CONCURRENCY", default=100, least=1)
EXCHANGE_WEIGHT_PER_MINUTE = whole("EXCHANGE_WEIGHT_PER_MINUTE", default=6000, least=1)
EXCHANGE_RESERVED_SHARE = whole("EXCHANGE_RESERVED_SHARE", default=20)
if EXCHANGE_RESERVED_SHARE > 99:
    raise ImproperlyConfigured("EXCHANGE_RESERVED_SHARE is over 99 percent: nothing could open.")
EGRESS_NAME = env.str("EGRESS_NAME", default="default")
EGRESS_ADDRESSES = env.list("EGRESS_ADDRESSES", default=[])

# --- Chain ----------------------------------------------------------------------------------
CHAIN_RPC_URL = address("CHAIN_RPC_URL", default="http://127.0.0.1:8545")
CHAIN_ID = whole("CHAIN_ID", default=31337, least=1)
CHAIN_NAME = env.str("CHAIN_NAME", default="") or _("Local test chain")
CHAIN_EXPLORER_URL = address("CHAIN_EXPLORER_URL", default="")
CONTRACT_ADDRESS = evm_address("CONTRACT_ADDRESS")
CONTRACT_FIRST_BLOCK = whole("CONTRACT_FIRST_BLOCK", default=0)
CHAIN_LOG_BLOCKS = whole("CHAIN_LOG_BLOCKS", default=2000, least=1)
CHAIN_DEPLOYER_KEY = env.str("CHAIN_DEPLOYER_KEY", default="")
MINT_CONFIRMATIONS = whole("MINT_CONFIRMATIONS", default=12, least=1)
MINT_STUCK_SECONDS = seconds("MINT_STUCK_SECONDS", default=120)

# --- Trading rules --------------------------------------------------------------------------
QUOTE_SECONDS = whole("QUOTE_SECONDS", default=60, least=5)
QUOTE_CACHE_SECONDS = whole("QUOTE_CACHE_SECONDS", default=3, least=1)
MARKET_DATA_MAX_AGE_SECONDS = whole("MARKET_DATA_MAX_AGE_SECONDS", default=900, least=1)
PRICE_COLLAR_BPS = whole("PRICE_COLLAR_BPS", default=100)

# --- Copy trading -----------------------------------------------------------------------------
COPY_OPEN_EXPIRY_SECONDS = whole("COPY_OPEN_EXPIRY_SECONDS", default=10, least=1)
COPY_LEASE_SECONDS = seconds("COPY_LEASE_SECONDS", default=12)
COPY_POLL_SECONDS = seconds("COPY_POLL_SECONDS", default=5)
COPY_RECONCILE_SECONDS = seconds("COPY_RECONCILE_SECONDS", default=60)
COPY_PRICE_SECONDS = seconds("COPY_PRICE_SECONDS", default=3)
COPY_PRICE_MAX_AGE_SECONDS = seconds("COPY_PRICE_MAX_AGE_SECONDS", default=30)

# --- Durable work ---------------------------------------------------------------------------
WORK_LEASE_SECONDS = seconds("WORK_LEASE_SECONDS", default=30)
WORK_MAX_ATTEMPTS = whole("WORK_MAX_ATTEMPTS", default=20, least=1)
WORK_BACKOFF_SECONDS = seconds("WORK_BACKOFF_SECONDS", default=1)
WORK_BACKOFF_MAX_SECONDS = seconds("WORK_BACKOFF_MAX_SECONDS", default=300)
UNKNOWN_GRACE_SECONDS = seconds("UNKNOWN_GRACE_SECONDS", default=5)
POLL_SECONDS = seconds("POLL_SECONDS", default=1)
SWEEP_SECONDS = seconds("SWEEP_SECONDS", default=3)
FAILPOINTS_DIR = env.str("FAILPOINTS_DIR", default="")

# --- Celery: the settings of research on lost tasks; correctness rests on the rows ----------
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 120
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 120,
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
}
# The trail is chained within seconds, however long the work takes that fills the other workers; and
# what takes minutes, and may wait, keeps none of the processes that settle orders.
CELERY_TASK_ROUTES = {
    "compliance.tasks.seal_audit": {"queue": "seal"},
    "compliance.tasks.build_data_export": {"queue": "slow"},
    "compliance.tasks.build_reserve_snapshot": {"queue": "slow"},
    "compliance.tasks.remove_expired": {"queue": "slow"},
    "compliance.tasks.verify_audit": {"queue": "slow"},
    "kyc.tasks.remove_orphaned_files": {"queue": "slow"},
    "kyc.tasks.screen_everybody": {"queue": "slow"},
}
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_SCHEDULE = {
    "sweep orders": {
        "task": "trading.tasks.sweep_orders",
        "schedule": timedelta(seconds=SWEEP_SECONDS),
    },
    "sweep copied orders": {
        "task": "copytrade.tasks.sweep_legs",
        "schedule": timedelta(seconds=SWEEP_SECONDS),
    },
    "sweep masters' orders": {
        "task": "copytrade.tasks.sweep_master_orders",
        "schedule": timedelta(seconds=SWEEP_SECONDS),
    },
    "sweep masters' accounts": {
        "task": "copytrade.tasks.sweep_strategies",
        "schedule": timedelta(seconds=min(COPY_POLL_SECONDS, SWEEP_SECONDS)),
    },
    "sweep subscriptions": {
        "task": "copytrade.tasks.sweep_subscriptions",
        "schedule": timedelta(seconds=10),
    },
    "refresh the exchange's prices": {
        "task": "copytrade.tasks.refresh_prices",
        "schedule": timedelta(seconds=COPY_PRICE_SECONDS),
    },
    "refresh daily prices": {
        "task": "copytrade.tasks.refresh_daily_prices",
        "schedule": timedelta(minutes=10),
    },
    "watch limits on losses": {
        "task": "copytrade.tasks.risk.watch",
        "schedule": timedelta(seconds=COPY_PRICE_SECONDS),
    },
    "begin days of subscriptions": {
        "task": "copytrade.tasks.risk.begin_days",
        "schedule": timedelta(seconds=60),
    },
    "wind down deleted strategies": {
        "task": "copytrade.tasks.strategies.sweep_deleted_strategies",
        "schedule": timedelta(minutes=1),
    },
    "compute track records": {
        "task": "copytrade.tasks.records.sweep_track_records",
        "schedule": timedelta(minutes=1),
    },
    "prove ledgers": {
        "task": "copytrade.tasks.ledger.prove_accounts",
        "schedule": timedelta(minutes=10),
    },
    "seal the audit trail": {
        "task": "compliance.tasks.seal_audit",
        "schedule": timedelta(seconds=2),
    },
    "anchor the audit trail": {
        "task": "compliance.tasks.anchor_audit",
        "schedule": timedelta(minutes=10),
    },
    "verify the audit trail": {
        "task": "compliance.tasks.verify_audit",
        "schedule": crontab(hour=3, minute=20),
    },
    "seal uses of tokens and nonces": {
        "task": "compliance.tasks.seal_usage",
        "schedule": crontab(hour=2, minute=40),
    },
    "remove what need not be kept": {
        "task": "compliance.tasks.remove_expired",
        "schedule": timedelta(hours=1),
    },
    "note the worker's settings": {
        "task": "compliance.tasks.note_settings",
        "schedule": timedelta(minutes=10),
    },
    "expire proposals": {
        "task": "compliance.tasks.expire_proposals",
        "schedule": timedelta(minutes=10),
    },
    "refresh the quote": {
        "task": "trading.tasks.refresh_quote",
        "schedule": timedelta(seconds=5),
    },
    "sweep notices": {
        "task": "accounts.tasks.sweep_notices",
        "schedule": timedelta(seconds=15),
    },
    "apply changes of wallets": {
        "task": "accounts.tasks.apply_wallet_changes",
        "schedule": timedelta(seconds=60),
    },
    "remind of tokens that expire": {
        "task": "accounts.tasks.remind_of_tokens",
        "schedule": timedelta(hours=1),
    },
    "look everybody up on the lists": {
        "task": "kyc.tasks.begin_nightly_screening",
        "schedule": crontab(hour=4, minute=10),
    },
    "sweep screenings of everybody": {
        "task": "kyc.tasks.sweep_screenings",
        "schedule": timedelta(minutes=1),
    },
    "remind people of what they were asked for": {
        "task": "kyc.tasks.sweep_waiting_cases",
        "schedule": timedelta(hours=1),
    },
    "remove files that no document names": {
        "task": "kyc.tasks.remove_orphaned_files",
        "schedule": timedelta(hours=1),
    },
    "sweep reserve snapshots": {
        "task": "compliance.tasks.sweep_reserve_snapshots",
        "schedule": timedelta(seconds=15),
    },
    # Due at 06:30, while the American market is closed; made up for after an outage (reserves.snapshots).
    "ask for the day's reserve snapshot": {
        "task": "compliance.tasks.request_daily_snapshot",
        "schedule": crontab(minute="*/10"),
    },
    "sweep copies and erasures of personal data": {
        "task": "compliance.tasks.sweep_personal_data",
        "schedule": timedelta(seconds=15),
    },
    "sweep exchange accounts": {
        "task": "copytrade.tasks.sweep_exchange_accounts",
        "schedule": timedelta(seconds=60),
    },
}

# --- API ------------------------------------------------------------------------------------
# Requests a minute: by user, or by network address before there is one. 0 switches a rate off.
API_RATES = {
    "read": whole("API_RATE_READ", default=600),
    "trade": whole("API_RATE_TRADE", default=120),
    "onboard": whole("API_RATE_ONBOARD", default=10),
    "document": whole("API_RATE_DOCUMENT", default=10),
    "token": whole("API_RATE_TOKEN", default=10),
    "bad_token": whole("API_RATE_BAD_TOKEN", default=60),
    "export": whole("API_RATE_EXPORT", default=10),
    "key": whole("API_RATE_KEY", default=10),
}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.authentication.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "agora.lib.problems.handle",
    "NUM_PROXIES": ALLAUTH_TRUSTED_PROXY_COUNT,
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Agora API",
    "DESCRIPTION": (
        "Buy a share, have it held in custody, and its token minted. Money and quantities are "
        "JSON strings, times are UTC. Refusals are RFC 9457 problem documents."
    ),
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": [],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "persistAuthorization": False},
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "COMPONENT_SPLIT_PATCH": False,  # what a PATCH may leave out says so itself
    "ENUM_NAME_OVERRIDES": {
        "Country": "kyc.models.Application.Country",
        "DocumentKind": "kyc.api.documents.KINDS",
        "DocumentState": "kyc.api.documents.STATES",
        "DocumentReason": "kyc.api.documents.REASONS",
        "DocumentType": "kyc.api.documents.TYPES",
        "Scope": "accounts.api.tokens.SCOPE_CHOICES",
        "TokenUseOutcome": "accounts.api.tokens.OUTCOME_CHOICES",
        "ConsentDocument": "compliance.api.privacy.CONSENT_DOCUMENTS",
        "ConsentAskedFor": "compliance.api.privacy.ASKED_FOR",
        "LookPurpose": "compliance.api.privacy.LOOK_PURPOSES",
        "ErasureState": "compliance.api.privacy.ERASURE_STATES",
        "CorrectionState": "kyc.api.corrections.CORRECTION_STATES",
        "CorrectionField": "kyc.api.corrections.CORRECTION_FIELDS",
        "VerificationStatus": "kyc.api.verification.STANDINGS",
        "VerificationNeed": "kyc.api.verification.NEEDS",
        "ApplicationStatus": "kyc.api.case_schema.STATUSES",
        "CaseState": "kyc.api.case_schema.STATES",
        "CaseCause": "kyc.api.case_schema.CAUSES",
        "CaseOutcome": "kyc.api.case_schema.OUTCOMES",
        "CaseGoodOutcome": "kyc.api.case_actions.GOOD",
        "CaseBadOutcome": "kyc.api.case_actions.BAD",
        "CaseCheck": "kyc.api.case_actions.CHECKS",
        "CaseUrgency": "kyc.api.case_schema.URGENCIES",
        "CaseEventKind": "kyc.api.case_schema.EVENTS",
        "MatchState": "kyc.api.case_schema.MATCH_STATES",
        "MatchBy": "kyc.api.case_schema.MATCH_BY",
        "ProposedKind": "compliance.api.proposing.KINDS",
        "AddressChain": "accounts.api.addresses.CHAIN_CHOICES",
        "AddressExchange": "accounts.api.addresses.EXCHANGE_CHOICES",
        "NoticeLevel": "accounts.api.notices.LEVEL_CHOICES",
        "WalletState": "tokens.api.wallets.STATES",
        "WalletProofMethod": "tokens.api.wallets.METHODS",
        "WalletProofPurpose": "tokens.api.wallets.PURPOSES",
        "ProposalState": "compliance.api.proposals.PROPOSAL_STATES",
        "OrderState": "trading.api_schema.ORDER_STATES",
        "StepState": "trading.api_schema.STEP_STATES",
        "StrategyState": "copytrade.api.strategy_schema.STRATEGY_STATES",
        "AccountState": "copytrade.api.account_schema.ACCOUNT_STATES",
        "SubscriptionState": "copytrade.api.subscription_schema.SUBSCRIPTION_STATES",
        "Sizing": "copytrade.api.subscription_schema.SIZINGS",
        "MinimumPolicy": "copytrade.api.subscription_schema.MINIMUMS",
        "StartPolicy": "copytrade.api.subscription_schema.STARTS",
        "StopPolicy": "copytrade.api.subscription_schema.ON_STOPS",
        "StrategyStyle": "copytrade.api.strategy_schema.STYLES",
        "CopyOn": "copytrade.api.strategy_schema.COPY_ON",
        "MasterOrderState": "copytrade.api.desk_schema.MASTER_ORDER_STATES",
        "MasterOrderSource": "copytrade.api.desk_schema.SOURCES",
        "MasterOrderType": "copytrade.api.desk_schema.TYPES",
        "LedgerBook": "copytrade.api.history_schema.BOOKS",
        "LedgerKind": "copytrade.api.history_schema.ENTRY_KINDS",
        "SignalKind": "copytrade.api.history_schema.SIGNAL_KINDS",
        "SignalCause": "copytrade.api.history_schema.CAUSES",
        "TradeOrigin": "copytrade.api.history_schema.ORIGINS",
        "OrderSource": "trading.api_schema.SOURCES",
        "DataExportState": "compliance.api.personal_data.DATA_EXPORT_STATES",
        "ReserveSnapshotState": "compliance.api.reserves.SNAPSHOT_STATES",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "agora.lib.openapi.add_problems",
    ],
}

# --- Audit trail ----------------------------------------------------------------------------
AUDIT_ANCHORS_DIR = env.str("AUDIT_ANCHORS_DIR", default=str(DATA_DIR / "anchors"))
AUDIT_ANCHORS_BUCKET = env.str("AUDIT_ANCHORS_BUCKET", default="")
AUDIT_ANCHORS_ENDPOINT_URL = address("AUDIT_ANCHORS_ENDPOINT_URL", default="")
AUDIT_ANCHORS_LOCK_DAYS = whole("AUDIT_ANCHORS_LOCK_DAYS", default=1827, least=1)

# --- Cases of people to be verified ------------------------------------------------------------
KYC_SLA_HOURS = whole("KYC_SLA_HOURS", default=24, least=1)
KYC_LOCK_SECONDS = seconds("KYC_LOCK_SECONDS", default=900)
KYC_REAPPLY_DAYS = whole("KYC_REAPPLY_DAYS", default=30)
KYC_REMIND_DAYS = whole("KYC_REMIND_DAYS", default=7, least=1)
KYC_NO_ANSWER_DAYS = whole("KYC_NO_ANSWER_DAYS", default=30, least=1)
SCREENING_SOURCE = env.str("SCREENING_SOURCE", default="kyc.screening.lookup.LocalLists")
SCREENING_THRESHOLD = whole("SCREENING_THRESHOLD", default=86, least=70)
SCREENING_REQUIRED = flag("SCREENING_REQUIRED", default=True)

# --- Personal data --------------------------------------------------------------------------
DATA_EXPORT_DAYS = whole("DATA_EXPORT_DAYS", default=7, least=1)
ERASURE_UNDO_DAYS = whole("ERASURE_UNDO_DAYS", default=14)

# --- Logs and metrics -----------------------------------------------------------------------
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
LOG_LEVEL = one_of("LOG_LEVEL", allowed={"DEBUG", "INFO", "WARNING", "ERROR"}, default="INFO")
LOGGING_CONFIG = "agora.logging.configure"
LOGGING = LOG_LEVEL
