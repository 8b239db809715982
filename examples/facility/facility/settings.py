# SPDX-License-Identifier: PostgreSQL
"""settings.py: everything that depends on where the application runs comes from two URLs.

Three caches in three databases of one Redis, so that each can be looked at, counted and flushed by
itself: losing copies of rows costs a query, losing sessions signs everybody out.

    1  default    table pages, figures, the notice, login tries: gone in minutes
    2  dropdowns  the lists behind drop-downs, by customer: gone when somebody edits one
    3  sessions   who is signed in

Values are JSON, not pickle, and not compressed: whoever can write to the Redis cannot make this process
execute anything, and a person, or SQL where the Redis is in the database, can read them.
"""

import hashlib
import os
from pathlib import Path

from .urls_from_environment import database, redis_url

BASE_DIR = Path(__file__).resolve().parent.parent

DATABASE, SCHEMA = database()
DATABASES = {"default": DATABASE}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# What tells two installations apart that share a Redis.
INSTALLATION = f"{DATABASE['NAME']}.{SCHEMA}"

# Who signs cookies must keep a secret, and the database's password is one: the same in every process.
SECRET_KEY = os.environ.get("SECRET_KEY") or hashlib.sha256(
    f"facility:{os.environ['DATABASE_URL']}".encode()).hexdigest()
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]"]


def cache(number, timeout):
    return {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": redis_url(number),
        "TIMEOUT": timeout,
        # What is cached is copies of rows: two installations on one Redis must not read each other's.
        "KEY_PREFIX": INSTALLATION,
        "OPTIONS": {
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
            "SOCKET_CONNECT_TIMEOUT": 5,
            "SOCKET_TIMEOUT": 10,
        },
    }


CACHES = {
    "default": cache(1, 5 * 60),
    "dropdowns": cache(2, 60 * 60),
    "sessions": cache(3, 8 * 60 * 60),
}

SESSION_ENGINE = "django.contrib.sessions.backends.cache"
SESSION_CACHE_ALIAS = "sessions"
SESSION_COOKIE_AGE = 8 * 60 * 60
SESSION_COOKIE_SAMESITE = "Lax"
KEEP_SIGNED_IN_SECONDS = 14 * 24 * 60 * 60
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "overview"
LOGIN_TRIES = 5
LOGIN_PERIOD = 15 * 60

# E-mail goes into files, if there is a folder for them, and otherwise nowhere: nobody gets mail from a demo.
EMAIL_FILE_PATH = os.environ.get("MAIL_DIRECTORY")
EMAIL_BACKEND = f"django.core.mail.backends.{'filebased' if EMAIL_FILE_PATH else 'dummy'}.EmailBackend"
DEFAULT_FROM_EMAIL = "facility@facility.invalid"

ROOT_URLCONF = "assets.urls"
STATIC_URL = "/static/"
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "assets",
    "work",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [{
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "APP_DIRS": True,
    "OPTIONS": {"context_processors": [
        "django.template.context_processors.request",
        "django.contrib.auth.context_processors.auth",
        "django.contrib.messages.context_processors.messages",
    ]},
}]
WSGI_APPLICATION = "facility.wsgi.application"

USE_TZ = True
TIME_ZONE = "UTC"
USE_THOUSAND_SEPARATOR = False
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {"django": {"handlers": ["console"], "level": "WARNING"},
                # What runserver writes for each request.
                "django.server": {"handlers": ["console"], "level": "ERROR", "propagate": False}},
}
