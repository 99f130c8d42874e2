"""Forms by which tables come in: tags of photos, and labels of faces. Services read them."""

from typing import Any

from django import forms
from django.conf import settings

from classifier.models import Review, User


class TableForm(forms.Form):
    """A table of tags; `services.tags` reads it."""

    table = forms.FileField(
        label="Table",
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,.tsv,.txt,text/csv"}),
        error_messages={"required": "No table was chosen.", "empty": "This file is empty."},
    )

    def clean_table(self) -> Any:
        file = self.cleaned_data["table"]
        if file.size > settings.MAX_TABLE_BYTES:
            raise forms.ValidationError(f"A table may have {settings.MAX_TABLE_BYTES // 1024**2} MB. Send it in parts.")
        return file


class LabelsForm(TableForm):
    """A file of labels that others gave; `services.reviews.importing` reads it."""

    source = forms.ChoiceField(
        label="What these labels are",
        choices=[
            (Review.Source.REFERENCE, "Reference: said by others than the people pictured"),
            (Review.Source.SELF_IDENTIFIED, "Self-identified: said by the people pictured"),
        ],
        initial=Review.Source.REFERENCE,
        widget=forms.RadioSelect,
    )
    leaves_out_unknown = forms.BooleanField(
        label="Leave out lines about faces that are not here",
        required=False,
        help_text="Of photos that this collection does not have, and of faces that were not found in them. "
        "Otherwise one such line keeps the whole file out.",
    )
    is_random_draw = forms.BooleanField(label="The faces were drawn at random", required=False)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["is_random_draw"].help_text = (
            "Among all faces of this collection, each with the same chance. Only then do they make shares, as the "
            f"answers of a draw do. It is kept with the draw that {user.get_username()} says so."
        )
