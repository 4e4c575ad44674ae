"""Pages as readers find them."""

from pathlib import Path

import pytest
from lxml import html

from services.render.feeds.formats import FEED_FORMATS
from services.render.theme.theme import Theme
from services.render.theme.view_models import Translation
from shared.model.items import Image, Withdrawal
from shared.model.listings import Listing
from tests.render.presentation_samples import (
    BASE_URL,
    LANGUAGES,
    a_full_item,
    a_site,
    an_item,
    found,
    item_tree,
    text_of,
)

SECTION_LISTING = Listing("en", "section", "documents")


@pytest.fixture(scope="module")
def theme() -> Theme:
    return Theme(a_site(), BASE_URL, feed_formats=FEED_FORMATS, search=True)


def test_an_article_reads_title_date_and_text_and_nothing_between(theme: Theme) -> None:
    item = an_item(lang="ru", title="Мост открыт", body="Движение началось.\n\n«Жители довольны».")

    article = found(item_tree(theme, item), "//main")[0]

    assert text_of(article) == "Мост открыт 30 июля 2023, 17:25 Движение началось. «Жители довольны»."


def test_the_lead_and_the_image_stand_between_date_and_text(theme: Theme) -> None:
    item = an_item(summary="In short.", images=(Image(url="/a.svg", alt="A", caption="Cap"),))

    text = text_of(found(item_tree(theme, item), "//main")[0])

    assert text.startswith("Bridge opened 30 July 2023, 17:25 In short. Cap The bridge is open.")


def test_the_column_is_included_after_the_article(theme: Theme) -> None:
    page = theme.item_page(an_item(lang="ru"), ()).decode()

    after = page.partition("</main>")[2]
    assert after.lstrip().startswith('<!--#include virtual="/_fragments/ru/latest.html" -->')


def test_a_site_without_a_latest_section_has_no_column() -> None:
    plain = a_site(sections=[a_site().sections[0].model_dump()])

    assert b"#include" not in Theme(plain, BASE_URL, feed_formats=FEED_FORMATS).item_page(an_item(), ())


def test_a_document_in_the_column_reads_in_the_order_of_a_gazette(theme: Theme) -> None:
    item = an_item(lang="ru", section="documents/orders", title="Новый мост", body="Открыть мост.")

    fragment = html.fragment_fromstring(theme.latest_fragment("ru", [theme.card(item)]).decode())

    expected = "Documents ru Orders ru 30 июля 2023 17:25 Новый мост Открыть мост. 30 июля 2023, 17:25"
    assert text_of(found(fragment, ".//li")[0]) == expected


def test_a_document_of_the_top_section_names_no_kind(theme: Theme) -> None:
    item = an_item(lang="ru", section="documents", title="Новый мост", body="Открыть мост.")

    fragment = html.fragment_fromstring(theme.latest_fragment("ru", [theme.card(item)]).decode())

    assert text_of(found(fragment, ".//li")[0]).startswith("Documents ru 30 июля 2023 17:25 Новый мост")


def test_an_empty_column_is_empty(theme: Theme) -> None:
    assert theme.latest_fragment("en", []).strip() == b""


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_page_speaks_its_language_in_its_direction(theme: Theme, lang: str) -> None:
    tree = item_tree(theme, an_item(lang=lang))

    assert tree.get("lang") == lang
    assert tree.get("dir") == ("rtl" if lang == "ar" else "ltr")


def test_the_switcher_leads_to_the_translation_or_else_home(theme: Theme) -> None:
    tree = item_tree(theme, an_item(), Translation("fr", "/fr/y/", "Y"))

    links = {link.get("hreflang"): link.get("href") for link in found(tree, "//nav[@class='languages']//a")}
    assert (links["fr"], links["ar"], links["en"]) == ("/fr/y/", "/ar/", "/en/news/2023/07/item-1/")


def test_the_switcher_of_a_section_leads_to_the_same_section(theme: Theme) -> None:
    tree = html.document_fromstring(theme.listing_page(SECTION_LISTING, []))

    assert found(tree, "//nav[@class='languages']//a[@lang='fr']/@href") == ["/fr/documents/"]


def test_an_item_withdrawn_under_a_notice_shows_it_before_the_text(theme: Theme) -> None:
    tree = item_tree(theme, an_item(withdrawal=Withdrawal(mode="notice", notice="Replaced.")))

    assert "withdrawn. Replaced. The bridge is open." in text_of(found(tree, "//main")[0])


def test_a_section_page_links_to_its_months_and_to_the_sections_below(theme: Theme) -> None:
    tree = html.document_fromstring(theme.listing_page(SECTION_LISTING, [], ["202307"]))

    assert found(tree, "//nav[@class='months']//a/@href") == ["/en/documents/2023/07/"]
    assert found(tree, "//nav[@class='months']//a/text()") == ["July 2023"]
    assert found(tree, "//ul[@class='below']//a/@href") == ["/en/documents/orders/"]


def test_an_archive_page_leads_to_its_neighbours(theme: Theme) -> None:
    tree = html.document_fromstring(theme.archive_page(SECTION_LISTING, "202307", 2, [], is_last=False))

    assert found(tree, "//a[@rel='prev']/@href") == ["/en/documents/2023/07/"]
    assert found(tree, "//a[@rel='next']/@href") == ["/en/documents/2023/07/page/3/"]
    assert found(tree, "//link[@rel='canonical']/@href") == [f"{BASE_URL}/en/documents/2023/07/page/2/"]


def test_the_footer_links_to_the_standing_pages_that_there_are() -> None:
    theme = Theme(a_site(), BASE_URL, feed_formats=FEED_FORMATS, standing={"en": [("contacts", "Contacts")]})

    page = html.document_fromstring(theme.not_found_page("en"))

    assert found(page, "//footer//a[@href='/en/contacts/']/text()") == ["Contacts"]


def test_search_is_offered_only_where_there_is_one(theme: Theme) -> None:
    assert b'action="/en/search/"' in theme.not_found_page("en")
    assert b"<form" not in Theme(a_site(), BASE_URL, feed_formats=FEED_FORMATS).not_found_page("en")


def test_an_institution_changes_one_block_of_a_shipped_template(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    own = '{% extends "shipped/not_found.html" %}{% block content %}<h1>Lost at sea</h1>{% endblock %}'
    (tmp_path / "templates" / "not_found.html").write_text(own)

    page = Theme(a_site(), BASE_URL, tmp_path, feed_formats=FEED_FORMATS).not_found_page("en").decode()

    assert "<h1>Lost at sea</h1>" in page
    assert "Skip to content" in page


def test_a_document_shows_its_data_after_its_text(theme: Theme) -> None:
    text = text_of(found(item_tree(theme, a_full_item()), "//main")[0])

    assert "Number 7 Signed on 29 July 2023 Signed by Minister Attachments Annex PDF, 9 byte sea" in text
    assert text.endswith("Changed 30 July 2023, 17:25 — Corrected a name.")
