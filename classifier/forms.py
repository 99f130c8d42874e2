"""The forms of the pages. They check shape; services do the work."""

from typing import TYPE_CHECKING, Any, TypeAlias

from allauth.account.adapter import get_adapter
from allauth.account.forms import AddEmailForm as AllauthAddEmailForm
from allauth.account.forms import ChangePasswordForm as AllauthChangePasswordForm
from allauth.account.forms import ResetPasswordForm as AllauthRequestResetForm
from allauth.account.forms import ResetPasswordKeyForm as AllauthResetPasswordForm
from allauth.account.forms import SignupForm as AllauthSignupForm
from allauth.account.models import EmailAddress
from allauth.core import context
from django import forms
from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url

from classifier.accounts import find_invitation
from classifier.http import visitors
from classifier.intake import formats
from classifier.models import AccessToken, Collection, User
from classifier.models.collections import all_attributes
from classifier.services import attempts, collections, invitations, retention, tokens
from classifier.services.retention import NextDeletion
from classifier.templatetags.facet import attribute_label, group_label
from classifier.terms import TERMS_VERSION
from ml.attributes import ATTRIBUTES
from ml.labels import FINEST, TAXONOMIES

if TYPE_CHECKING:
    CollectionModelForm: TypeAlias = forms.ModelForm[Collection]
else:
    CollectionModelForm = forms.ModelForm  # takes no parameter outside of the stubs

TOKEN_DAYS = [(7, "a week"), (30, "30 days"), (90, "90 days"), (365, "a year")]


class SignupForm(AllauthSignupForm):
    """A new account: it holds the terms of use, and the invitation where one is needed.

    That a user name is taken is told only where an account would be made otherwise, and not often: whoever tries which
    names are there makes an account with each that is not.
    """

    terms = forms.BooleanField(
        label="I accept the terms of use", error_messages={"required": "Facet can only be used under these terms."}
    )
    invite = forms.CharField(required=False, widget=forms.HiddenInput)

    def clean_username(self) -> str:
        return str(get_adapter().clean_username(self.cleaned_data["username"], shallow=True))

    def validate_unique_email(self, value: str) -> str:
        """An address with an account gets another, unconfirmed: no answer and no later one tells the two apart."""
        return str(get_adapter().validate_unique_email(value))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors:
            self._find_taken_name(cleaned["username"])
        checked: dict[str, Any] = self.cleaned_data
        return checked

    def _find_taken_name(self, username: str) -> None:
        try:
            get_adapter().clean_username(username)
        except forms.ValidationError as taken:
            attempts.take_taken_name(visitor=visitors.find_address(context.request))
            self.add_error("username", taken)

    def try_save(self, request: HttpRequest) -> tuple[Any, HttpResponse | None]:
        """The user, or the page that is shown instead of making one."""
        try:
            with transaction.atomic():
                saved: tuple[Any, HttpResponse | None] = super().try_save(request)
                return saved
        except invitations.InvitationUsed:
            return None, render(request, "account/signup_closed.html")
        except IntegrityError:  # the same name twice at once: the second is told as if it had come later
            self._find_taken_name(self.cleaned_data["username"])
            if not self.errors:
                raise
            context_data = {"form": self, "login_url": resolve_url("account_login")}
            return None, render(request, "account/signup.html", context_data)

    def save(self, request: HttpRequest) -> Any:
        """The account with its terms and its invitation: all of it or nothing. Raises InvitationUsed."""
        code = find_invitation(request)
        is_guest = settings.FACET_SIGNUP == "invite" or invitations.is_usable(code)
        if is_guest:
            invitations.claim(code)
        user = super().save(request)
        if isinstance(user, User):
            user.accept_terms(version=TERMS_VERSION, by=user.username)
            if is_guest:
                invitations.note_guest(code, user=user)
        return user


class AddEmailForm(AllauthAddEmailForm):
    """Another address, which takes the place of the present one once it is confirmed."""

    def save(self, request: HttpRequest) -> EmailAddress:
        # allauth would take the present address, where nobody confirmed it, for an earlier wish and forget it.
        EmailAddress.objects.filter(user=self.user, verified=False).delete()
        added: EmailAddress = super().save(request)
        return added


class ChangePasswordForm(AllauthChangePasswordForm):
    """A new password; whether the keys to the API still hold is asked of those who have some."""

    revoke_tokens = forms.BooleanField(
        label="Revoke my API tokens too",
        required=False,
        initial=True,
        help_text="Programs that use them stop. Keep them only if nobody else can know the old password.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not AccessToken.objects.filter(user=self.user).exists():
            del self.fields["revoke_tokens"]

    def save(self) -> None:
        with transaction.atomic():
            super().save()
            if self.cleaned_data.get("revoke_tokens"):
                tokens.revoke_all(self.user, because="password changed", by=self.user)


class RequestResetForm(AllauthRequestResetForm):
    """A mail with a link to a new password; the answer is the same whether the address is anybody's."""

    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        """Raises TooManyAttempts instead of filling somebody's mailbox."""
        attempts.take_reset(self.cleaned_data["email"], visitor=visitors.find_address(request))
        return str(super().save(request, **kwargs))


class ResetPasswordForm(AllauthResetPasswordForm):
    """A new password by a mailed link: whoever had the old one keeps nothing, and the owner is let in at once."""

    def save(self) -> None:
        with transaction.atomic():
            super().save()
            tokens.revoke_all(self.user, because="password reset", by=self.user)
        attempts.lift_limits(self.user)


class PasswordForm(forms.Form):
    """The password once more, before something that cannot be taken back."""

    password = forms.CharField(
        label="Password", widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}), strip=False
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        if not self.user.check_password(password):
            raise forms.ValidationError("This is not your password.", code="wrong_password")
        return password


class CollectionForm(CollectionModelForm):
    """What a collection is for and what is computed of it."""

    attributes = forms.MultipleChoiceField(
        label="What the model says of each face",
        choices=lambda: [(name, ATTRIBUTES[name].title) for name in all_attributes()],
        initial=all_attributes,
        widget=forms.CheckboxSelectMultiple,
        help_text="What is switched off is neither computed nor stored; of photos that are here already it is removed.",
        error_messages={"required": "Choose at least one: with none there is nothing to compute."},
    )
    taxonomy = forms.ChoiceField(
        label="Grouping",
        choices=[(name, group_label(name)) for name in TAXONOMIES],
        initial=FINEST,
        help_text="How perceived groups are told. It can be switched at any time; nothing is computed anew.",
    )

    detail = forms.ChoiceField(
        label="Search for faces",
        choices=Collection.Detail.choices,
        initial=Collection.Detail.NORMAL,
        required=False,  # whoever does not say wants what it is
        help_text="How closely photos are searched. Those that are here already keep their faces until they are "
        "detected again.",
    )

    def clean_detail(self) -> str:
        return str(self.cleaned_data["detail"] or self.instance.detail)

    class Meta:
        model = Collection
        fields = ["name", "purpose", "attributes", "taxonomy", "detail", "retention_days", "is_opened_to_reviewers"]
        labels = {
            "retention_days": "Days to keep",
            "is_opened_to_reviewers": "Opened to reviewers",
        }
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
    """A new collection holds the declaration about its photos, and says for good what of them is kept."""

    class Meta(CollectionForm.Meta):
        fields = [*CollectionForm.Meta.fields, "is_aggregate_only", "keeps_capture_dates"]
        labels = CollectionForm.Meta.labels | {
            "is_aggregate_only": "Keep only sums (aggregate-only)",
            "keeps_capture_dates": "Keep the day on which each photo was taken",
        }
        help_texts = CollectionForm.Meta.help_texts | {
            "is_aggregate_only": "Each photo is deleted, with its faces, as soon as it was counted; shares and their "
            "intervals stay. There is no gallery and nothing to review, and numbers under 10 faces are never told by "
            "themselves. It is chosen now and holds for good.",
            "keeps_capture_dates": "From the camera's own note in the file, to tell a report by month. It is chosen "
            "now and holds for good. Where a photo was taken, and by which camera, is never kept.",
        }

    declaration = forms.BooleanField(
        label="I declare this for every photo I add",
        error_messages={"required": "Photos can only be added under this declaration."},
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("is_aggregate_only") and cleaned.get("keeps_capture_dates"):
            self.add_error("keeps_capture_dates", collections.NO_DAYS)
        return cleaned


class ChangeCollectionForm(CollectionForm):
    """A change that soon deletes photos, or results at once, is made only when that was seen and confirmed."""

    confirms_deletion = forms.BooleanField(label="Delete them", required=False)
    confirms_removal = forms.MultipleChoiceField(
        label="Results that go",
        choices=[(name, attribute.title) for name, attribute in ATTRIBUTES.items()],
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )
    computes_again = forms.BooleanField(
        required=False,
        help_text="The photos wait their turn and are looked at with the present model; until then they tell what "
        "they tell now. Tick it to have back what was switched off before.",
    )

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

    def foresee_removal(self) -> dict[str, collections.Removal]:
        """What goes with each attribute that is switched off here."""
        gone = set(self.initial["attributes"]) - set(self.cleaned_data["attributes"])
        return collections.foresee_removal(self.instance, attributes=[name for name in ATTRIBUTES if name in gone])

    def asks_about_results(self, going: dict[str, collections.Removal]) -> bool:
        """Whether the removal of results must be confirmed first, each attribute by itself; then the form says so."""
        if going.keys() <= set(self.cleaned_data["confirms_removal"]):
            return False
        told = [(name, f"{removal} of {attribute_label(name)}") for name, removal in going.items()]
        self.fields["confirms_removal"].choices = [(name, f"Delete {words}") for name, words in told]  # type: ignore[attr-defined]
        listed = ", and ".join(words for _, words in told)
        self.add_error("attributes", f"This deletes for good {listed}. Confirm it below, or leave the box ticked.")
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
    images = ManyFilesField(label="Photos", widget=ManyFilesInput(attrs={"accept": formats.ACCEPTED}))


class TokenForm(forms.Form):
    """A key to the API."""

    name = forms.CharField(label="Name", max_length=80, help_text="Where it will be used, so that you know it again.")
    scope = forms.ChoiceField(label="May", choices=AccessToken.Scope.choices, initial=AccessToken.Scope.UPLOAD)
    days = forms.TypedChoiceField(label="Expires after", choices=TOKEN_DAYS, initial=90, coerce=int)
