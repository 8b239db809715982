# SPDX-License-Identifier: PostgreSQL
"""tasks: forty-seven, in five modules, each of which has its queue (facility/celery.py).

The last one of each module is what the schedule asks for; it asks for the others, for every customer.
"""

from . import cleanup, mail, maintenance, notification, report  # noqa: F401
