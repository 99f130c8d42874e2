"""The columns of tags of a collection: a table comes in, and what fitted is told."""

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from classifier.models import Collection, TagColumn
from classifier.services import tags
from classifier.table_forms import TableForm
from classifier.views.access import UserRequest, login_required


@login_required
@require_http_methods(["GET", "POST"])
def tag_list(request: UserRequest, uid: UUID) -> HttpResponse:
    collection = get_object_or_404(Collection.objects.owned_by(request.user), uid=uid)
    form = TableForm(request.POST, request.FILES) if request.method == "POST" else TableForm()
    told = None
    if request.method == "POST" and form.is_valid():
        try:
            told = tags.store_table(collection, content=form.cleaned_data["table"].read())
        except tags.BadTable as refused:
            form.add_error("table", str(refused))
        else:
            form = TableForm()
    columns = collection.tag_columns.with_counts()
    context = {"collection": collection, "form": form, "told": told, "columns": columns}
    return render(request, "tags/list.html", context | {"max_table_mb": settings.MAX_TABLE_BYTES // 1024**2})


@login_required
@require_POST
def remove(request: UserRequest, uid: UUID) -> HttpResponse:
    owned = Collection.objects.owned_by(request.user)
    column = get_object_or_404(TagColumn.objects.filter(collection__in=owned).select_related("collection"), uid=uid)
    tags.remove_column(column)
    messages.success(request, f"The column “{column.name}” was removed from all photos.")
    return redirect("tag-list", uid=column.collection.uid)
