"""Frames of notebooks: the whole page inside, whatever it holds."""

from html.parser import HTMLParser

import pytest
from graphs import build_residual

from neurolens.errors import InputError
from neurolens.view import draw_graph
from neurolens.view.graph.frames import PageFrame


class FrameReader(HTMLParser):
    """Keeps the attributes of the only element."""

    def handle_starttag(self, tag, attrs):
        assert tag == "iframe"
        self.attributes = dict(attrs)


def read_frame(frame):
    reader = FrameReader()
    reader.feed(frame._repr_html_())
    return reader.attributes


def test_the_page_is_in_the_frame_as_it_is():
    page = "<!doctype html><p title='a'>\"&lt;</p><script>1 < 2 && 'x'</script></iframe>"
    attributes = read_frame(PageFrame(page, '<"title">', 400))
    assert attributes["srcdoc"] == page
    assert attributes["title"] == '<"title">'
    assert attributes["height"] == "400"


def test_drawings_show_their_page():
    frame = draw_graph(build_residual(), title="Res").show_page(300)
    assert repr(frame) == "PageFrame(title='Res', height=300)"
    assert read_frame(frame)["srcdoc"].lower().startswith("<!doctype html>")


@pytest.mark.parametrize("height", [True, 3.5, "tall", 100])
def test_heights_are_checked(height):
    with pytest.raises(InputError, match="height must be"):
        PageFrame("", "", height)
