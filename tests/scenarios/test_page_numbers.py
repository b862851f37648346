"""Numbers on the page, in a real browser, are those of the model, time and control they name."""

import pytest

from neurolens.view.page import build_page
from tests.helpers.browser import expect_count, open_browser, open_page
from tests.helpers.pages import make_document


@pytest.fixture(scope="module")
def browser():
    with open_browser() as browser:
        yield browser


@pytest.fixture
def visit(browser, tmp_path):
    """Return a function that opens a document."""

    def run(document, **settings):
        path = tmp_path / "page.html"
        path.write_text(build_page(document), encoding="utf-8")
        return open_page(browser, path, **settings)

    return run


def make_timed():
    document = make_document(2, 3, regions=("V1",), n_times=2)
    times = {"labels": ["0 ms", "50 ms"], "shown": 1, "low": None, "high": None}
    for model, mean in zip(document["models"], ([0.2, 0.4], [0.11, 0.33]), strict=False):
        rows = [[value] * 6 for value in mean]
        model["scores"]["V1"] |= {"mean": rows[1], "times": times | {"mean": rows}}
    document["regions"][0] |= {"ceiling": [0.5, 0.6], "ceilings": [[0.25, 0.3], [0.5, 0.6]]}
    return document


@pytest.mark.parametrize(("time", "control", "share"), [(0, ".11", "80 %"), (1, ".33", "80 %")])
def test_control_and_ceiling_are_of_the_time_shown(visit, time, control, share):
    with visit(make_timed(), address=f"#op=2&time={time}") as page:
        text = page.locator("#details table.scores").inner_text()
        assert f"random weights {control}" in text
        assert f"{share} of lower ceiling" in text


def test_maps_of_the_model_are_not_shown_for_another(visit):
    with visit(make_document(2, 3), address="#op=1") as page:
        expect_count(page, "#details canvas.map", 1)
        for model in (1, 2):
            page.evaluate(f"location.hash = '#op=1&show=other&model={model}'")
            page.wait_for_function(f"() => neurolens.look.model === neurolens.doc.models[{model}]")
            expect_count(page, "#details canvas.map", 0)


def test_address_is_not_lost_when_an_earlier_change_is_being_written_to_it(visit):
    """The timer that writes the address fires when a new address has come, before its event."""
    with visit(make_document(2, 3)) as page:
        page.evaluate(
            """() => {
                const setTimer = window.setTimeout;
                const waiting = [];
                window.setTimeout = (call) => waiting.push(call);
                neurolens.select(2);
                window.setTimeout = setTimer;
                location.hash = '#op=1&show=other&model=1';
                waiting.forEach((call) => call());
            }"""
        )
        page.wait_for_function("() => neurolens.look.model === neurolens.doc.models[1]")
        assert page.evaluate("neurolens.store.state.selected") == 1


def test_each_region_names_its_own_closest_control(visit):
    document = make_document(2, 3, regions=("V1", "IT"))
    for region, name in zip(document["regions"], ("seed 0", "seed 1"), strict=True):
        region["best"] |= {"control": -0.2, "controlName": name, "p": 0.01}
    with visit(document) as page:
        heads = page.locator("#best thead th").all_inner_texts()
        assert "closest control" in heads
        assert heads.index("p, above chance") == heads.index("held-out ρ") + 1
        cells = page.locator("#best td.control-cell").all_inner_texts()
        assert cells == ["−.20 (seed 0)", "−.20 (seed 1)"]
        zero = page.locator("#best td.chart path.axis").first.get_attribute("d")
        assert page.locator("#best td.chart path.random").first.get_attribute("d") != zero


def test_unknown_parameters_are_not_none(visit):
    document = make_document(1, 1)
    document["graph"]["ops"][0]["params"] = None
    with visit(document, address="#op=0") as page:
        assert "parameters\nunknown" in page.locator("#details dl").inner_text()


def test_smallest_phone_has_no_sideways_scroll(visit):
    document = make_document(2, 3, report=True)
    document["measure"]["name"] = "expected rank correlation under random breaking of ties"
    with visit(document, width=320, height=700) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
