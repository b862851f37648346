"""Models of torch.hub, from a repository on this disk."""

import pytest
import torch

import neurolens as nl
from neurolens.errors import DataError, InputError

CODE = """
import torch

def net(pretrained=True, width=2):
    made = torch.nn.Linear(width, width)
    if pretrained:
        torch.nn.init.ones_(made.weight)
    return made

def other():
    return 3
"""


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Let torch.hub take every repository from a folder; return what it was asked for."""
    (tmp_path / "hubconf.py").write_text(CODE)
    asked = []
    load = torch.hub.load

    def load_local(repository, function, source, trust_repo, **options):
        asked.append(repository)
        return load(tmp_path, function, source="local", **options)

    monkeypatch.setattr(torch.hub, "load", load_local)
    return asked


def test_weights_are_said_to_be_random_only_where_they_are(calls):
    """A function may fetch trained ones by itself."""
    with pytest.raises(InputError, match=r"up to the function net.*weights=None, pretrained=False"):
        nl.load_model("hub/owner/repo:net", weights=None, trust_code=True)
    settings = {"weights": None, "trust_code": True, "pretrained": False}
    first, again, other = (
        nl.load_model("hub/owner/repo:net", rng=rng, **settings) for rng in (1, 1, 2)
    )
    assert first.identity == again.identity
    assert first.identity.weights == "random, rng=1"
    assert first.identity.sha256 != other.identity.sha256
    with pytest.raises(InputError, match="up to the function net"):
        nl.load_model("hub/owner/repo:net", **settings | {"pretrained": True})


def test_what_it_builds_is_said(calls, tmp_path):
    loaded = nl.load_model("hub/owner/repo:net", trust_code=True, width=3)
    assert loaded.model.weight.shape == (3, 3)
    assert loaded.identity.weights == "as the repository's function gives them (width=3)"
    assert "code of the default branch of owner/repo" in loaded.identity.source
    assert loaded.transform is None
    pinned = nl.load_model("hub/owner/repo:v1.2:net", trust_code=True)
    assert pinned.identity.source.endswith("code of owner/repo:v1.2")
    assert calls == ["owner/repo", "owner/repo:v1.2"]
    torch.save({"weight": torch.eye(2), "bias": torch.zeros(2)}, tmp_path / "mine.pth")
    mine = nl.load_model("hub/owner/repo:net", trust_code=True, weights=tmp_path / "mine.pth")
    assert torch.equal(mine.model.weight, torch.eye(2))


def test_its_code_is_run_only_where_it_is_trusted(calls):
    with pytest.raises(InputError, match="runs the code of the repository owner/repo"):
        nl.load_model("hub/owner/repo:net")
    assert calls == []
    with pytest.raises(DataError, match="none of owner/repo could not be loaded"):
        nl.load_model("hub/owner/repo:none", trust_code=True)
    with pytest.raises(DataError, match="other of owner/repo builds int, which is no model"):
        nl.load_model("hub/owner/repo:other", trust_code=True)
    with pytest.raises(InputError, match="the repository chooses its weights itself"):
        nl.load_model("hub/owner/repo:net", trust_code=True, weights="V1")
