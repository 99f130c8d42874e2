"""The door to the model: what the settings say reaches it, and one that cannot be loaded is told in a line."""

import logging
from types import SimpleNamespace

import pytest

from classifier import inference, tasks
from tests import fakes

WORKER = SimpleNamespace(hostname="facet1@here")


def test_the_settings_reach_the_pipeline(settings, monkeypatch, tmp_path):
    given = []
    monkeypatch.setattr(fakes.FakePipeline, "load", lambda folder, **more: given.append((folder, more)))
    inference.get_pipeline()
    inference.get_pipeline.cache_clear()
    settings.MODEL_DIR, settings.RUNTIME, settings.DEVICE, settings.TORCH_THREADS = str(tmp_path), "onnx", "cpu", 1
    inference.get_pipeline()
    assert given == [
        (None, {"runtime": None, "device": None, "threads": None}),
        (tmp_path, {"runtime": "onnx", "device": "cpu", "threads": 1}),
    ]


def test_a_model_that_cannot_be_loaded_is_named(settings, tmp_path):
    settings.PIPELINE, settings.MODEL_DIR = "ml.pipeline.FacePipeline", str(tmp_path)
    with pytest.raises(inference.UnusableModel, match=r"no model\.json in "):
        inference.get_pipeline()
    settings.MODEL_DIR, settings.DEVICE = "", "no-such-device"
    with pytest.raises(inference.UnusableModel, match="FACET_DEVICE is no-such-device"):
        inference.get_pipeline()
    settings.PIPELINE = "ml.pipeline.Nothing"
    with pytest.raises(inference.UnusableModel, match=r"FACET_PIPELINE is ml\.pipeline\.Nothing"):
        inference.get_pipeline()


def test_a_worker_without_a_model_ends_and_says_why_in_a_line(settings, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("facet"), "propagate", True)
    settings.PIPELINE, settings.MODEL_DIR = "ml.pipeline.FacePipeline", str(tmp_path)
    with pytest.raises(SystemExit) as end:
        tasks.start_worker(WORKER)
    assert end.value.code == 1
    assert caplog.messages == [f"facet1@here cannot start: no model.json in {tmp_path}"]


def test_a_worker_prepares_explanations_where_the_model_allows_them(monkeypatch):
    from ml.model import gradients, runtime

    loaded = []
    monkeypatch.setattr(gradients, "load_captum", lambda: loaded.append(1))
    inference.prepare_explanations()
    assert loaded == []  # a stand-in
    for kind, times in ((runtime.OnnxRuntime, 0), (runtime.TorchRuntime, 1)):
        pipeline = SimpleNamespace(runtime=kind.__new__(kind))
        monkeypatch.setattr(inference, "get_pipeline", lambda pipeline=pipeline: pipeline)
        inference.prepare_explanations()
        assert len(loaded) == times
