# SPDX-License-Identifier: PostgreSQL
"""caching.py: what is kept in Redis, under which key, and what makes it go.

    default    CUSTOMER:table:GENERATION:FILTER:PAGE    a page of the table, five minutes
               CUSTOMER:figures:GENERATION              the overview's figures, five minutes
               CUSTOMER:generation                      goes up when one of the customer's assets changes
               CUSTOMER:notice                          the notice board, with its own expiry, or for ever
               CUSTOMER:hits:THING, CUSTOMER:misses:THING    for the staff's page
    dropdowns  CUSTOMER:buildings, CUSTOMER:categories, CUSTOMER:people

The customer comes first, so that no pattern can reach across.

Table pages are many and their keys unknown, so nobody deletes them: a change raises the generation, and
pages of an old one are never asked for again and expire. This has no race: who reads rows just before
a change is committed stores them under the generation it read before, which nobody asks for afterwards.
Should the generation itself get lost, numbers begin anew, and the five minutes bound what is shown then.

Drop-downs are few and change rarely, so their keys are deleted. There the race exists, for the moment
between a reader's query and its SET, and the hour after which they expire bounds it.
"""

import hashlib
from urllib.parse import urlencode

from django.core.cache import cache, caches
from django.db import transaction
from django.db.models import Count
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from .models import Asset, Building, Category, Person, Site

dropdowns = caches["dropdowns"]

THINGS = ("table", "buildings", "categories", "people")


def raised(key):
    """Adds one to a number that is kept for ever, and begins with 0."""
    return cache.incr(key, ignore_key_check=True)


def remember(where, customer_id, thing, key, make):
    """What is cached under the key, or what `make` makes, which is cached then; counted either way."""
    value = where.get(key)
    raised(f"{customer_id}:{'misses' if value is None else 'hits'}:{thing}")
    if value is None:
        value = make()
        where.set(key, value)
    return value


# ---- the table and the figures -----------------------------------------------------------------


def generation(customer_id):
    return cache.get_or_set(f"{customer_id}:generation", 0, timeout=None)


def table_page(customer_id, filters, number, make):
    """A page of the customer's table; `filters` is a dict of what it was narrowed by."""
    digest = hashlib.sha256(urlencode(sorted(filters.items())).encode()).hexdigest()[:16]
    key = f"{customer_id}:table:{generation(customer_id)}:{digest}:{number}"
    return remember(cache, customer_id, "table", key, make)


def figures(customer_id):
    """How many assets the customer has in each state."""
    def make():
        rows = Asset.objects.of(customer_id).order_by().values_list("state").annotate(Count("id"))
        return dict(rows)

    return cache.get_or_set(f"{customer_id}:figures:{generation(customer_id)}", make)


@receiver([post_save, post_delete], sender=Asset)
def asset_changed(instance, **_):
    transaction.on_commit(lambda: table_changed(instance.customer_id))


def table_changed(customer_id):
    raised(f"{customer_id}:generation")


# ---- drop-downs --------------------------------------------------------------------------------


def choices(thing, customer_id):
    """[[id, text], …] of the customer's buildings, categories or people, for a drop-down."""
    queries = {
        "buildings": Building.objects.select_related("site"),
        "categories": Category.objects.all(),
        "people": Person.objects.all(),
    }

    def make():
        return [[row.pk, str(row)] for row in queries[thing].of(customer_id)]

    return remember(dropdowns, customer_id, thing, f"{customer_id}:{thing}", make)


@receiver([post_save, post_delete], sender=Site)
@receiver([post_save, post_delete], sender=Building)
@receiver([post_save, post_delete], sender=Category)
@receiver([post_save, post_delete], sender=Person)
def list_changed(instance, **_):
    """Their names stand in the table as well."""
    # Asked now: at the commit a deleted building's site may be gone, too.
    customer_id = instance.customer_id

    def forget():
        forget_dropdowns(customer_id)
        table_changed(customer_id)

    transaction.on_commit(forget)


def forget_dropdowns(customer_id):
    """Returns how many lists there were."""
    return dropdowns.delete_pattern(f"{customer_id}:*")


# ---- the notice board --------------------------------------------------------------------------


NOTICE_SECONDS = 60 * 60


def notice(customer_id):
    """The notice with the seconds that it stays (None: until it is taken down), or None."""
    key = f"{customer_id}:notice"
    found = cache.get(key)
    return found and {**found, "seconds": cache.ttl(key)}


def notice_put_up(customer_id, text, author):
    cache.set(f"{customer_id}:notice", {"text": text, "author": author}, timeout=NOTICE_SECONDS)


def notice_keep(customer_id):
    return cache.persist(f"{customer_id}:notice")


def notice_let_go(customer_id):
    """In an hour."""
    return cache.expire(f"{customer_id}:notice", timeout=NOTICE_SECONDS)


def notice_take_down(customer_id):
    return cache.delete(f"{customer_id}:notice")


# ---- for the staff's page ----------------------------------------------------------------------


def counts(customer_id):
    """[(thing, hits, misses)] of everything that is counted."""
    found = cache.get_many([f"{customer_id}:{what}:{thing}" for what in ("hits", "misses") for thing in THINGS])
    return [(thing, *(found.get(f"{customer_id}:{what}:{thing}", 0) for what in ("hits", "misses"))) for thing in THINGS]


def contents(where, customer_id):
    """[(key, seconds or None)] of what is cached about the customer, in order."""
    return [(key, where.ttl(key)) for key in sorted(set(where.iter_keys(f"{customer_id}:*")))]
