"""The page in a real browser, with mouse and keyboard; any console error fails a test."""

import html
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET

import pytest

from neurolens.view.page import build_page
from tests.helpers.browser import expect_count, open_browser, open_page
from tests.helpers.pages import make_document

HOSTILE = ("__proto__", "<img src=x onerror=alert(1)>", "a\"b'&amp;", "\N{BRAIN} area")


def make_hostile():
    document = make_document(2, 3, regions=HOSTILE)
    document["title"] = "<script>alert(2)</script>"
    document["graph"]["ops"][0]["name"] = "</script><img src=x onerror=alert(3)>"
    document["graph"]["views"][0]["nodes"][1][1] = '<b onclick="alert(4)">'
    document["graph"]["views"][0]["runs"][0][1] = "__proto__"
    document["methods"] = ["<iframe src=javascript:alert(5)>"]
    return document


def make_bare():
    return make_document(3, 3) | {"regions": [], "models": [], "rdms": None, "stimuli": None}


def make_unknown():
    """Regions without best ops, ceilings, scores of some ops, intervals."""
    document = make_document(3, 3)
    for region in document["regions"]:
        region |= {"best": None, "ceiling": None, "ceilingNote": "no noise ceiling"}
    scores = document["models"][0]["scores"]
    scores["V1"] |= {
        "mean": [None] * 9,
        "low": [None] * 9,
        "high": [None] * 9,
        "q": None,
        "ties": [],
    }
    scores["V2"] |= {"mean": [0.2, *[None] * 8], "low": None, "high": None, "p": None}
    del scores["IT"]
    return document


DOCUMENTS = {
    "plain": lambda: make_document(4, 4, n_subjects=3),
    "times": lambda: make_document(4, 4, n_times=6),
    "report": lambda: make_document(4, 3, report=True),
    "many": lambda: make_document(4, 4, regions=[f"area {i}" for i in range(30)]),
    "hostile": make_hostile,
    "bare": make_bare,
    "unknown": make_unknown,
    "single": lambda: make_document(1, 1, regions=("IT",)),
    "large": lambda: make_document(330, 10),
}


@pytest.fixture(scope="module")
def browser():
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")

    class Paths(dict):
        def __missing__(self, name):
            self[name] = folder / f"{name}.html"
            self[name].write_text(build_page(DOCUMENTS[name]()), encoding="utf-8")
            return self[name]

    return Paths()


@pytest.fixture
def visit(browser, paths):
    return lambda name, **settings: open_page(browser, paths[name], **settings)


def settle(page):
    page.wait_for_timeout(260)  # The address is written 200 ms after the last change.


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name != "large"])
@pytest.mark.parametrize("dark", [False, True])
def test_page_opens(visit, name, dark):
    with visit(name, dark=dark) as page:
        assert page.locator("#failure").is_hidden()
        assert page.locator("#graph .card").count() >= 3
        assert page.locator("html").get_attribute("data-theme") == ("dark" if dark else "light")


def test_names_never_become_markup(visit):
    with visit("hostile") as page:
        page.click("#best tbody .link >> nth=0")
        page.fill("#search", "<b")
        page.press("#search", "Enter")
        page.click("#regions button >> nth=1")
        expect_count(page, "img, iframe, b[onclick]", 0)
        assert page.locator("#title").inner_text() == "<script>alert(2)</script>"
        assert HOSTILE[1] in page.locator("#best").inner_text()


def test_modules_fold_by_click_and_by_enter(visit):
    with visit("plain") as page:
        open_cards = page.locator("#graph .card").count()
        page.click(".module .grip >> nth=0")
        expect_count(page, "#graph .card.folded", 1)
        assert page.locator("#graph .card").count() < open_cards
        assert page.evaluate("document.activeElement.dataset.key") == "r0"
        page.keyboard.press("Enter")
        expect_count(page, "#graph .card", open_cards)
        page.click("#folds button:has-text('Modules')")
        expect_count(page, "#graph .card.folded", 4)
        page.click("#folds button:has-text('Every op')")
        expect_count(page, "#graph .card.op", 16)


def test_clicked_module_stays_under_the_pointer(visit):
    with visit("plain", width=800, height=1400) as page:
        page.click("#folds button:has-text('Modules')")
        page.click("[data-key=r1]")
        before = page.locator("[data-key=r0] .face").bounding_box()
        moved = "() => neurolens.scene.items.find((item) => item.run?.index === 0).x"
        x = page.evaluate(moved)
        page.mouse.click(before["x"] + 20, before["y"] + 10)
        assert abs(page.evaluate(moved) - x) > 5  # It would move, if the camera did not follow.
        after = page.locator("[data-key^='b0'] .area").bounding_box()
        assert after["x"] == pytest.approx(before["x"], abs=4)
        assert after["y"] == pytest.approx(before["y"], abs=4)


def test_keys_walk_along_the_graph(visit):
    with visit("plain") as page:
        page.locator("[data-key=n1]").click()
        assert page.locator("#details h2").inner_text().startswith("conv2d")
        page.keyboard.press("ArrowDown")
        assert page.locator("#details h2").inner_text().startswith("batch_norm")
        page.keyboard.press("ArrowUp")
        assert page.locator("#details h2").inner_text().startswith("conv2d")
        expect_count(page, "#graph [tabindex='0']", 1)
        page.keyboard.press("Shift+ArrowUp")
        assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
        page.keyboard.press("Escape")
        assert page.locator("#details").is_hidden()


def test_search_jumps_from_hit_to_hit(visit):
    with visit("plain") as page:
        page.keyboard.press("/")
        page.keyboard.type("layer2 relu")
        assert page.locator("#found").inner_text() == "1 found"
        page.keyboard.press("Enter")
        assert page.locator("#details .mono >> nth=0").inner_text() == "layer2.2/relu"
        assert page.locator("#found").inner_text() == "1 / 1 found"
        page.keyboard.press("Escape")
        assert page.locator("#search").input_value() == ""
        page.fill("#search", "nowhere")
        assert page.locator("#found").inner_text() == "nothing found"


def test_regions_switch_by_click_and_by_digit(visit):
    with visit("plain") as page:
        page.click("#regions button:has-text('V4')")
        assert "color: V4" in page.locator("#order").inner_text()
        expect_count(page, "#profile .curve", 1)
        page.keyboard.press("0")
        expect_count(page, "#profile .curve", 4)
        page.keyboard.press("2")
        assert "color: V2" in page.locator("#order").inner_text()


def test_time_moves_by_slider_key_and_play(visit):
    with visit("times") as page:
        read = lambda: page.locator("[data-key=n1] .num >> nth=0").text_content()  # noqa: E731
        last = read()
        page.fill("#time input", "0")
        assert page.locator("#time output").inner_text() == "0 ms"
        assert read() != last
        page.keyboard.press("]")
        assert page.locator("#time output").inner_text() == "50 ms"
        page.click("#time button:has-text('Play')")
        page.wait_for_function(
            "() => document.querySelector('#time output').textContent === '150 ms'"
        )
        page.keyboard.press("Escape")
        expect_count(page, "#time button:has-text('Play')", 1)
        shown = page.locator("#time output").inner_text()
        page.wait_for_timeout(900)
        assert page.locator("#time output").inner_text() == shown
        expect_count(page, "#profile image", 4)


def test_models_switch_and_subtract(visit):
    with visit("plain") as page:
        page.click("#models button:has-text('Difference')")
        assert "trained − random weights" in page.locator("#scale-box").text_content()
        assert page.locator("[data-key=n1] .num >> nth=0").text_content().startswith("+")
        assert (
            "IT, held out: above random weights by .40" in page.locator("#profile-key").inner_text()
        )
        page.click("#models button:has-text('random weights')")
        expect_count(page, "#graph .tag", 0)
        page.select_option("#models select", label="a second network")
        expect_count(page, "#graph .card.op", 6)
        expect_count(page, "#models button", 2)  # ops of two graphs are not subtracted
        page.click("#models button:has-text('trained')")
        assert page.locator("#graph .card").count() > 10
        assert "by relative depth" in page.locator("#profile-key").inner_text()


def test_details_show_subjects_maps_and_rdms(visit):
    with visit("plain") as page:
        page.click("[data-key=n1]")
        expect_count(page, "#details .subject", 12)
        expect_count(page, "#details canvas", 2)
        page.click("#details button.thumb >> nth=1")
        assert "car, 2 × 3" in page.locator("#details .order >> nth=0").inner_text()
        page.hover("#details .rdm canvas", position={"x": 200, "y": 40})
        assert "of 100" in page.locator(".pair-read").inner_text()


def test_values_that_python_read_are_marked(visit):
    with visit("plain") as page:
        assert "chose the path: True" in page.locator("[data-key=n2]").text_content()
        page.click("[data-key=n2]")
        assert "True chose the path, net.py:14" in page.locator("#details dl").inner_text()


def test_many_regions_are_chosen(visit):
    with visit("many") as page:
        page.click("#folds button:has-text('Every op')")
        expect_count(page, "[data-key=n1] .num", 8)
        page.click("text=Regions 8 of 30")
        page.click("dialog.chooser >> text=None")
        page.check("dialog.chooser input >> nth=4")
        page.check("dialog.chooser input >> nth=29")
        page.click("dialog.chooser >> text=Show")
        expect_count(page, "[data-key=n1] .num", 2)
        assert page.locator("#order b").all_inner_texts() == ["area 4", "area 29"]


def test_address_brings_the_view_back(visit):
    with visit("plain") as page:
        page.click("#regions button:has-text('IT')")
        page.click(".module .grip >> nth=1")
        page.click("[data-key=n1]")
        page.keyboard.press("d")
        settle(page)
        address = page.evaluate("location.hash")
        cards = page.locator("#graph .card").count()
    with visit("plain", address=address) as page:
        assert page.locator("#regions [aria-pressed=true]").inner_text() == "IT"
        assert page.locator("#details .mono >> nth=0").inner_text() == "layer1.0/conv2d"
        assert page.locator("html").get_attribute("data-theme") == "dark"
        expect_count(page, "#graph .card", cards)
        expect_count(page, "#graph .card.folded", 1)


def test_address_that_is_edited_is_followed(visit):
    with visit("plain") as page:
        page.evaluate("location.hash = '#region=V4&op=2&show=difference&detail=modules'")
        page.wait_for_function("() => neurolens.store.state.selected === 2")
        assert page.locator("#regions [aria-pressed=true]").inner_text() == "V4"
        assert page.locator("#models [aria-pressed=true]").inner_text() == "Difference"
        expect_count(page, "#graph .card.folded", 4)
        page.evaluate("location.hash = ''")
        page.wait_for_function("() => neurolens.store.state.selected === null")
        assert page.locator("#regions [aria-pressed=true]").inner_text() == "All"


@pytest.mark.parametrize(
    "address", ["#%E0%A4%A", "#op=999&region=x&folded=9-1&time=z", "#<b>", "#__proto__=1"]
)
def test_address_that_names_nothing_is_ignored(visit, address):
    with visit("plain", address=address) as page:
        assert page.locator("#details").is_hidden()
        assert page.locator("#graph .card").count() > 10


def save(page, button):
    with page.expect_download() as download:
        page.click(button)
    return download.value


def test_pictures_and_table_are_saved(visit, tmp_path):
    with visit("plain") as page:
        picture = save(page, "#save-svg")
        assert picture.suggested_filename == "a_small_network.svg"
        text = picture.path().read_text(encoding="utf-8")
        assert "var(--" not in text
        root = ET.fromstring(text)
        shown = "".join(root.itertext())
        assert "★ best V1, held-out" in shown
        assert "scores invented" in shown
        assert "dashed: shortcut" in shown
        image = save(page, "#save-png").path().read_bytes()
        assert image.startswith(b"\x89PNG")
        width = int(root.attrib["width"])
        assert int.from_bytes(image[16:20], "big") == 2 * width
        lines = save(page, "#save-csv").path().read_text(encoding="utf-8").splitlines()
        # trained and random (16 ops, 4 regions; 3 subjects), and the second network (6 ops)
        assert len(lines) == 1 + 16 * 4 * 4 + 16 * 4 + 6 * 4


def test_large_graph_draws_what_is_in_view_and_stops(visit):
    with visit("large") as page:
        page.click("#folds button:has-text('Every op')")
        page.wait_for_function("() => document.querySelector('#busy').hidden")
        assert page.evaluate("neurolens.scene.items.length") > 3000
        for _ in range(14):
            page.keyboard.press("+")
        page.wait_for_timeout(400)
        assert 0 < page.locator("#graph .card.op").count() < 1500
        page.click("#folds button:has-text('Modules')")
        page.wait_for_function("() => document.querySelector('#busy').hidden")
        folded = page.locator("#graph .card.folded").count()
        page.evaluate("document.querySelector('#folds button:nth-child(3)').click()")
        assert page.evaluate("neurolens.runner.isBusy()")
        page.keyboard.press("Escape")
        page.wait_for_function("() => !neurolens.runner.isBusy()")
        expect_count(page, "#graph .card.folded", folded)
        assert page.evaluate("neurolens.store.state.folds") == "modules"


def test_wheel_zooms_and_drag_pans(visit):
    with visit("plain") as page:
        box = page.locator("#stage").bounding_box()
        middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] - 30)
        page.mouse.move(*middle)
        zoom = page.evaluate("neurolens.camera.zoom")
        page.mouse.wheel(0, -300)  # The page scrolls: the wheel is the page's.
        assert "Ctrl" in page.locator("#status").inner_text()
        assert page.evaluate("neurolens.camera.zoom") == zoom
        page.evaluate("scrollTo(0, 0)")
        page.locator("#graph").focus()
        page.mouse.wheel(0, -300)
        page.wait_for_function(f"() => neurolens.camera.zoom > {zoom}")
        x = page.evaluate("neurolens.camera.x")
        page.mouse.down()
        page.mouse.move(middle[0] + 80, middle[1], steps=4)
        page.mouse.up()
        assert page.evaluate("neurolens.camera.x") == pytest.approx(x + 80, abs=1)
        page.keyboard.press("f")
        assert page.evaluate("neurolens.camera.zoom") == pytest.approx(zoom)


def test_two_fingers_zoom(visit):
    with visit("plain", has_touch=True) as page:
        zoom = page.evaluate("neurolens.camera.zoom")
        touch = page.context.new_cdp_session(page)
        send = lambda kind, points: touch.send(  # noqa: E731
            "Input.dispatchTouchEvent",
            {
                "type": kind,
                "touchPoints": [{"x": x, "y": 500, "id": i} for i, x in enumerate(points)],
            },
        )
        send("touchStart", [600, 700])
        for step in range(1, 6):
            send("touchMove", [600 - 20 * step, 700 + 20 * step])
        send("touchEnd", [])
        assert page.evaluate("neurolens.camera.zoom") > 1.5 * zoom


def test_phone_has_no_sideways_scroll(visit):
    for name in ("plain", "times", "report", "many"):
        with visit(name, width=390, height=844, is_mobile=True, has_touch=True) as page:
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            page.locator("#graph .card.op").first.tap()
            assert page.locator("#details").is_visible()


def test_frame_of_a_notebook(browser, paths, tmp_path):
    path = tmp_path / "notebook.html"
    source = html.escape(paths["plain"].read_text(encoding="utf-8"))
    path.write_text(
        f'<html data-ready="true"><iframe srcdoc="{source}" width="900" height="720"></iframe>',
        "utf-8",
    )
    with open_page(browser, path) as page:
        frame = page.frame_locator("iframe")
        frame.locator("[data-key=n1]").click()
        assert frame.locator("#details h2").inner_text().startswith("conv2d")
        settle(page)


def test_print_is_light_and_cuts_nothing(visit, tmp_path):
    with visit("report", dark=True) as page:
        path = tmp_path / "page.pdf"
        page.pdf(path=path, prefer_css_page_size=True, print_background=True)
        data = path.read_bytes()
        n_pages = len(re.findall(rb"/Type\s*/Page\b", data))
        assert 3 <= n_pages <= 12
        assert page.locator("html").get_attribute("data-theme") == "dark"
        if shutil.which("pdftotext"):
            done = subprocess.run(
                ["pdftotext", "-layout", path, "-"], capture_output=True, text=True, check=True
            )
            for text in (
                "the very last row",
                "op 119",
                "Scores are invented.",
                "neurolens demo",
                "best IT",
                "Score along",
            ):
                assert text in done.stdout
            assert "Every op" not in done.stdout


SMALLEST = """() => {
  const zoom = neurolens.camera.zoom;
  const sizes = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !element.getClientRects().length || element.closest("script, style, dialog")) continue;
    const size = parseFloat(getComputedStyle(element).fontSize);
    sizes.push([element.closest("#graph") ? size * zoom : size, element.textContent.slice(0, 30)]);
  }
  return sizes.sort((a, b) => a[0] - b[0])[0];
}"""


@pytest.mark.parametrize("name", ["plain", "times", "report", "many", "bare", "single", "large"])
def test_smallest_type_of_the_opening_view(visit, name):
    with visit(name) as page:
        size, text = page.evaluate(SMALLEST)
        assert size >= 10.99, text


CONTRASTS = """() => {
  const light = (c) => { const [r, g, b] = c.map((v) => { v /= 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; }); return .2126 * r + .7152 * g + .0722 * b; };
  const read = (text) => { const m = /rgba?\\(([^)]+)\\)/.exec(text); if (!m) return null; const v = m[1].split(/[ ,\\/]+/).map(Number); return v.length > 3 && v[3] === 0 ? null : v.slice(0, 3); };
  const ground = (element) => {
    const svg = element.closest("svg");
    if (svg) {
      const box = element.getBoundingClientRect();
      const x = box.x + Math.min(box.width / 2, 3), y = box.y + box.height / 2;
      const below = document.elementsFromPoint(x, y).filter((e) => e.closest("svg") === svg && !["text", "svg"].includes(e.tagName) && !e.closest(".edges"));
      for (const e of below) { const s = getComputedStyle(e); const fill = read(s.fill); if (fill && s.fill !== "none" && s.opacity === "1" && e.tagName !== "g") return fill; }
    }
    for (let e = svg ?? element; e; e = e.parentElement) { const c = read(getComputedStyle(e).backgroundColor); if (c) return c; }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !element.getClientRects().length || element.closest("script, style, dialog, option")) continue;
    const box = element.getBoundingClientRect();
    const room = (element.closest("#stage, #along, #details, #head") ?? document.documentElement).getBoundingClientRect();
    if (box.bottom > Math.min(innerHeight, room.bottom) || box.right > room.right || box.top < Math.max(0, room.top)) continue;
    const style = getComputedStyle(element), ink = read(element.closest("svg") ? style.fill : style.color);
    if (!ink) continue;
    const [a, b] = [light(ink), light(ground(element))].sort((p, q) => p - q);
    found.push([(b + .05) / (a + .05), element.textContent.slice(0, 40), element.getAttribute("class")]);
  }
  return found.sort((p, q) => p[0] - q[0]).slice(0, 3);
}"""


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("region", ["all", "V2"])
def test_every_text_can_be_read(visit, dark, region):
    with visit("plain", dark=dark, address=f"#region={region}&op=1") as page:
        lowest = page.evaluate(CONTRASTS)
        assert lowest[0][0] >= 4.5, lowest
