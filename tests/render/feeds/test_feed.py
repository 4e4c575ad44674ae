"""Feeds are what their specifications say, and what readers make of them is what was published."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import feedparser  # type: ignore[import-untyped]  # it has no types
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from services.render.feeds.atom import ATOM
from services.render.feeds.feed import Feed, FeedFormat, Tombstone, feed_entry_of, feed_head_of
from services.render.feeds.formats import FEED_FORMATS
from services.render.feeds.json_feed import JSON_FEED
from services.render.feeds.rss import RSS
from services.render.theme.view_models import one_line
from shared.model.ids import item_id
from shared.model.items import Attachment, Image, PublicItem
from shared.model.listings import Listing
from tests.render.presentation_samples import BASE_URL, PUBLISHED, a_site, an_item

NAMES = {
    "a": "http://www.w3.org/2005/Atom",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "fh": "http://purl.org/syndication/history/1.0",
    "at": "http://purl.org/atompub/tombstones/1.0",
}
ITEM_URI = f"tag:press.example.org,2025-01-01:{item_id('press', '1')}"
BORN = datetime(2020, 1, 1, tzinfo=UTC)
AWKWARD = 'A <b> & "C" ]]> &amp; \u202eabc\u202c نص 🎺 \x0b\x1f'
READ_AS = 'A <b> & "C" ]]> &amp; \u202eabc\u202c نص 🎺'


def a_feed(*items: PublicItem, listing: Listing | None = None, **changes: Any) -> Feed:  # Any: a field of Feed
    head = feed_head_of(listing or Listing("en", "section", "news"), a_site(), BASE_URL)
    entries = [feed_entry_of(item, a_site(), BASE_URL, FEED_FORMATS) for item in items]
    return replace(Feed(head, BORN, entries), **changes)


def read(document: bytes) -> Any:  # Any: feedparser has no types
    """Return what a feed reader makes of the document, which it finds nothing wrong with."""
    parsed = feedparser.parse(document)
    assert not parsed.bozo, parsed.get("bozo_exception")
    return parsed


def texts(document: bytes, path: str) -> list[str]:
    found = etree.fromstring(document).xpath(path, namespaces=NAMES)
    assert isinstance(found, list)
    return [str(value) for value in found]


@pytest.mark.parametrize("form", [RSS, ATOM], ids=lambda form: form.name)
def test_a_reader_sees_the_item_as_it_was_published(form: FeedFormat) -> None:
    item = an_item(summary="In short.", authors=("Press Office",), tags=("sea",))

    entry = read(form.render(a_feed(item))).entries[0]

    assert entry.title == "Bridge opened"
    assert entry.link == "https://press.example.org/en/news/2023/07/item-1/"
    assert entry.id == ITEM_URI
    assert entry.summary == "In short."
    assert "<p>The bridge is open.</p>" in entry.content[0].value
    assert entry.author == "Press Office"
    assert [tag.term for tag in entry.tags] == ["News en", "sea"]
    assert entry.published_parsed[:5] == (2023, 7, 30, 13, 25)


@pytest.mark.parametrize("form", [RSS, ATOM], ids=lambda form: form.name)
def test_any_title_arrives_as_it_was_written(form: FeedFormat) -> None:
    document = form.render(a_feed(an_item(title=AWKWARD, body=AWKWARD)))

    read(document)
    assert texts(document, "//item/title/text() | //a:entry/a:title/text()") == [READ_AS]


@settings(deadline=None)  # a busy machine is no fault of the text
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_text_at_all_makes_feeds_that_parse(text: str) -> None:
    feed = a_feed(an_item(title=text, body=text, authors=(text,)))

    for document in (RSS.render(feed), ATOM.render(feed)):
        assert "".join(texts(document, "//item/title/text() | //a:entry/a:title/text()")).strip() == one_line(text)


def test_a_title_in_rss_has_its_marks_as_hexadecimal_references() -> None:
    assert b"<title>1 &#x3C; 2 &#x26; 3 &#x3E; 2</title>" in RSS.render(a_feed(an_item(title="1 < 2 & 3 > 2")))


def test_a_text_about_xml_keeps_its_declarations() -> None:
    body = f'xmlns:content="{NAMES["content"]}" xmlns:dc="{NAMES["dc"]}"'

    document = RSS.render(a_feed(an_item(title=body, body=body)))

    assert texts(document, "//item/title/text()") == [body]
    assert NAMES["dc"] in texts(document, "//item/content:encoded/text()")[0]


def test_addresses_in_feeds_are_absolute() -> None:
    item = an_item(
        body='<a href="/x/">x</a><img src="y.png" alt="">',
        body_format="html",
        images=(Image(url="/media/a.svg", alt="A", width=4, height=3, caption="Cap", credit="Cred"),),
        attachments=(Attachment(url="/media/a.pdf", title="Annex", media_type="application/pdf", size_bytes=9),),
    )

    html = texts(RSS.render(a_feed(item)), "//content:encoded/text()")[0]

    assert 'href="https://press.example.org/x/"' in html
    assert 'src="https://press.example.org/en/news/2023/07/item-1/y.png"' in html
    assert 'src="https://press.example.org/media/a.svg" alt="A" width="4" height="3"' in html
    assert "<figcaption>Cap · Cred</figcaption>" in html
    assert 'href="https://press.example.org/media/a.pdf"' in html


def test_rss_says_what_its_profile_asks_for() -> None:
    document = RSS.render(a_feed(an_item()))

    assert texts(document, "/rss/@version") == ["2.0"]
    assert texts(document, "/rss/channel/title/text()") == ["News en — Ministry en"]
    assert texts(document, "/rss/channel/link/text()") == ["https://press.example.org/en/news/"]
    assert texts(document, "/rss/channel/description/text()") == ["News en — Ministry en"]
    assert texts(document, "/rss/channel/language/text()") == ["en"]
    assert texts(document, "/rss/channel/lastBuildDate/text()") == ["Sun, 30 Jul 2023 13:25:00 GMT"]
    assert texts(document, "//item/pubDate/text()") == ["Sun, 30 Jul 2023 13:25:00 GMT"]
    assert texts(document, "//item/guid/@isPermaLink") == ["false"]


def test_a_short_text_does_not_stand_twice_in_rss() -> None:
    assert texts(RSS.render(a_feed(an_item(body="All there is."))), "//item/description") == []


def test_rss_has_one_enclosure_of_a_known_length() -> None:
    sizes = (None, 7, 9)
    files = [Attachment(url=f"/{size}.pdf", title="A", media_type="application/pdf", size_bytes=size) for size in sizes]

    document = RSS.render(a_feed(an_item(attachments=tuple(files))))

    assert texts(document, "//enclosure/@url") == ["https://press.example.org/7.pdf"]
    assert texts(document, "//enclosure/@length") == ["7"]
    assert texts(document, "//enclosure/@type") == ["application/pdf"]


def test_atom_says_what_its_specification_asks_for() -> None:
    document = ATOM.render(a_feed(an_item(lang="ar"), listing=Listing("ar", "home")))

    assert texts(document, "/a:feed/a:id/text()") == ["tag:press.example.org,2025-01-01:feed:ar:home:"]
    assert texts(document, "/a:feed/@xml:lang") == ["ar"]
    assert texts(document, "/a:feed/a:author/a:name/text()") == ["Ministry ar"]
    assert texts(document, "/a:feed/a:updated/text()") == ["2023-07-30T13:25:00.000Z"]
    assert texts(document, "//a:entry/@xml:lang") == ["ar"]
    assert texts(document, "//a:entry/a:link[@rel='alternate']/@hreflang") == ["ar"]
    assert texts(document, "//a:entry/a:content/@type") == ["html"]


def test_an_entry_keeps_its_id_and_published_through_revisions() -> None:
    later = PUBLISHED + timedelta(days=3)

    document = ATOM.render(a_feed(an_item(number=2, accepted_at=later, title="New", path="/en/news/2023/07/new/")))

    assert texts(document, "//a:entry/a:id/text()") == [ITEM_URI]
    assert texts(document, "//a:entry/a:published/text()") == ["2023-07-30T13:25:00.000Z"]
    assert texts(document, "//a:entry/a:updated/text()") == ["2023-08-02T13:25:00.000Z"]
    assert texts(document, "/a:feed/a:updated/text()") == ["2023-08-02T13:25:00.000Z"]


def test_only_a_major_revision_moves_updated_and_any_revision_moves_what_tells_of_changes() -> None:
    major, minor = PUBLISHED + timedelta(days=3), PUBLISHED + timedelta(days=5)
    feed = a_feed(an_item(number=3, accepted_at=minor, update_type="minor", major_at=major))

    assert texts(ATOM.render(feed), "//a:entry/a:updated/text()") == ["2023-08-02T13:25:00.000Z"]
    assert texts(ATOM.render(feed), "/a:feed/a:updated/text()") == ["2023-08-02T13:25:00.000Z"]
    assert texts(RSS.render(feed), "//lastBuildDate/text()") == ["Fri, 04 Aug 2023 13:25:00 GMT"]
    assert json.loads(JSON_FEED.render(feed))["items"][0]["date_modified"] == "2023-08-04T13:25:00.000Z"


@pytest.mark.parametrize("form", [RSS, ATOM], ids=lambda form: form.name)
def test_a_feed_advertises_itself_and_the_hub(form: FeedFormat) -> None:
    document = form.render(a_feed(an_item()))

    assert texts(document, "//a:link[@rel='self']/@href") == [f"https://press.example.org/en/news/feed.{form.name}"]
    assert texts(document, "//a:link[@rel='hub']/@href") == ["https://press.example.org/hub"]
    assert texts(document, "//fh:archive") == []


@pytest.mark.parametrize("form", [RSS, ATOM], ids=lambda form: form.name)
def test_an_archive_leads_to_its_neighbours_and_to_the_current_feed(form: FeedFormat) -> None:
    archive, older, newer = (f"/en/news/2023/{month}/" for month in ("07", "06", "08"))

    document = form.render(a_feed(an_item(), archive=archive, prev_archive=older, next_archive=newer))

    links = {rel: texts(document, f"//a:link[@rel='{rel}']/@href") for rel in ("self", "current", "prev-archive")}
    assert links == {
        "self": [f"https://press.example.org/en/news/2023/07/feed.{form.name}"],
        "current": [f"https://press.example.org/en/news/feed.{form.name}"],
        "prev-archive": [f"https://press.example.org/en/news/2023/06/feed.{form.name}"],
    }
    assert len(etree.fromstring(document).findall(".//fh:archive", NAMES)) == 1


def test_a_withdrawn_item_leaves_a_tombstone_in_atom() -> None:
    withdrawn = Tombstone(item_id("press", "1"), PUBLISHED + timedelta(days=9), "Replaced")

    document = ATOM.render(a_feed(tombstones=[withdrawn]))

    assert texts(document, "//at:deleted-entry/@ref") == [ITEM_URI]
    assert texts(document, "//at:deleted-entry/@when") == ["2023-08-08T13:25:00.000Z"]
    assert texts(document, "//at:comment/text()") == ["Replaced"]
    assert texts(document, "/a:feed/a:updated/text()") == ["2023-08-08T13:25:00.000Z"]


def test_a_json_feed_says_what_its_specification_asks_for() -> None:
    annex = Attachment(url="/a.pdf", title="Annex", media_type="application/pdf", size_bytes=9)
    picture = Image(url="/a.svg", alt="")
    item = an_item(title=AWKWARD, attachments=(annex,), images=(picture,), authors=("Press Office",), tags=("sea",))

    feed = json.loads(JSON_FEED.render(a_feed(item, prev_archive="/en/news/2023/06/")))

    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert feed["feed_url"] == "https://press.example.org/en/news/feed.json"
    assert feed["home_page_url"] == "https://press.example.org/en/news/"
    assert feed["next_url"] == "https://press.example.org/en/news/2023/06/feed.json"
    assert feed["hubs"] == [{"type": "WebSub", "url": "https://press.example.org/hub"}]
    assert feed["language"] == "en"
    entry = feed["items"][0]
    assert (entry["id"], entry["title"]) == (ITEM_URI, READ_AS)
    assert entry["image"] == "https://press.example.org/a.svg"
    assert entry["authors"] == [{"name": "Press Office"}]
    assert entry["tags"] == ["News en", "sea"]
    assert entry["date_published"] == "2023-07-30T13:25:00.000Z"
    assert entry["attachments"] == [
        {
            "url": "https://press.example.org/a.pdf",
            "mime_type": "application/pdf",
            "title": "Annex",
            "size_in_bytes": 9,
        }
    ]


def test_entries_stand_newest_first() -> None:
    items = {hour: an_item(str(hour)) for hour in (1, 2, 0)}
    released = {hour: replace(one.item, released_at=PUBLISHED + timedelta(hours=hour)) for hour, one in items.items()}
    feed = a_feed(*(replace(one, item=released[hour]) for hour, one in items.items()))

    links = texts(RSS.render(feed), "//item/link/text()")

    assert [link[-2] for link in links] == ["2", "1", "0"]


@pytest.mark.parametrize("form", [RSS, ATOM], ids=lambda form: form.name)
def test_a_feed_without_entries_is_whole_and_as_old_as_its_birth(form: FeedFormat) -> None:
    parsed = read(form.render(a_feed()))

    assert parsed.entries == []
    assert parsed.feed.updated_parsed[:3] == (2020, 1, 1)


def test_a_json_feed_without_entries_is_whole() -> None:
    assert json.loads(JSON_FEED.render(a_feed()))["items"] == []


@pytest.mark.parametrize("form", FEED_FORMATS, ids=lambda form: form.name)
def test_equal_values_make_equal_feeds(form: FeedFormat) -> None:
    assert form.render(a_feed(an_item("1"), an_item("2"))) == form.render(a_feed(an_item("2"), an_item("1")))
