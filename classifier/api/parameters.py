"""The query parameters that several addresses share."""

import math
import re

from drf_spectacular.utils import OpenApiParameter
from rest_framework import exceptions
from rest_framework.request import Request

from ml import labels
from ml.attributes import ATTRIBUTES

GROUPED = " and ".join(name for name, attribute in ATTRIBUTES.items() if attribute.taxonomies)
MAX_WAIT_SECONDS = 30
UID_OR_NOTHING = re.compile(r"^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?$")

WAIT = OpenApiParameter(
    "wait",
    {"type": "number", "minimum": 0, "maximum": MAX_WAIT_SECONDS, "default": 0},
    description="Seconds to wait for photos that are still pending. A busy site answers at once.",
)
TAXONOMY = OpenApiParameter(
    "taxonomy",
    {"type": "string", "enum": list(labels.TAXONOMIES), "default": labels.FINEST},
    description=f"The grouping to tell {GROUPED} in. Stored vectors are summed; the model does not run again.",
)


def read_wait(request: Request) -> float:
    """`?wait=` in seconds, 0.0 by default. Raises ValidationError."""
    try:
        seconds = float(request.query_params.get("wait", "0"))
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= MAX_WAIT_SECONDS:
        raise exceptions.ValidationError({"wait": [f"A number of seconds from 0 to {MAX_WAIT_SECONDS}."]})
    return seconds


def read_taxonomy(request: Request) -> str:
    """`?taxonomy=`, the finest by default. Raises ValidationError."""
    taxonomy = request.query_params.get("taxonomy", labels.FINEST)
    if taxonomy not in labels.TAXONOMIES:
        raise exceptions.ValidationError({"taxonomy": [f"One of {', '.join(labels.TAXONOMIES)}."]})
    return taxonomy
