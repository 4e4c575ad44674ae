"""Pages as search engines, browsers and assistive technology find them."""

import json
import re
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from lxml import html
from lxml.html import HtmlElement

from services.render.feeds.formats import FEED_FORMATS
from services.render.theme.theme import Theme
from services.render.theme.view_models import Translation
from shared.model.items import Attachment, DocumentData, Image, Withdrawal
from shared.model.listings import Listing
from tests.render.presentation_samples import (
    BASE_URL,
    PUBLISHED,
    a_full_item,
    a_site,
    an_item,
    found,
    item_tree,
    text_of,
)

SECTION_LISTING = Listing("en", "section", "documents")
HOSTILE = "</script><script>alert(1)</script><!--#exec cmd='id' --> & \" '"


@pytest.fixture(scope="module")
def theme() -> Theme:
    return Theme(a_site(), BASE_URL, feed_formats=FEED_FORMATS, search=True)


def every_page(theme: Theme) -> dict[str, bytes]:
    item = a_full_item()
    card = theme.card(item)
    site = a_site()
    return {
        "item": theme.item_page(item, [Translation("fr", "/fr/y/", "Titre")]),
        "home": theme.home_page("en", [(site.sections[0], [card]), (site.sections[1], [card])]),
        "section": theme.listing_page(SECTION_LISTING, [card], ["202307", "202306"]),
        "empty section": theme.listing_page(SECTION_LISTING, []),
        "tag": theme.listing_page(Listing("en", "tag", "sea"), [card]),
        "archive": theme.archive_page(SECTION_LISTING, "202307", 2, [card], is_last=False),
        "standing": theme.standing_page("en", "contacts", "Contacts", "<p>Write to us.</p>"),
        "gone": theme.gone_page("en", "Bridge opened", "Replaced."),
        "not found": theme.not_found_page("en"),
    }


def test_the_head_names_every_language_of_the_item_and_a_default(theme: Theme) -> None:
    tree = item_tree(theme, an_item(lang="ru"), Translation("en", "/en/x/", "X"), Translation("ar", "/ar/y/", "Y"))

    links = {link.get("hreflang"): link.get("href") for link in found(tree, "//head/link[@hreflang]")}
    assert links == {
        "ru": f"{BASE_URL}/ru/news/2023/07/item-1/",
        "en": f"{BASE_URL}/en/x/",
        "ar": f"{BASE_URL}/ar/y/",
        "x-default": f"{BASE_URL}/en/x/",
    }
    assert found(tree, "//link[@rel='canonical']/@href") == [f"{BASE_URL}/ru/news/2023/07/item-1/"]


def test_the_default_of_an_untranslated_item_is_itself(theme: Theme) -> None:
    tree = item_tree(theme, an_item(lang="ru"))

    assert found(tree, "//link[@hreflang='x-default']/@href") == [f"{BASE_URL}/ru/news/2023/07/item-1/"]


def test_the_head_offers_the_feeds_of_the_listing_and_the_hub(theme: Theme) -> None:
    tree = item_tree(theme, an_item(section="documents/orders"))

    feeds = {link.get("type"): link.get("href") for link in found(tree, "//head/link[@rel='alternate'][@title]")}
    assert feeds == {
        "application/rss+xml": "/en/documents/orders/feed.rss",
        "application/atom+xml": "/en/documents/orders/feed.atom",
        "application/feed+json": "/en/documents/orders/feed.json",
    }
    assert found(tree, "//link[@rel='hub']/@href") == [f"{BASE_URL}/hub"]


def test_an_article_tells_machines_that_it_is_news(theme: Theme) -> None:
    item = an_item(images=(Image(url="/a.svg", alt="A"),), authors=("Press Office",), number=2)

    graph = json_ld(item_tree(theme, item))

    assert graph[0]["@type"] == "NewsArticle"
    assert graph[0]["headline"] == "Bridge opened"
    assert graph[0]["datePublished"] == "2023-07-30T17:25:00+04:00"
    assert graph[0]["dateModified"] >= graph[0]["datePublished"]
    assert graph[0]["image"] == [f"{BASE_URL}/a.svg"]
    assert [step["name"] for step in graph[1]["itemListElement"]] == ["News en", "Bridge opened"]


def test_a_document_tells_machines_that_it_is_legislation(theme: Theme) -> None:
    graph = json_ld(item_tree(theme, a_full_item(), Translation("fr", "/fr/y/", "Titre")))

    assert graph[0]["@type"] == "Legislation"
    assert graph[0]["legislationIdentifier"] == "7"
    assert graph[0]["legislationDate"] == "2023-07-29"
    assert graph[0]["workTranslation"][0]["inLanguage"] == "fr"
    assert [step["name"] for step in graph[1]["itemListElement"]] == ["Documents en", "Orders en", "Bridge opened"]


def test_a_document_names_its_type_and_who_answers_for_it(theme: Theme) -> None:
    legislation = json_ld(item_tree(theme, a_full_item()))[0]

    assert legislation["legislationType"] == "Orders en"
    assert legislation["legislationResponsible"]["name"] == "Ministry en"
    assert legislation["legislationPassedBy"] == {"@type": "Person", "name": "Minister"}
    assert legislation["encoding"][0]["contentUrl"] == f"{BASE_URL}/a.pdf"


def test_an_article_that_nobody_signed_is_the_publisher_s(theme: Theme) -> None:
    article = json_ld(item_tree(theme, an_item()))[0]

    assert (
        article["author"]
        == article["publisher"]
        == {"@type": "Organization", "name": "Ministry en", "url": f"{BASE_URL}/"}
    )


def test_machines_read_the_dates_that_readers_see(theme: Theme) -> None:
    tree = item_tree(theme, an_item(number=2, accepted_at=PUBLISHED + timedelta(days=1), change_note="A name."))

    article = json_ld(tree)[0]
    assert found(tree, "//*[@class='date']/time/@datetime") == [article["datePublished"]]
    assert found(tree, "//*[@class='change-note']/time/@datetime") == [article["dateModified"]]


def json_ld(tree: HtmlElement) -> Any:  # Any: JSON
    return json.loads(found(tree, "//script[@type='application/ld+json']/text()")[0])["@graph"]


def test_no_words_of_an_item_become_markup(theme: Theme) -> None:
    item = an_item(
        title=HOSTILE,
        summary=HOSTILE,
        body=HOSTILE,
        authors=(HOSTILE,),
        place=HOSTILE,
        change_note=HOSTILE,
        tags=("x",),
        images=(Image(url="/a.svg", alt=HOSTILE, caption=HOSTILE, credit=HOSTILE),),
        attachments=(Attachment(url="/a.pdf", title=HOSTILE, media_type="application/pdf"),),
        document=DocumentData(number=HOSTILE, signed_by=HOSTILE),
        withdrawal=Withdrawal(mode="notice", notice=HOSTILE),
    )

    page = theme.item_page(item, [Translation("fr", "/fr/y/", HOSTILE)])

    assert len(re.findall(rb"<script", page)) == 1
    assert page.count(b"<!--#") == 1
    assert json_ld(html.document_fromstring(page))[0]["headline"] == HOSTILE


@pytest.mark.parametrize("page", [b"gone", b"not found"])
def test_what_is_not_there_is_not_indexed(theme: Theme, page: bytes) -> None:
    tree = html.document_fromstring(every_page(theme)[page.decode()])

    assert found(tree, "//meta[@name='robots']/@content") == ["noindex"]
    assert found(tree, "//link[@rel='canonical']") == []


def test_every_page_keeps_the_rules_of_accessibility_that_a_machine_can_check(theme: Theme) -> None:
    for name, page in every_page(theme).items():
        tree = html.document_fromstring(page)
        assert len(found(tree, "//h1")) == 1, name
        assert all(text_of(heading) for heading in found(tree, "//h1 | //h2 | //h3 | //h4")), name
        assert len(found(tree, "//main")) == len(found(tree, "/html/body/header")) == 1, name
        assert found(tree, "//a[@class='skip']/@href") == ["#content"], name
        assert all(image.get("alt") is not None for image in found(tree, "//img")), name
        assert all(text_of(link) for link in found(tree, "//a")), name
        identifiers = found(tree, "//@id")
        assert len(identifiers) == len(set(identifiers)), name
        levels = [int(heading.tag[1]) for heading in found(tree, "//main//*[self::h1 or self::h2 or self::h3]")]
        assert all(after - before <= 1 for before, after in pairwise(levels)), name


def test_every_page_that_is_indexed_has_one_address_among_its_languages(theme: Theme) -> None:
    for name, page in every_page(theme).items():
        tree = html.document_fromstring(page)
        if found(tree, "//meta[@name='robots']"):
            continue
        canonical = found(tree, "//link[@rel='canonical']/@href")
        assert len(canonical) == 1, name
        assert canonical[0].startswith(f"{BASE_URL}/"), name
        assert found(tree, "//meta[@property='og:url']/@content") == canonical, name
        assert canonical[0] in found(tree, "//link[@hreflang]/@href"), name


def test_every_page_says_what_a_shared_link_shows(theme: Theme) -> None:
    for name, page in every_page(theme).items():
        tree = html.document_fromstring(page)
        for property_ in ("og:type", "og:site_name", "og:title", "og:locale"):
            assert len(found(tree, f"//meta[@property='{property_}']/@content")) == 1, (name, property_)
        assert found(tree, "//meta[@name='twitter:card']/@content"), name
        assert all(str(url).startswith("https://") for url in found(tree, "//meta[@property='og:image']/@content")), (
            name
        )


def test_every_time_has_its_offset_unless_it_is_a_day(theme: Theme) -> None:
    for name, page in every_page(theme).items():
        for moment in found(html.document_fromstring(page), "//time/@datetime"):
            assert re.fullmatch(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d[+-]\d\d:\d\d)?", moment), (name, moment)


def test_every_feed_that_a_page_offers_has_a_title(theme: Theme) -> None:
    for name, page in every_page(theme).items():
        titles = found(html.document_fromstring(page), "//head/link[contains(@href, '/feed.')]/@title")
        assert len(set(titles)) == (0 if name in ("gone", "not found") else 3), name


def test_parts_in_another_language_say_so(theme: Theme) -> None:
    tree = item_tree(theme, a_full_item(), Translation("ar", "/ar/y/", "عنوان"))

    names = {link.get("lang"): text_of(link) for link in found(tree, "//nav[@class='languages']//a")}
    assert names["ru"] == "Русский"
    assert [link.get("lang") for link in found(tree, "//a[@href='/ar/y/'][text()='عنوان']")] == ["ar"]


def test_the_home_page_of_a_site_without_a_description_tells_its_sections(theme: Theme) -> None:
    described = Theme(a_site(description={"en": "What the ministry does."}), BASE_URL, feed_formats=FEED_FORMATS)

    pages = [html.document_fromstring(one.home_page("en", [])) for one in (theme, described)]

    shown = [found(page, "//meta[@name='description']/@content")[0] for page in pages]
    assert shown == ["Ministry en: News en · Documents en", "What the ministry does."]
    assert [len(found(page, "//p[@class='home-description']")) for page in pages] == [0, 1]


def test_every_page_lives_under_a_strict_content_security_policy(theme: Theme) -> None:
    for name, page in every_page(theme).items():
        tree = html.document_fromstring(page)
        assert found(tree, "//@style | //style | //@*[starts-with(name(), 'on')]") == [], name
        assert found(tree, "//script[not(@type='application/ld+json')]") == [], name
        loaded = [*found(tree, "//link[@rel='stylesheet' or @rel='icon']/@href"), *found(tree, "//script/@src")]
        assert all(str(url).startswith("/static/") for url in loaded), name


def test_every_page_has_a_title_of_its_own(theme: Theme) -> None:
    titles = [found(html.document_fromstring(page), "//title/text()")[0] for page in every_page(theme).values()]

    assert len(set(titles)) == len(titles) - 1  # the section is there twice


def test_two_themes_of_the_same_files_write_the_same_bytes(theme: Theme) -> None:
    again = Theme(a_site(), BASE_URL, feed_formats=FEED_FORMATS, search=True)

    assert every_page(again) == every_page(theme)
    assert again.fingerprint == theme.fingerprint
    assert again.static_files() == theme.static_files()


def test_an_address_that_would_run_is_left_out(theme: Theme) -> None:
    script = "javascript:alert(1)"
    item = an_item(
        images=(Image(url=script, alt=""),),
        attachments=(Attachment(url=script, title="Annex", media_type="application/pdf"),),
    )

    assert script.encode() not in theme.item_page(item, ())
