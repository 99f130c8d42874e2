import subprocess
import sys

import facenet_pytorch.models.mtcnn as original
import pytest
import torch
from torchvision.ops import batched_nms

from ml.detecting import mtcnn

LOAD_AND_LOOK = """
import sys
from PIL import Image
from ml.pipeline import FacePipeline
from ml.requests import Chip, PhotoRequest

pipeline = FacePipeline.load(device="cpu", threads=1)
grey = Image.new("RGB", (640, 480), "grey")
pipeline.analyze([PhotoRequest(grey), PhotoRequest(grey, chips=(Chip(320, 240, 200, 0),))])
print(sorted({"torchvision", "facenet_pytorch", "torch._dynamo", "sympy", "captum", "timm"} & set(sys.modules)))
"""


@pytest.mark.parametrize(("name", "theirs"), [("pnet", "PNet"), ("rnet", "RNet"), ("onet", "ONet")])
def test_the_layers_are_those_of_facenet_pytorch(name, theirs):
    mine, other = mtcnn.read_net(name), getattr(original, theirs)()
    layers = {layer: repr(module) for layer, module in other.named_children() if not layer.startswith("softmax")}
    assert {layer: repr(module) for layer, module in mine.named_children()} == layers
    assert all(torch.equal(values, other.state_dict()[key]) for key, values in mine.state_dict().items())
    assert not any(values.requires_grad for values in mine.parameters())


@pytest.mark.parametrize("count", [0, 1, 30, 1_000, 1_001, 3_000])
def test_boxes_are_suppressed_as_torchvision_does(count):
    rng = torch.Generator().manual_seed(count)
    low = torch.rand(count, 2, generator=rng) * 400
    boxes = torch.cat([low, low + 20 + torch.rand(count, 2, generator=rng) * 60], dim=1)
    scores, groups = torch.rand(count, generator=rng), torch.randint(0, 5, (count,), generator=rng)
    kept = mtcnn.suppress(boxes, scores, groups, threshold=0.5)
    assert torch.equal(kept, batched_nms(boxes, scores, groups, 0.5))
    assert count < 1_000 or len(kept) < count


def test_a_worker_loads_neither_torchvision_nor_torchs_compiler():
    found = subprocess.run([sys.executable, "-c", LOAD_AND_LOOK], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


WITHOUT_THE_LIBRARY = """
import importlib.util, sys
from types import SimpleNamespace

find = importlib.util.find_spec
empty = SimpleNamespace(submodule_search_locations=["/nowhere"])
importlib.util.find_spec = lambda name, *more: empty if name == "torchvision" else find(name, *more)
from ml.detecting import mtcnn
import torch

assert "torchvision" in sys.modules
print(mtcnn.suppress(torch.tensor([[0.0, 0, 9, 9]]), torch.ones(1), torch.zeros(1), threshold=0.5).tolist())
"""


def test_a_torchvision_whose_library_has_another_name_is_imported():
    found = subprocess.run([sys.executable, "-c", WITHOUT_THE_LIBRARY], capture_output=True, text=True)
    assert (found.stdout.strip(), found.stderr) == ("[0]", "")
