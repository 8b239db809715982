# SPDX-License-Identifier: PostgreSQL
"""urls_from_environment.py: REDIS_URL and DATABASE_URL as Django's settings want them.

    REDIS_URL     redis://USER:PASSWORD@HOST:PORT/0, rediss://… or unix://USER:PASSWORD@/PATH
    DATABASE_URL  postgresql://USER:PASSWORD@HOST:PORT/NAME?schema=SCHEMA&sslmode=…

`schema` puts the tables into a schema of that name, which must exist; every other word of the query
is libpq's. A host that begins with a slash (percent-encoded, or as ?host=) is a socket's folder.
"""

import os
import re
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from django.core.exceptions import ImproperlyConfigured


def read(name, schemes):
    """The URL in the environment variable, taken apart."""
    url = os.environ.get(name)
    if not url:
        raise ImproperlyConfigured(f"{name} is not set: the application needs REDIS_URL and DATABASE_URL")
    parts = urlsplit(url)
    if parts.scheme not in schemes:
        raise ImproperlyConfigured(f"{name} begins with {parts.scheme or 'nothing'}://, not with one of "
                                   f"{', '.join(f'{scheme}://' for scheme in schemes)}")
    return parts


def redis_url(number):
    """REDIS_URL with another database number."""
    parts = read("REDIS_URL", ("redis", "rediss", "unix"))
    if parts.scheme == "unix":
        query = urlencode({**dict(parse_qsl(parts.query)), "db": number})
        return urlunsplit(parts._replace(query=query))
    return urlunsplit(parts._replace(path=f"/{number}"))


def database():
    """DATABASE_URL as an entry of DATABASES, and the schema that it names."""
    parts = read("DATABASE_URL", ("postgresql", "postgres"))
    options = dict(parse_qsl(parts.query))
    schema = options.pop("schema", None)
    if schema:
        options["options"] = f"{options.get('options', '')} -c search_path={schema}".strip()
    # Not parts.hostname, which is in lower case, and a folder is not.
    host = re.match(r"\[(.*?)\]|([^:]*)", parts.netloc.rpartition("@")[2])
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path[1:]),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", None) or unquote(host[1] or host[2] or ""),
        "PORT": str(parts.port or ""),
        "OPTIONS": options,
    }, schema or "public"
