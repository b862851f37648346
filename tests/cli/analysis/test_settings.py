"""Settings as they are resolved: defaults that apply, and no path of the machine."""

from analyses import ENCODING, RSA, write_analysis

from neurolens.cli.analysis.documents import read_document
from neurolens.cli.analysis.settings import hide_folders, hide_model, read_settings


def resolve(folder, text):
    settings, problems = read_settings(read_document(write_analysis(folder, text)))
    assert problems == []
    return settings.resolve()


def test_only_what_applies_is_resolved(tmp_path):
    rsa = resolve(tmp_path, RSA)
    assert rsa["compare"]["comparator"] == "rho-a"
    assert "cv" not in rsa["compare"]
    assert "stimuli" not in rsa["report"]  # goes with the page, which is not written
    encoding = resolve(tmp_path, ENCODING)
    assert encoding["compare"]["select"] == "gcv"
    assert "comparator" not in encoding["compare"]
    assert "n_components" not in encoding["compare"]


def test_the_folder_of_results_is_no_setting(tmp_path):
    text = RSA.replace("[analysis]", '[analysis]\noutput = "elsewhere"')
    assert resolve(tmp_path, text) == resolve(tmp_path, RSA)


def test_of_absolute_paths_the_name_is_kept():
    assert hide_folders("/home/me/betas.nii.gz") == "betas.nii.gz"
    assert hide_folders("~/betas.nii.gz") == "betas.nii.gz"
    assert hide_folders(["/a/b.tsv", "c/d.tsv"]) == ["b.tsv", "c/d.tsv"]
    assert hide_folders({"V1": "/a/v1.nii"}) == {"V1": "v1.nii"}
    assert hide_model("hf//home/me/bert") == "hf/bert"
    assert hide_model("hf/openai/clip") == "hf/openai/clip"
    assert hide_model("torchvision/resnet18") == "torchvision/resnet18"
