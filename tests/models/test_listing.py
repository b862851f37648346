import pytest
import torchvision

import neurolens as nl
from neurolens.errors import InputError, MissingToolError, UnknownNameError
from neurolens.models import listing


def test_all_of_torchvision():
    table = nl.list_models(source="torchvision")
    assert list(table.columns) == [
        "name", "source", "n_parameters", "input_size", "weights", "licence",
    ]  # fmt: skip
    assert len(table) == len(torchvision.models.list_models())
    row = table.set_index("name").loc["torchvision/resnet50"]
    assert row.n_parameters == 25557032
    assert row.input_size == 224
    assert row.weights == "IMAGENET1K_V1, IMAGENET1K_V2"


def test_patterns():
    names = nl.list_models("resnet1*", source="torchvision").name.tolist()
    assert names == [f"torchvision/resnet{n}" for n in (101, 152, 18)]
    assert "torchvision/wide_resnet50_2" in nl.list_models("resnet50").name.tolist()
    assert len(nl.list_models("nothing")) == 0


def test_models_of_timm():
    pytest.importorskip("timm")
    table = nl.list_models("convnext_atto*", source="timm").set_index("name")
    assert table.loc["timm/convnext_atto"].weights == "d2_in1k"
    assert table.loc["timm/convnext_atto"].licence == "apache-2.0"


def test_a_library_that_is_not_installed(monkeypatch):
    def refuse(pattern):
        raise MissingToolError("no timm")

    monkeypatch.setitem(listing.ROWS, "timm", refuse)
    assert set(nl.list_models("resnet18").source) == {"torchvision"}
    with pytest.raises(MissingToolError, match="no timm"):
        nl.list_models("resnet18", source="timm")


def test_errors():
    with pytest.raises(UnknownNameError, match="no source of models named 'hf'"):
        nl.list_models(source="hf")
    with pytest.raises(InputError, match="pattern must be a text such as 'resnet"):
        nl.list_models(3)
