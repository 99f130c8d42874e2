import io
import sys
from dataclasses import replace

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from classifier.models import State
from classifier.services import analysis
from ml import bench, export, predict
from ml.model import card as cards
from ml.model import checkpoint
from ml.model.runtime import OnnxRuntime, TorchRuntime, load_runtime
from ml.pipeline import FacePipeline
from ml.requests import PhotoRequest
from tests import factories, pictures


@pytest.fixture
def exported(tiny, tmp_path):
    """A folder with an exported tiny model only, and the runtime of the network that it came from."""
    net, card = tiny
    weights = export.to_onnx(net, card=card)
    cards.write_pair(tmp_path / "onnx", card=card, weights=weights, weights_file=cards.ONNX_FILE)
    runtime = TorchRuntime(net, card)
    runtime._half = False
    return tmp_path / "onnx", runtime


def test_both_runtimes_answer_alike(exported):
    folder, torch_runtime = exported
    runtime = OnnxRuntime.load(folder)
    assert runtime.card.temperatures == torch_runtime.card.temperatures
    assert runtime.device.type == "cpu"
    chips = np.random.default_rng(0).integers(0, 256, (70, 32, 32, 3), dtype=np.uint8)
    for asked in (None, frozenset({"gender", "age"})):
        expected = torch_runtime.probabilities(chips, attributes=asked)
        found = runtime.probabilities(chips, attributes=asked)
        assert list(found) == list(expected)
        for name, values in expected.items():
            assert found[name] == pytest.approx(values, abs=1e-4)
            assert found[name].dtype == values.dtype
    assert runtime.probabilities(chips, attributes=frozenset()) == {}
    assert runtime.logits(chips[:0])["race"].shape == torch_runtime.logits(chips[:0])["race"].shape == (0, 7)


def test_the_folder_decides_unless_a_runtime_is_named(exported, tiny, tmp_path):
    folder, _ = exported
    assert isinstance(load_runtime(folder), OnnxRuntime)
    assert isinstance(load_runtime(folder, runtime="onnx"), OnnxRuntime)
    with pytest.raises(cards.MissingCheckpoint, match="runtime onnx"):
        load_runtime(folder, runtime="torch")
    net, card = tiny
    checkpoint.save(tmp_path / "torch", net=net, card=card)
    assert isinstance(load_runtime(tmp_path / "torch"), TorchRuntime)
    with pytest.raises(cards.MissingCheckpoint, match=r"ml\.export"):
        load_runtime(tmp_path / "torch", runtime="onnx")
    with pytest.raises(ValueError, match="torch, onnx"):
        load_runtime(folder, runtime="other")


def test_a_precision_asked_of_an_exported_model_is_refused_in_a_line(exported, tmp_path, capsys):
    folder, _ = exported
    pictures.picture(90, 80).save(tmp_path / "photo.png")
    with pytest.raises(SystemExit) as ended:
        bench.main([str(tmp_path), "--model", str(folder), "--precision", "float32"])
    assert ended.value.code == 2
    assert "a precision can be asked only of torch" in capsys.readouterr().err


def test_missing_damaged_and_other_files_have_their_own_errors(exported):
    folder, _ = exported
    card, weights = cards.read_pair(folder, weights_file=cards.ONNX_FILE)
    with pytest.raises(cards.MissingCheckpoint):
        OnnxRuntime.load(folder / "nowhere")
    (folder / cards.ONNX_FILE).write_bytes(weights[: len(weights) // 2])
    with pytest.raises(cards.DamagedCheckpoint, match="hash"):
        OnnxRuntime.load(folder)
    for content in (b"", b"not a graph"):
        cards.write_pair(folder, card=card, weights=content, weights_file=cards.ONNX_FILE)
        with pytest.raises(cards.DamagedCheckpoint, match="cannot read"):
            OnnxRuntime.load(folder)
    other = replace(card, preset=replace(card.preset, size=48))
    cards.write_pair(folder, card=other, weights=weights, weights_file=cards.ONNX_FILE)
    with pytest.raises(cards.OtherFormat, match="takes"):
        OnnxRuntime.load(folder)
    fewer = replace(card, labels={"gender": card.labels["gender"]})
    cards.write_pair(folder, card=fewer, weights=weights, weights_file=cards.ONNX_FILE)
    with pytest.raises(cards.OtherFormat, match="gives"):
        OnnxRuntime.load(folder)
    (folder / cards.ONNX_FILE).unlink()
    with pytest.raises(cards.MissingCheckpoint):
        OnnxRuntime.load(folder)


def test_without_onnx_runtime_it_says_what_to_install(exported, monkeypatch):
    folder, _ = exported
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(cards.MissingRuntime, match="pip install onnxruntime"):
        OnnxRuntime.load(folder)


def test_the_pipeline_runs_an_exported_model(exported, astronaut):
    folder, _ = exported
    pipeline = FacePipeline.load(folder, device="cpu", threads=1, runtime="onnx")
    assert (pipeline.device, pipeline.card.name) == ("cpu", "tiny-1")
    (face,) = pipeline.analyze([PhotoRequest(astronaut, attributes=frozenset({"gender"}))])[0].faces
    assert set(face.probabilities) == {"gender"}
    assert sum(face.probabilities["gender"]) == pytest.approx(1)


@pytest.mark.django_db
def test_the_site_runs_an_exported_model_under_its_own_hash(exported, collection, settings):
    folder, _ = exported
    settings.PIPELINE, settings.MODEL_DIR, settings.RUNTIME = "ml.pipeline.FacePipeline", str(folder), "onnx"
    settings.TORCH_THREADS = 1
    photo = factories.make_photo(collection, state=State.QUEUED)
    default_storage.delete(photo.image.name)
    content = io.BytesIO()
    pictures.astronaut().save(content, "JPEG")
    default_storage.save(photo.image.name, ContentFile(content.getvalue()))
    assert analysis.run_once() == 1
    photo.refresh_from_db()
    version = photo.model_version
    assert (photo.state, photo.face_count, version.name) == (State.DONE, 1, "tiny-1")
    assert version.sha256 == cards.read_card(folder).sha256
    assert sum(photo.faces.get().prediction.vectors["race"]) == pytest.approx(1)


def test_predict_runs_an_exported_model(exported, tmp_path, capsys):
    folder, _ = exported
    pictures.picture(40, 40).save(tmp_path / "chip.png")
    arguments = [str(tmp_path / "chip.png"), "--aligned", "--json", "--model", str(folder)]
    assert predict.main([*arguments, "--runtime", "onnx"]) == 0
    named = capsys.readouterr().out
    assert predict.main(arguments) == 0
    assert capsys.readouterr().out == named
    assert '"status": "ok"' in named
    with pytest.raises(SystemExit) as stop:
        predict.main([*arguments, "--runtime", "torch"])
    assert stop.value.code == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "runtime onnx" in told.err
