# SPDX-License-Identifier: PostgreSQL
"""views.py: the pages, in the order in which the menu has them."""

from functools import wraps

from django.contrib import messages
from django.contrib.auth import login as auth_login, logout as auth_logout
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.core.paginator import EmptyPage, Paginator
from django.db.models import Count, Q
from django.forms import modelform_factory
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render, resolve_url
from django.conf import settings
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST
from redis.exceptions import LockError

from . import caching, logins
from .forms import AssetForm, FilterForm, LoginForm, NameForm, NoticeForm
from .models import Asset, Building, Category, Person

ROWS = 25


def signed_in(view=None, staff=False):
    """The view gets `request.person`, whose customer is the only one whose rows it may touch."""
    if view is None:
        return lambda view: signed_in(view, staff)

    @wraps(view)
    def guarded(request, *arguments, **options):
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        request.person = Person.objects.select_related("customer").filter(user=request.user).first()
        if request.person is None or staff and not request.user.is_staff:
            raise PermissionDenied
        return view(request, *arguments, **options)

    return guarded


# ---- signing in and out ------------------------------------------------------------------------


def login(request):
    form = LoginForm(request.POST or None)
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            user = logins.sign_in(request, form.cleaned_data["username"], form.cleaned_data["password"])
        except logins.TooManyTries as refused:
            minutes = max(1, -(-refused.seconds // 60))
            form.add_error(None, f"Too many tries. Please wait {minutes} minute{'s' if minutes > 1 else ''}.")
            status = 429
        except LockError:
            form.add_error(None, "Somebody else is trying to sign in with this name. Please try again.")
            status = 429
        else:
            if user is not None:
                return signed_in_now(request, user, form.cleaned_data["keep"])
            form.add_error(None, "The name or the password is wrong.")
    return render(request, "assets/login.html", {"form": form, "next": request.GET.get("next", "")}, status=status)


def signed_in_now(request, user, keep):
    auth_login(request, user)
    if keep:
        request.session.set_expiry(settings.KEEP_SIGNED_IN_SECONDS)
    target = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}):
        target = resolve_url(settings.LOGIN_REDIRECT_URL)
    return redirect(target)


@require_POST
def logout(request):
    auth_logout(request)
    return redirect("login")


# ---- the pages ---------------------------------------------------------------------------------


@signed_in
def overview(request):
    customer = request.person.customer_id
    figures = caching.figures(customer)
    return render(request, "assets/overview.html", {
        "states": [(state, figures.get(state.value, 0)) for state in Asset.State],
        "total": sum(figures.values()),
        "notice": caching.notice(customer),
    })


@signed_in
def table(request):
    """Filtered and paged; whole pages of rows come from the cache."""
    customer = request.person.customer_id
    form = FilterForm(customer, request.GET)
    filters = form.filters()
    number = request.GET.get("page", "1")
    if not number.isascii() or not number.isdigit() or len(number) > 6:
        raise Http404
    number = int(number)
    page = caching.table_page(customer, filters, number, lambda: rows_of(customer, filters, number))
    if page["of"] < number or number < 1:
        raise Http404
    # Where "back" leads to, and where saving an asset returns.
    request.session["table"] = request.GET.urlencode()
    query = request.GET.copy()
    query.pop("page", None)
    return render(request, "assets/table.html", {"form": form, "page": page, "query": query.urlencode()})


def rows_of(customer, filters, number):
    """A page of rows as plain data, which is what can be cached."""
    assets = Asset.objects.of(customer).select_related("building__site", "category", "responsible")
    if "q" in filters:
        assets = assets.filter(Q(tag__icontains=filters["q"]) | Q(name__icontains=filters["q"]))
    for field in ("building", "category", "state"):
        if field in filters:
            assets = assets.filter(**{field: filters[field]})
    paginator = Paginator(assets, ROWS)
    try:
        found = paginator.page(number)
    except EmptyPage:
        found = []
    return {
        "number": number, "of": paginator.num_pages, "total": paginator.count,
        "rows": [{
            "tag": asset.tag, "name": asset.name, "building": str(asset.building), "category": asset.category.name,
            "state": asset.state, "state_text": asset.get_state_display(),
            "responsible": asset.responsible.name if asset.responsible else "",
            "next_check": asset.next_check.isoformat() if asset.next_check else "",
        } for asset in found],
    }


@signed_in
def asset(request, tag):
    customer = request.person.customer_id
    found = get_object_or_404(Asset.objects.of(customer), tag=tag)
    form = AssetForm(customer, request.POST or None, instance=found)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, f"{found.tag} was saved.")
        back = request.session.get("table")
        return redirect(f"{resolve_url('table')}{'?' + back if back else ''}")
    return render(request, "assets/asset.html", {"form": form, "asset": found, "back": request.session.get("table", "")})


@signed_in
def people(request):
    found = Person.objects.of(request.person.customer_id).select_related("user").annotate(looks_after=Count("assets"))
    return render(request, "assets/people.html", {"people": found})


# ---- what is behind the drop-downs -------------------------------------------------------------

LISTS = {"buildings": Building, "categories": Category}


@signed_in(staff=True)
def lists(request):
    customer = request.person.customer_id
    form = modelform_factory(Category, form=NameForm)(request.POST or None, instance=Category(customer_id=customer))
    if request.method == "POST" and name_is_new(form, Category):
        form.save()
        messages.success(request, f"{form.instance.name} was added.")
        return redirect("lists")
    return render(request, "assets/lists.html", {
        "form": form, "lists": [(thing, caching.choices(thing, customer)) for thing in LISTS]})


@signed_in(staff=True)
def rename(request, thing, number):
    if thing not in LISTS:
        raise Http404
    model = LISTS[thing]
    found = get_object_or_404(model.objects.of(request.person.customer_id), pk=number)
    form = modelform_factory(model, form=NameForm)(request.POST or None, instance=found)
    if request.method == "POST" and name_is_new(form, model):
        form.save()
        messages.success(request, f"It is called {found.name} now.")
        return redirect("lists")
    return render(request, "assets/rename.html", {"form": form})


def name_is_new(form, model):
    """Valid, and nothing else of the kind has the name (a ModelForm leaves out rules on hidden fields)."""
    if not form.is_valid():
        return False
    same = {"site": form.instance.site} if model is Building else {"customer": form.instance.customer_id}
    if model.objects.filter(name=form.cleaned_data["name"], **same).exclude(pk=form.instance.pk).exists():
        form.add_error("name", "There is one of this name already.")
        return False
    return True


# ---- for staff ---------------------------------------------------------------------------------


@signed_in(staff=True)
def cached(request):
    """What is in the caches about the customer, for how long, and how often it was found there."""
    customer = request.person.customer_id
    return render(request, "assets/cached.html", {
        "counts": caching.counts(customer),
        "caches": [("general, in database 1", caching.contents(caching.cache, customer)),
                   ("drop-downs, in database 2", caching.contents(caching.dropdowns, customer))],
        "notice": caching.notice(customer),
        "form": NoticeForm(),
    })


@require_POST
@signed_in(staff=True)
def notice(request, what):
    customer = request.person.customer_id
    if what == "put-up":
        form = NoticeForm(request.POST)
        if form.is_valid():
            caching.notice_put_up(customer, form.cleaned_data["text"], request.person.name)
    elif what == "keep":
        caching.notice_keep(customer)
    elif what == "let-go":
        caching.notice_let_go(customer)
    elif what == "take-down":
        caching.notice_take_down(customer)
    else:
        raise Http404
    return redirect("cached")


@require_POST
@signed_in(staff=True)
def forget(request):
    number = caching.forget_dropdowns(request.person.customer_id)
    messages.success(request, f"{number} list{'' if number == 1 else 's'} will be read again.")
    return redirect("cached")
