# SPDX-License-Identifier: PostgreSQL
"""logins.py: at most five wrong passwords in a quarter of an hour, for a name from an address.

A try is counted when its password has turned out wrong, a tenth of a second after it was asked
whether there may be another: a hundred requests at once would all be told yes. So a name's tries from an
address go one after the other, under a lock that every process of the application shares.
"""

from django.conf import settings
from django.contrib.auth import authenticate
from django.core.cache import cache


class TooManyTries(Exception):
    """No password is looked at now; `seconds` until one is again."""

    def __init__(self, seconds):
        super().__init__(seconds)
        self.seconds = seconds


def sign_in(request, username, password):
    """The user, or None if the password is wrong; raises TooManyTries, and LockError under a flood."""
    # Behind a proxy REMOTE_ADDR has to be what the proxy says, or all users share their tries.
    key = f"tries:{request.META['REMOTE_ADDR']}:{username.lower()}"
    with cache.lock(f"{key}:lock", timeout=30, blocking_timeout=20):
        if cache.get(key, 0) >= settings.LOGIN_TRIES:
            raise TooManyTries(cache.ttl(key))
        user = authenticate(request, username=username, password=password)
        if user is None:
            try:
                cache.incr(key)
            except ValueError:
                # The first try begins the quarter of an hour; those that follow do not prolong it.
                cache.set(key, 1, timeout=settings.LOGIN_PERIOD)
        else:
            cache.delete(key)
        return user
