"""The specifications of feeds, a line for each rule, held against feeds that have something of everything."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache

import pytest
from lxml import etree

from services.render.feeds.atom import ATOM
from services.render.feeds.feed import Feed, FeedFormat, Tombstone, feed_entry_of, feed_head_of
from services.render.feeds.formats import FEED_FORMATS
from services.render.feeds.json_feed import JSON_FEED
from services.render.feeds.rss import RSS
from shared.model.ids import item_id
from shared.model.items import Attachment, Image, PublicItem
from shared.model.listings import Listing
from tests.render.presentation_samples import BASE_URL, PUBLISHED, a_full_item, a_site, an_item

NAMES = {
    "a": "http://www.w3.org/2005/Atom",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "fh": "http://purl.org/syndication/history/1.0",
    "at": "http://purl.org/atompub/tombstones/1.0",
}
RFC_822 = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d (GMT|[+-]\d{4})")
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
JSON_FEED_KEYS = {
    *("version", "title", "home_page_url", "feed_url", "description", "language", "authors", "hubs", "next_url"),
    "items",
}
JSON_ITEM_KEYS = {
    *("id", "url", "title", "summary", "content_html", "image", "date_published", "date_modified", "authors", "tags"),
    *("language", "attachments"),
}


@cache
def every_feed() -> tuple[Feed, ...]:
    """Return a feed that readers subscribe to, one of its archives, and an empty one."""
    site = a_site()
    head = feed_head_of(Listing("ar", "section", "documents"), site, BASE_URL)
    entries = [feed_entry_of(item, site, BASE_URL, FEED_FORMATS) for item in awkward_items()]
    tombstones = [Tombstone(item_id("press", "gone"), PUBLISHED + timedelta(days=1), "Replaced <b>")]
    feed = Feed(head, datetime(2020, 1, 1, tzinfo=UTC), entries, tombstones, prev_archive="/ar/documents/2023/06/")
    archive = replace(feed, archive="/ar/documents/2023/07/", next_archive="/ar/documents/2023/08/")
    return feed, archive, replace(feed, entries=(), tombstones=(), prev_archive=None)


def awkward_items() -> list[PublicItem]:
    relative = '<a href="x?a=1&amp;b=2">x</a><img src="y.png"><h1>A</h1>'
    files = tuple(
        Attachment(url=f"/{size}.pdf", title="A & B", media_type="application/pdf", size_bytes=size)
        for size in (None, 7, 9)
    )
    return [
        a_full_item(),
        an_item("2", lang="ar", section="documents", title="نص", body=relative, body_format="html", attachments=files),
        an_item("3", lang="ar", section="documents", title="]]> & <", body="Short.", images=(Image(url="/a", alt=""),)),
        an_item("4", lang="ar", section="documents", number=2, accepted_at=PUBLISHED + timedelta(days=2)),
    ]


RSS_RULES = {
    "the root is rss 2.0 with one channel": "/rss/@version = '2.0' and count(/rss/*) = 1 and count(/rss/channel) = 1",
    "a channel has one title, link and description": (
        "count(/rss/channel/title) = 1 and count(/rss/channel/link) = 1 and count(/rss/channel/description) = 1"
    ),
    "RSS's own elements are in no namespace and others in one that it knows": (
        "not(//*[namespace-uri() != '' and not(self::a:link or self::dc:creator or self::content:encoded"
        " or self::fh:archive)])"
    ),
    "a channel has one build date and a language": (
        "count(/rss/channel/lastBuildDate) = 1 and count(/rss/channel/language) = 1"
    ),
    "an item has a title": "not(//item[not(normalize-space(title))])",
    "an item has one guid, which is no address": (
        "not(//item[count(guid) != 1 or guid/@isPermaLink != 'false']) and not(//guid[starts-with(., 'http')])"
    ),
    "no two items have the same guid": "not(//item/guid[. = ../preceding-sibling::item/guid])",
    "every address is absolute": (
        "not(//link[not(starts-with(., 'https://'))] | //enclosure/@url[not(starts-with(., 'https://'))]"
        " | //a:link/@href[not(starts-with(., 'https://'))])"
    ),
    "the full text stands after the description and differs from it": (
        "not(//item/content:encoded[following-sibling::description or . = ../description])"
    ),
    "an item has at most one enclosure, with address, length and type": (
        "not(//item[count(enclosure) > 1] | //enclosure[not(@url and @type and number(@length) >= 0)])"
    ),
    "authors are named where no mail address is": "not(//author) and count(//item/dc:creator) > 0 or not(//item)",
    "a channel has one self link of RSS's type": (
        "count(/rss/channel/a:link[@rel = 'self' and @type = 'application/rss+xml']) = 1"
    ),
    "a channel names its hub": "count(/rss/channel/a:link[@rel = 'hub']) = 1",
    "an item below another section says so in its category": "not(//item) or count(//category[contains(., '/')]) > 0",
}
ATOM_RULES = {
    "a feed has exactly one id, title and updated": (
        "count(/a:feed/a:id) = 1 and count(/a:feed/a:title) = 1 and count(/a:feed/a:updated) = 1"
    ),
    "an entry has exactly one id, title and updated": (
        "not(//a:entry[count(a:id) != 1 or count(a:title) != 1 or count(a:updated) != 1])"
    ),
    "an entry has at most one published, summary and content": (
        "not(//a:entry[count(a:published) > 1 or count(a:summary) > 1 or count(a:content) > 1])"
    ),
    "a feed has an author, who is named": "count(/a:feed/a:author/a:name[normalize-space()]) = 1",
    "every id is a tag": "not(//a:id[not(starts-with(., 'tag:'))])",
    "no two entries have the same id": "not(//a:entry/a:id[. = ../preceding-sibling::a:entry/a:id])",
    "a feed has one self link of Atom's type": (
        "count(/a:feed/a:link[@rel = 'self' and @type = 'application/atom+xml']) = 1"
    ),
    "a feed and an entry have one alternate": (
        "count(/a:feed/a:link[@rel = 'alternate']) = 1 and not(//a:entry[count(a:link[@rel = 'alternate']) != 1])"
    ),
    "every address is absolute": "not(//a:link/@href[not(starts-with(., 'https://'))])",
    "a feed and an entry say their language": "/a:feed/@xml:lang = 'ar' and not(//a:entry[not(@xml:lang)])",
    "full text is escaped HTML": "not(//a:entry[not(a:content/@type = 'html')]) and not(//a:content/*)",
    "a category has a term": "not(//a:category[not(normalize-space(@term))])",
    "what is deleted is no entry": "not(//a:entry/a:id[. = //at:deleted-entry/@ref])",
}
ARCHIVE_RULES = {
    "an archive says that it is one": "count(//fh:archive) = 1",
    "an archive leads to the feed that readers subscribe to, which is another": (
        "count(//a:link[@rel = 'current']) = 1"
        " and //a:link[@rel = 'current']/@href != (/rss/channel | /a:feed)/a:link[@rel = 'self']/@href"
    ),
    "an archive leads to the next older and the next newer one": (
        "count(//a:link[@rel = 'prev-archive']) = 1 and count(//a:link[@rel = 'next-archive']) = 1"
    ),
}
SUBSCRIBED_RULES = {
    "a feed that readers subscribe to is no archive": "not(//fh:archive or //a:link[@rel = 'current'])",
    "and leads to the newest archive at most": "count(//a:link[@rel = 'prev-archive']) <= 1",
    "and to no newer one": "not(//a:link[@rel = 'next-archive'])",
}


def holds(rule: str, document: bytes) -> bool:
    answer = etree.fromstring(document).xpath(rule, namespaces=NAMES)
    assert isinstance(answer, bool), rule
    return answer


@pytest.mark.parametrize("rule", RSS_RULES.values(), ids=RSS_RULES)
def test_rss_keeps_the_profile_s_rule_that(rule: str) -> None:
    assert all(holds(rule, RSS.render(feed)) for feed in every_feed())


@pytest.mark.parametrize("rule", ATOM_RULES.values(), ids=ATOM_RULES)
def test_atom_keeps_the_specification_s_rule_that(rule: str) -> None:
    assert all(holds(rule, ATOM.render(feed)) for feed in every_feed())


@pytest.mark.parametrize("form", [RSS, ATOM], ids=lambda form: form.name)
@pytest.mark.parametrize("rule", ARCHIVE_RULES.values(), ids=ARCHIVE_RULES)
def test_an_archive_keeps_the_rule_that(rule: str, form: FeedFormat) -> None:
    archives = [feed for feed in every_feed() if feed.archive]

    assert archives
    assert all(holds(rule, form.render(feed)) for feed in archives)


@pytest.mark.parametrize("form", [RSS, ATOM], ids=lambda form: form.name)
@pytest.mark.parametrize("rule", SUBSCRIBED_RULES.values(), ids=SUBSCRIBED_RULES)
def test_what_readers_subscribe_to_keeps_the_rule_that(rule: str, form: FeedFormat) -> None:
    assert all(holds(rule, form.render(feed)) for feed in every_feed() if feed.archive is None)


def test_dates_in_rss_are_english_whatever_the_language_and_none_is_after_the_build() -> None:
    for feed in every_feed():
        tree = etree.fromstring(RSS.render(feed))
        dates = [str(text) for text in tree.itertext("pubDate", "lastBuildDate")]
        assert all(RFC_822.fullmatch(date) for date in dates)
        assert max(map(parsedate_to_datetime, dates)) == parsedate_to_datetime(dates[0])


def test_dates_in_atom_are_those_of_the_internet_and_the_feed_is_as_new_as_its_newest_entry() -> None:
    for feed in every_feed():
        tree = etree.fromstring(ATOM.render(feed))
        updated = [str(text) for text in tree.itertext(f"{{{NAMES['a']}}}updated")]
        published = [str(text) for text in tree.itertext(f"{{{NAMES['a']}}}published")]
        deleted = [str(one.get("when")) for one in tree.iter(f"{{{NAMES['at']}}}deleted-entry")]
        assert all(RFC_3339.fullmatch(date) for date in (*updated, *published, *deleted))
        assert updated[0] == max([*updated, *deleted])
        assert all(before <= after for before, after in zip(published, updated[1:], strict=True))


def test_json_feeds_keep_the_rules_of_version_1_1() -> None:
    for feed in map(json.loads, map(JSON_FEED.render, every_feed())):
        assert feed["version"] == "https://jsonfeed.org/version/1.1"
        assert feed["title"]
        assert feed["language"] == "ar"
        assert feed.get("next_url") != feed["feed_url"]
        assert feed.keys() <= JSON_FEED_KEYS
        for item in feed["items"]:
            assert item.keys() <= JSON_ITEM_KEYS
            assert item["id"].startswith("tag:")
            assert item["content_html"]
            assert item["language"]
            assert RFC_3339.fullmatch(item["date_published"])
            assert item["date_published"] <= item["date_modified"]
            assert all(author["name"] for author in item.get("authors", []))
            addresses = [item["url"], *(one["url"] for one in item.get("attachments", []) if one["mime_type"])]
            assert all(url.startswith("https://") for url in addresses)
        ids = [item["id"] for item in feed["items"]]
        assert len(ids) == len(set(ids))


def test_the_three_formats_hold_the_same_items_in_the_same_order() -> None:
    for feed in every_feed():
        in_rss = [guid.text for guid in etree.fromstring(RSS.render(feed)).iter("guid")]
        in_atom = etree.fromstring(ATOM.render(feed)).xpath("//a:entry/a:id/text()", namespaces=NAMES)
        in_json = [item["id"] for item in json.loads(JSON_FEED.render(feed))["items"]]

        assert in_rss == in_atom == in_json
