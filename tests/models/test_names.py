import pytest

from neurolens.errors import InputError, UnknownNameError
from neurolens.models.names import read_name


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("torchvision/resnet50", ("torchvision", "resnet50", "")),
        ("torchvision/resnet50:IMAGENET1K_V2", ("torchvision", "resnet50", "IMAGENET1K_V2")),
        ("timm/convnext_atto.d2_in1k", ("timm", "convnext_atto.d2_in1k", "")),
        ("hf/openai/clip-vit:main", ("hf", "openai/clip-vit", "main")),
        ("hf//models/mine", ("hf", "/models/mine", "")),
        ("hub/owner/repo:entry", ("hub", "owner/repo", "entry")),
        ("hub/owner/repo:v1:entry", ("hub", "owner/repo", "v1:entry")),
        ("hf/" + "a" * 300, ("hf", "a" * 300, "")),
    ],
)
def test_parts_of_names(name, parts):
    assert tuple(read_name(name)) == parts
    assert str(read_name(name)) == name


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("resnet50", InputError, r"Type e\.g\. 'torchvision/resnet50' or 'timm/resnet50'"),
        ("torchvison/x", UnknownNameError, r"'torchvison'\. Closest: 'torchvision'"),
        ("timm/", InputError, "names no model of timm"),
        ("hub/owner/repo", InputError, r"names no model of hub\. Type e\.g\. 'hub/.*:"),
        ("timm/x\n", InputError, r"letters that can be printed, got 'timm/x\\n'"),
        ("hf/a\0b", InputError, "letters that can be printed"),
        ("hf/\ud800", InputError, r"letters that can be printed, got 'hf/\\ud800'"),
        ("hf/" + "a" * 1000, InputError, "by at most 1000 letters"),
        (None, InputError, "named by a text such as .*, got NoneType"),
    ],
)
def test_names_of_no_model(name, error, message):
    with pytest.raises(error, match=message):
        read_name(name)
