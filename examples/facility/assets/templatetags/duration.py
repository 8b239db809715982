# SPDX-License-Identifier: PostgreSQL
"""duration.py: {{ seconds|left }}: how long something stays yet."""

from django import template

register = template.Library()


@register.filter
def left(seconds):
    if seconds is None:
        return "for ever"
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
