# SPDX-License-Identifier: PostgreSQL
"""forms.py: what people fill in. Drop-downs come from the cache; what is chosen is checked against the
customer's own rows, so that nobody can post another customer's."""

from django import forms

from . import caching
from .models import Asset, Building, Category, Person

ANY = [("", "any")]


class LoginForm(forms.Form):
    username = forms.CharField(max_length=150, widget=forms.TextInput(attrs={"autofocus": True, "autocomplete": "username"}))
    password = forms.CharField(max_length=200, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}))
    keep = forms.BooleanField(required=False, label="Keep me signed in for two weeks")


class FilterForm(forms.Form):
    """What the table is narrowed by: only what is valid counts, the rest is ignored."""

    q = forms.CharField(max_length=60, required=False, label="Search", widget=forms.TextInput(
        attrs={"type": "search", "placeholder": "tag or name"}))
    building = forms.TypedChoiceField(coerce=int, required=False)
    category = forms.TypedChoiceField(coerce=int, required=False)
    state = forms.ChoiceField(choices=ANY + Asset.State.choices, required=False)

    def __init__(self, customer_id, data):
        super().__init__(data)
        self.fields["building"].choices = ANY + caching.choices("buildings", customer_id)
        self.fields["category"].choices = ANY + caching.choices("categories", customer_id)

    def filters(self):
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value not in ("", None)}


class AssetForm(forms.ModelForm):
    class Meta:
        model = Asset
        fields = ["name", "building", "category", "state", "responsible", "installed", "next_check", "note"]
        labels = {"next_check": "Next inspection"}
        widgets = {"installed": forms.DateInput(attrs={"type": "date"}),
                   "next_check": forms.DateInput(attrs={"type": "date"}),
                   "note": forms.Textarea(attrs={"rows": 4})}

    def __init__(self, customer_id, *arguments, **options):
        super().__init__(*arguments, **options)
        for name, thing, model in (("building", "buildings", Building), ("category", "categories", Category),
                                   ("responsible", "people", Person)):
            field = self.fields[name]
            field.queryset = model.objects.of(customer_id)
            nobody = [("", "nobody")] if name == "responsible" else []
            field.widget.choices = nobody + caching.choices(thing, customer_id)


class NameForm(forms.ModelForm):
    """A category or a building, of which only the name is edited."""

    class Meta:
        fields = ["name"]


class NoticeForm(forms.Form):
    text = forms.CharField(max_length=200, label="Notice")
