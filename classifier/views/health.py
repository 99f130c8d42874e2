"""Signs of life for whoever runs the site: no log-in, and no names in the answers."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from classifier.services import disk, workers


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """The web process answers. Touches nothing else, so it says nothing of the database or the workers."""
    return HttpResponse("ok", content_type="text/plain")


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when photos sent now will be analysed, and jobs done, else 503; the JSON says what is missing.

    A disk that is low or full is told and does not change the status: whoever makes room must get through.
    """
    found = workers.readiness()
    body = {
        "ready": found.ready,
        "database": found.database,
        "queue_moving": found.queue_moving,
        "model_loaded": found.model_loaded,
        "disk": disk.measure().state,
        "workers": [{"device": worker.device, "model": worker.model} for worker in found.workers],
    }
    return JsonResponse(body, status=200 if found.ready else 503)
