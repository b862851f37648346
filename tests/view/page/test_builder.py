"""One file, in order, that nothing in the document can break out of."""

import json
import re

import pytest

from neurolens.view.page import build_page, builder
from tests.helpers.pages import make_document

HOSTILE = "</script><img src=x onerror=alert(1)>&\"'\u2028<!--"


def read_data(page):
    text = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(text[1])


def test_page_holds_the_document():
    document = make_document()
    assert read_data(build_page(document)) == json.loads(json.dumps(document))


def test_title_is_that_of_the_document_or_the_given_one():
    assert "<title>A small network</title>" in build_page(make_document())
    page = build_page(make_document(), title="Mine")
    assert "<title>Mine</title>" in page
    assert read_data(page)["title"] == "Mine"


def test_nothing_in_the_document_ends_its_script():
    document = make_document(regions=("V1", HOSTILE))
    document["title"] = HOSTILE
    document["graph"]["ops"][0]["name"] = HOSTILE
    page = build_page(document)
    assert "<img" not in page
    assert page.count("<script") == 3
    assert page.count("</script>") == 3
    assert read_data(page)["title"] == HOSTILE


def test_slots_in_the_document_stay_as_they_are():
    assert (
        read_data(build_page(make_document(), title="{{script}} {{css}}"))["title"]
        == "{{script}} {{css}}"
    )


def test_page_fetches_nothing():
    page = build_page(make_document())
    assert "default-src 'none'" in page
    for address in re.findall(r"""(?:src|href)=["']([^"']+)""", page):
        assert address.startswith("data:")
    assert set(re.findall(r"https?://[^\s\"'`)]+", page)) == {"http://www.w3.org/2000/svg"}


def test_numbers_that_json_cannot_hold_are_refused():
    document = make_document()
    document["models"][0]["scores"]["V1"]["mean"][0] = float("nan")
    with pytest.raises(ValueError, match="not JSON compliant"):
        build_page(document)


def test_colors_are_checked():
    document = make_document()
    document["regions"][0]["colors"] = ["red;}body{display:none", "#FFFFFF"]
    with pytest.raises(ValueError, match="expected a color as #RRGGBB"):
        build_page(document)


def test_modules_come_after_those_they_import():
    script = builder.join_modules(builder.ENTRY)
    seen = set()
    steps = re.findall(r"const (in_\w+) = \(\(\) => \{|\}\s*=\s*(in_\w+);", script)
    assert len([made for made, _ in steps if made]) > 40
    for made, used in steps:
        seen.add(made)
        assert not used or used in seen
    assert "import " not in re.sub(r'"[^"]*"|`[^`]*`', "", script)
    assert not re.search(r"\bexport ", script)


@pytest.mark.parametrize(
    ("line", "short"),
    [
        ("const a = { b, c };", "const a={b,c};"),
        ("return a + b - c;", "return a+b-c;"),
        ("return a + +b - -c;", "return a + +b - -c;"),
        ('f("a = b", c = d);', 'f("a = b",c=d);'),
        ("x = `${a} = ${b + c}`;", "x=`${a} = ${b + c}`;"),
        ("x = `a ${b ? `c = d` : 1}`;", "x = `a ${b ? `c = d` : 1}`;"),
        ("x = y.replace(/ = /, '');", "x = y.replace(/ = /, '');"),
        ("x = (a / b) * 2;", "x=(a / b)*2;"),
        ("if (a) b; else c;", "if(a)b;else c;"),
        ("const a = 1; // one", "const a=1;"),
        ('const a = "b; // c";', 'const a="b; // c";'),
    ],
)
def test_lines_lose_spaces_but_no_meaning(line, short):
    assert builder._shorten_line(line) == short


def test_circle_of_modules_is_refused(monkeypatch):
    texts = {"a.js": 'import { b } from "./b.js";\n', "b.js": 'import { a } from "./a.js";\n'}
    monkeypatch.setattr(builder, "_read_asset", texts.__getitem__)
    with pytest.raises(ImportError, match=r"circle of modules: a\.js -> b\.js -> a\.js"):
        builder.join_modules.__wrapped__("a.js")


def test_import_that_cannot_be_joined_is_refused(monkeypatch):
    monkeypatch.setattr(
        builder, "_read_asset", {"a.js": 'import * as b from "./b.js";\n'}.__getitem__
    )
    with pytest.raises(ImportError, match=r"a\.js: write imports as"):
        builder.join_modules.__wrapped__("a.js")
