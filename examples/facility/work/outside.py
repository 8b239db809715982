# SPDX-License-Identifier: PostgreSQL
"""outside.py: who is not always there: the pager's company and the supplier of parts.

Both stand in for a request over the network. They take a moment, and are busy for whoever asks the first two times:
their tasks are tried again, as they would be with real ones.
"""

import time


class Busy(Exception):
    pass


# For the tasks that ask them.
TRY_AGAIN = {"autoretry_for": (Busy,), "max_retries": 8, "retry_kwargs": {"countdown": 1}}


def request(whom, attempt):
    time.sleep(0.1)
    if attempt < 2:
        raise Busy(f"{whom}: busy, please try again")


def page(person, text, attempt):
    request(f"pager of {person.name}", attempt)
    return f"{person.phone}: {text}"


def order_part(reference, attempt):
    """The supplier's number of the order: the same for the same reference of ours."""
    request("supplier", attempt)
    return f"P-{reference}"
