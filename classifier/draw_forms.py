"""Forms of draws: what is drawn, how much more of it, and who is asked to review."""

from typing import Any

from django import forms

from classifier.http.numbers import read_number
from classifier.models import Collection, Draw
from classifier.services.reviews import codebooks
from classifier.templatetags.facet import attribute_title

KINDS = [
    (Draw.Kind.FACES, "Faces, to tell how people perceive them"),
    (Draw.Kind.PHOTOS, "Photos, to count the faces that were missed"),
]
MOST_TYPED = 999_999  # a size beyond it is no number at all
RECEIVED = {"received_from": "Received from", "received_to": "Received until"}


class DrawForm(forms.Form):
    """A new draw. `size` is a number that the page worked out, or "other", which then stands in `other`."""

    kind = forms.ChoiceField(label="Draw", choices=KINDS, initial=Draw.Kind.FACES, widget=forms.RadioSelect)
    attribute = forms.ChoiceField(
        label="Drawn evenly by",
        help_text="Small groups of this are not missed. All that is computed is asked about each face.",
    )
    size = forms.CharField(required=False)
    other = forms.IntegerField(label="Another number", required=False, min_value=1)
    codebook = forms.CharField(
        label="What reviewers are told",
        max_length=10_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 10}),
        help_text="It is kept with the draw, in this version, and can be read while reviewing.",
    )

    def __init__(self, *args: Any, collection: Collection, narrowed: Any, **kwargs: Any) -> None:
        """`narrowed` are the gallery's filters, bound to the same data under a prefix of their own."""
        super().__init__(*args, **kwargs)
        self.narrowed = narrowed
        attribute: Any = self.fields["attribute"]
        attribute.choices = [(name, attribute_title(name)) for name in collection.attributes]
        self.fields["codebook"].initial = codebooks.current_text(collection)
        for name, title in RECEIVED.items():
            self.fields[name] = forms.DateField(
                label=title, required=False, widget=forms.DateInput(attrs={"type": "date"})
            )

    @property
    def filter_fields(self) -> list[forms.BoundField]:
        """What narrows a draw; photos that are not analysed are in none, so their state is no filter of it."""
        others = [field for field in self.narrowed.form if field.name != "state"]
        return [*(self[name] for name in RECEIVED), *others]

    def is_valid(self) -> bool:
        return super().is_valid() and self.narrowed.form.is_valid()

    def chosen(self) -> dict[str, str]:
        """The filter, as draws keep it; what is not valid is left to the form's own words."""
        days = {name: self.cleaned_data.get(name) for name in RECEIVED}
        told = {name: day.isoformat() for name, day in days.items() if day}
        return told | {name: str(value) for name, value in self.narrowed.chosen.items() if name != "state"}

    def is_photos(self) -> bool:
        return self.cleaned_data.get("kind") == Draw.Kind.PHOTOS

    def wanted_size(self) -> int | None:
        """How many, where the form says it."""
        size = self.cleaned_data.get("size", "")
        if size == "other" or not size:
            other: int | None = self.cleaned_data.get("other")
            return other
        return read_number(size, most=MOST_TYPED)


class MoreForm(forms.Form):
    """So many more, of the same draw or out of later photos."""

    size = forms.IntegerField(label="How many more", min_value=1, max_value=20_000)


class InviteForm(forms.Form):
    """Somebody who may review."""

    name = forms.CharField(label="User name or e-mail address", max_length=254)
