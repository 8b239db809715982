#!/usr/bin/python3
# SPDX-License-Identifier: PostgreSQL
"""manage.py: Django's commands for this project: migrate, demo, runserver, shell, …"""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "facility.settings")
    execute_from_command_line(sys.argv)
