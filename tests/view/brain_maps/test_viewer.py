"""The surface that can be turned: its JSON holds mesh and values, its page runs nothing foreign."""

import base64
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from browser import open_browser, open_page
from maps import OPS, make_surface, score_gradient

import neurolens as nl
from neurolens.errors import InputError, UnknownNameError
from neurolens.view.brain_maps.meshes import load_fsaverage
from neurolens.view.brain_maps.viewer import ENTRY
from neurolens.view.page.builder import join_modules

pytest.importorskip("nilearn", reason="needs the extra 'maps'")


@pytest.fixture(scope="module")
def like():
    return make_surface()


@pytest.fixture(scope="module")
def scores(like):
    return score_gradient(like, np.random.default_rng(0))


@pytest.fixture(scope="module")
def view(like, scores):
    return nl.view.view_surface(scores, like=like, show=["score", "best op", "depth"])


def decode(text, kind):
    return np.frombuffer(base64.b64decode(text), kind)


def test_the_mesh_comes_back(view):
    content = view.content
    meshes = load_fsaverage("infl")
    assert len(content["faces"]) == 1  # both hemispheres have the same
    for half in content["hemispheres"]:
        own = meshes[half["side"]]
        vertices = decode(half["vertices"], "<i2").reshape(-1, 3) * content["step"]
        shift = vertices - own.vertices
        assert np.ptp(shift, axis=0).max() <= 0.0101
        faces = decode(content["faces"][half["faces"]], "<u2").reshape(-1, 3)
        assert {frozenset(face) for face in faces.tolist()} == {
            frozenset(face) for face in own.faces.tolist()
        }
        sulci = np.unpackbits(decode(half["sulci"], "u1"))[: len(vertices)]
        assert np.array_equal(sulci, own.sulci > 0)
    left, right = (decode(h["vertices"], "<i2").reshape(-1, 3) for h in content["hemispheres"])
    assert left[:, 0].max() < right[:, 0].min()


def test_values_come_back_to_their_precision(view, scores):
    best = scores.score_mean.max("op").values
    drawn = view.content["maps"][0]
    codes = np.concatenate([decode(drawn["codes"][side], "<u2") for side in ("left", "right")])
    values = drawn["least"] + (codes - 1.0) / 65534 * (drawn["most"] - drawn["least"])
    assert (codes > 0).all()
    assert np.abs(values - best).max() <= (best.max() - best.min()) / 65534
    assert drawn["notes"][-1] == "no place was tested for significance"


def test_names_and_gaps_come_back(like, scores):
    where = scores.score_mean.max("op").drop_vars("op", errors="ignore") > 0.3
    content = nl.view.view_surface(scores, like=like, show="best op", where=where).content
    drawn = content["maps"][0]
    assert drawn["names"] == list(OPS)
    codes = np.concatenate([decode(drawn["codes"][side], "<u2") for side in ("left", "right")])
    best = scores.score_mean.argmax("op").values + 1
    assert np.array_equal(codes, np.where(where.values, best, 0))


def test_maps_are_named(view, like, scores):
    assert [one["name"] for one in view.content["maps"]] == ["score", "best op", "depth"]
    other = {"a": scores, "b": scores.score_mean.max("op").rename("r")}
    both = nl.view.view_surface(other, like=like).content
    assert [one["name"] for one in both["maps"]] == ["a", "b"]
    several = nl.view.view_surface({"a": scores}, like=like, show=["score", "depth"]).content
    assert [one["name"] for one in several["maps"]] == ["a · score", "a · depth"]


def test_the_page_is_small_and_whole(view, tmp_path):
    path = view.save(tmp_path / "brain.html")
    text = path.read_text(encoding="utf-8")
    assert len(text) < 600_000
    assert not re.search(r"https?://", text)
    assert not re.search(r"^(import|export)\b", text, re.MULTILINE)
    assert "innerHTML" not in text
    [data] = re.findall(r'id="brain-data">(.*?)</script>', text, re.DOTALL)
    assert json.loads(data) == json.loads(json.dumps(view.content))
    assert "<iframe srcdoc=" in view._repr_html_()
    assert len(repr(view)) < 200


def test_names_end_no_script(like, scores, tmp_path):
    odd = scores.assign_coords(op=["</script><b>", "<!--", "a&b"])
    text = nl.view.view_surface(odd, like=like, show="best op").write_page()
    assert text.count("</script>") == 2
    assert "<!--" not in text


def test_the_script_is_valid():
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the script is not checked")
    ran = subprocess.run([node, "--check", "-"], input=join_modules(ENTRY), text=True, check=False)
    assert ran.returncode == 0


def test_bad_input_is_told(like, scores, tmp_path, view):
    with pytest.raises(InputError, match="theme must be one of auto, light, dark"):
        nl.view.view_surface(scores, like=like, theme="red")
    with pytest.raises(InputError, match="there is no map to show"):
        nl.view.view_surface(scores, like=like, show=[])
    with pytest.raises(InputError, match="data must be scores"):
        nl.view.view_surface([1], like=like)
    with pytest.raises(UnknownNameError, match="kind of map"):
        nl.view.view_surface(scores, like=like, show=["winner"])
    with pytest.raises(InputError, match=r"a page is written as \.html"):
        view.save(tmp_path / "brain.png")


@pytest.fixture(scope="module")
def browser():
    with open_browser() as one:
        yield one


def read_canvas(page):
    """Return how many pixels of the canvas are drawn, and a number for their colors."""
    return page.evaluate(
        """() => {
          const { width, height } = document.querySelector(".brain-canvas");
          const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
          copy.drawImage(document.querySelector(".brain-canvas"), 0, 0);
          const { data } = copy.getImageData(0, 0, width, height);
          let drawn = 0, sum = 0;
          for (let i = 0; i < data.length; i += 4) {
            if (data[i + 3]) drawn += 1;
            sum = (sum * 31 + data[i] + 7 * data[i + 1] + 13 * data[i + 2]) % 1000003;
          }
          return [drawn, sum];
        }"""
    )


def test_it_is_turned_read_and_changed_by_mouse_and_keys(browser, view, tmp_path):
    path = view.save(tmp_path / "brain.html")
    with open_page(browser, path, width=900, height=640) as page:
        page.wait_for_function("() => document.querySelector('.brain-canvas').width > 300")
        page.wait_for_timeout(200)
        drawn, first = read_canvas(page)
        assert drawn > 50_000
        box = page.locator(".brain-canvas").bounding_box()
        middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.move(*middle)
        assert re.match(
            r"(left|right) vertex \d+: rho-a [\d.]+$", page.inner_text(".brain-readout")
        )
        page.mouse.down()
        page.mouse.move(middle[0] + 60, middle[1] + 10, steps=4)
        page.mouse.up()
        page.wait_for_timeout(100)
        turned = read_canvas(page)
        assert turned[1] != first
        page.focus(".brain-canvas")
        page.keyboard.press("ArrowLeft")
        page.wait_for_timeout(100)
        assert read_canvas(page)[1] != turned[1]
        page.keyboard.press("+")
        page.wait_for_timeout(100)
        assert read_canvas(page)[0] > drawn
        page.keyboard.press("0")
        page.wait_for_timeout(100)
        assert read_canvas(page)[1] == first
        page.get_by_role("button", name="left", exact=True).click()
        page.get_by_label("hemispheres").select_option("left")
        page.get_by_label("map", exact=True).select_option(label="best op")
        page.wait_for_timeout(100)
        page.mouse.move(*middle)
        assert re.match(r"left vertex \d+: (conv1|relu|fc)/", page.inner_text(".brain-readout"))
        ticks = page.locator(".brain-tick").all_inner_texts()
        assert ticks == list(OPS)


@pytest.mark.parametrize("width", [420, 900])
def test_nothing_leaves_the_page(browser, view, tmp_path, width):
    path = view.save(tmp_path / "brain.html")
    with open_page(browser, path, width=width, height=800, dark=True) as page:
        page.wait_for_timeout(200)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width
        background = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        assert background == "rgb(16, 21, 29)"
        assert read_canvas(page)[0] > 20_000
