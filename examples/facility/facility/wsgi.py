# SPDX-License-Identifier: PostgreSQL
"""wsgi.py: for gunicorn, uwsgi and the like: facility.wsgi:application"""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "facility.settings")
application = get_wsgi_application()
