# SPDX-License-Identifier: PostgreSQL
"""urls.py: the addresses of the pages."""

from django.urls import path

from . import views

urlpatterns = [
    path("", views.overview, name="overview"),
    path("login/", views.login, name="login"),
    path("logout/", views.logout, name="logout"),
    path("assets/", views.table, name="table"),
    path("assets/<slug:tag>/", views.asset, name="asset"),
    path("people/", views.people, name="people"),
    path("lists/", views.lists, name="lists"),
    path("lists/<slug:thing>/<int:number>/", views.rename, name="rename"),
    path("cached/", views.cached, name="cached"),
    path("cached/notice/<slug:what>/", views.notice, name="notice"),
    path("cached/forget/", views.forget, name="forget"),
]
