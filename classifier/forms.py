"""The forms of the pages. They check shape; services do the work."""

from typing import Any

from allauth.account.forms import SignupForm as AllauthSignupForm
from django import forms
from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.utils import timezone

from classifier.models import AccessToken, Collection, Invitation, User
from classifier.services import retention
from classifier.services.retention import NextDeletion
from classifier.templatetags.facet import taxonomy_label
from classifier.terms import TERMS_VERSION
from ml.labels import ATTRIBUTES, TAXONOMIES

ATTRIBUTE_CHOICES = {"race": "Perceived group", "gender": "Perceived gender", "age": "Perceived age"}
TOKEN_DAYS = [(7, "a week"), (30, "30 days"), (90, "90 days"), (365, "a year")]


class SignupForm(AllauthSignupForm):
    """A new account: it holds the terms of use, and the invitation where one is needed."""

    terms = forms.BooleanField(
        label="I accept the terms of use", error_messages={"required": "Facet can only be used under these terms."}
    )
    invite = forms.CharField(required=False, widget=forms.HiddenInput)

    def save(self, request: HttpRequest) -> Any:
        user = super().save(request)
        if isinstance(user, get_user_model()):
            user.accept_terms(version=TERMS_VERSION, by=user.username)
            self._use_invitation(user)
        return user

    def _use_invitation(self, user: User) -> None:
        if code := self.cleaned_data.get("invite"):
            Invitation.usable().filter(code=code).update(used_by=user, used_at=timezone.now())


class CollectionForm(forms.ModelForm):
    """What a collection is for and what is computed of it."""

    attributes = forms.MultipleChoiceField(
        label="What the model says of each face",
        choices=[(name, ATTRIBUTE_CHOICES[name]) for name in ATTRIBUTES],
        initial=list(ATTRIBUTES),
        widget=forms.CheckboxSelectMultiple,
        help_text="What is switched off is neither computed nor stored; of photos that are here already it is removed.",
        error_messages={"required": "Choose at least one: with none there is nothing to compute."},
    )
    taxonomy = forms.ChoiceField(
        label="Grouping",
        choices=[(name, taxonomy_label(name)) for name in TAXONOMIES],
        initial="fairface-7",
        help_text="How perceived groups are told. It can be switched at any time; nothing is computed anew.",
    )

    class Meta:
        model = Collection
        fields = ["name", "purpose", "attributes", "taxonomy", "retention_days", "is_opened_to_reviewers"]
        labels = {"retention_days": "Days to keep", "is_opened_to_reviewers": "Opened to reviewers"}
        help_texts = {
            "retention_days": "Photos go with the first midnight (UTC) after so many days; empty keeps them.",
            "purpose": "One or two sentences. It stays with the collection, for everybody who sees it.",
            "is_opened_to_reviewers": "Reviewers of this site may look at the photos and results.",
        }
        widgets = {"purpose": forms.Textarea(attrs={"rows": 3})}

    def values(self) -> dict[str, Any]:
        """What `create_collection` and `change_collection` take."""
        return {name: self.cleaned_data[name] for name in self.Meta.fields}


class NewCollectionForm(CollectionForm):
    """A new collection holds the declaration about its photos."""

    declaration = forms.BooleanField(
        label="I declare this for every photo I add",
        error_messages={"required": "Photos can only be added under this declaration."},
    )


class ChangeCollectionForm(CollectionForm):
    """A change that soon deletes photos is made only when that was seen and confirmed."""

    confirms_deletion = forms.BooleanField(label="Delete them", required=False)

    def foresee(self) -> NextDeletion | None:
        """What other days to keep delete next; None where they stay as they were."""
        if "retention_days" not in self.changed_data:
            return None
        return retention.foresee_change(self.instance, days=self.cleaned_data["retention_days"])

    def asks_first(self, doomed: NextDeletion | None) -> bool:
        """Whether the change must be confirmed first; then the form says so."""
        if doomed is None or not doomed.is_close or self.cleaned_data["confirms_deletion"]:
            return False
        self.add_error("retention_days", f"With this, {doomed}. Confirm it below, or choose more days.")
        return True


class ManyFilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class ManyFilesField(forms.FileField):
    """Several files in one field; each is looked at by the service, which has an outcome for every one of them."""

    widget = ManyFilesInput

    def clean(self, data: Any, initial: Any = None) -> Any:
        files = [file for file in data or [] if file]
        if not files:
            raise forms.ValidationError("No photo was chosen.", code="no_files")
        return files


class UploadForm(forms.Form):
    images = ManyFilesField(label="Photos", widget=ManyFilesInput(attrs={"accept": "image/*,.heic,.heif,.avif"}))


class TokenForm(forms.Form):
    """A key to the API."""

    name = forms.CharField(label="Name", max_length=80, help_text="Where it will be used, so that you know it again.")
    scope = forms.ChoiceField(label="May", choices=AccessToken.Scope.choices, initial=AccessToken.Scope.UPLOAD)
    days = forms.TypedChoiceField(label="Expires after", choices=TOKEN_DAYS, initial=90, coerce=int)
