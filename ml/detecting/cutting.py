"""What R-Net and O-Net look at: the pixels in boxes on canvases."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ml.detecting.canvas import Canvas
from ml.detecting.views.protocol import Views
from ml.devices import upload


def cut_boxes(
    views: Views, canvases: Sequence[Canvas], boxes: Tensor, owners: Tensor, *, size: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Crops (N, 3, size, size) of the boxes that have any pixel inside their photo, and those boxes and owners."""
    # The networks were trained on corners counted from 1, both inclusive.
    corners = boxes[:, :4].trunc().long()
    sizes = np.array([[canvas.width, canvas.height] for canvas in canvases])
    limits = upload(sizes, device=boxes.device)[owners]
    low, high = corners[:, :2].clamp(min=1) - 1, torch.minimum(corners[:, 2:4], limits)
    inside = (high > low).all(dim=1).nonzero()[:, 0]
    boxes, owners = boxes[inside], owners[inside]
    return views.crops(owners, low[inside], high[inside], size=size), boxes, owners
