"""What a page says where scripts do not run: a preview, a mail, a search index."""

import html
from collections.abc import Mapping, Sequence
from typing import Any


def write_plain(document: Mapping[str, Any]) -> str:
    """Return title, facts, summary, methods and references of a page as HTML, everything escaped.

    It stands in a ``noscript`` element, so that it is not shown beside the page itself.
    """
    names = [str(op["name"]) for op in document.get("graph", {}).get("ops", ())]
    summary = [_join_sentence(sentence, names) for sentence in document.get("summary", ())]
    blocks = [
        _write_element("h1", document.get("title", "")),
        _write_element("p", " · ".join(map(str, document.get("facts", ())))),
        *_write_paragraphs(document.get("badges", ())),
        *_write_paragraphs(document.get("notes", ())),
        *_write_paragraphs(summary),
        *_write_paragraphs(document.get("methods", ())),
        *_write_paragraphs([one["text"] for one in document.get("references", ())]),
    ]
    return "\n".join(block for block in blocks if block)


def _join_sentence(sentence: Any, names: Sequence[str]) -> str:
    """Return a sentence whose ops are given by position as one text."""
    if isinstance(sentence, str):
        return sentence
    return "".join(part if isinstance(part, str) else names[part["op"]] for part in sentence)


def _write_paragraphs(texts: Sequence[Any]) -> list[str]:
    return [_write_element("p", text) for text in texts]


def _write_element(tag: str, text: Any) -> str:
    return f"<{tag}>{html.escape(str(text))}</{tag}>" if text else ""
