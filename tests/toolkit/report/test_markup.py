"""HTML that what it shows cannot break."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from toolkit.report.markup import Markup, element, join
from toolkit.report.printable import printable


class _Reader(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text(st.characters(), max_size=60), st.text(st.characters(), max_size=60))
def test_any_text_is_read_back_as_text_and_never_as_a_tag(words: str, title: str) -> None:
    reader = _Reader()
    reader.feed(element("p", words, title=title))
    reader.close()
    assert reader.tags == [("p", {"title": printable(title)})]
    assert reader.text == printable(words)


def test_markup_is_kept_and_text_beside_it_is_escaped() -> None:
    assert element("p", "1 < 2 ", element("b", "&")) == "<p>1 &lt; 2 <b>&amp;</b></p>"
    assert join(["<", Markup("<br>")], ", ") == "&lt;, <br>"


def test_attribute_names_lose_their_python_dress() -> None:
    assert element("svg", class_="a", aria_hidden="true", viewBox="0 0 1 1", id=None, width=1.5) == (
        '<svg class="a" aria-hidden="true" viewBox="0 0 1 1" width="1.5"></svg>'
    )


def test_elements_that_hold_nothing_have_no_end() -> None:
    assert element("br") == "<br>"
    assert element("meta", charset="utf-8") == '<meta charset="utf-8">'
