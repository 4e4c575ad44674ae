"""What templates read of an item."""

from datetime import UTC, date, datetime, timedelta

import pytest

from services.render.theme.view_models import (
    PageLink,
    Translation,
    archive_path,
    card_of,
    in_language,
    item_page_of,
    listing_name,
)
from shared.model.items import Attachment, DocumentData, Image, Withdrawal
from shared.model.kinds.article import ARTICLE
from shared.model.kinds.document import DOCUMENT
from shared.model.listings import Listing
from tests.render.presentation_samples import PUBLISHED, a_site, an_item, shipped_language


def test_a_card_tells_date_and_time_in_the_time_zone_of_the_site() -> None:
    card = card_of(an_item(lang="ru"), a_site(), shipped_language("ru"))

    assert (card.date, card.time, card.date_time) == ("30 июля 2023", "17:25", "30 июля 2023, 17:25")
    assert card.moment == "2023-07-30T17:25:00+04:00"


def test_a_card_names_the_top_section_and_below_it_the_kind() -> None:
    card = card_of(an_item(section="documents/orders"), a_site(), shipped_language("en"))

    assert card.section == PageLink("Documents en", "/en/documents/")
    assert card.kind == PageLink("Orders en", "/en/documents/orders/")
    assert card.section_kind is DOCUMENT


def test_a_card_of_an_item_in_a_top_section_leaves_the_kind_out() -> None:
    card = card_of(an_item(section="news"), a_site(), shipped_language("en"))

    assert (card.section.name, card.kind, card.section_kind) == ("News en", None, ARTICLE)


def test_a_card_of_an_item_whose_section_left_the_site_file_names_its_path() -> None:
    card = card_of(an_item(section="letters/old"), a_site(), shipped_language("en"))

    assert card.kind == PageLink("old", "/en/letters/old/")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param({"summary": "In short.", "body": "At length."}, "In short.", id="the summary"),
        pytest.param({"body": "First.\n\nSecond."}, "First.\nSecond.", id="else the body"),
        pytest.param({"body": "# A\n\n**b**", "body_format": "markdown"}, "A\nb", id="of markdown its text"),
        pytest.param({"body": "<p>a</p><script>x</script>", "body_format": "html"}, "a", id="of HTML its text"),
        pytest.param(
            {"body": f"<p><img src='/{'x' * 5000}'>late</p>", "body_format": "html"}, "late", id="far behind tags"
        ),
        pytest.param({"body": "word " * 1000}, "word " * 39 + "word…", id="cut at a word"),
    ],
)
def test_an_excerpt_is_the_summary_or_the_beginning_of_the_text(content: dict[str, str], expected: str) -> None:
    assert card_of(an_item(**content), a_site(), shipped_language("en")).excerpt == expected


def test_a_page_shows_what_a_document_carries() -> None:
    item = an_item(
        section="documents/orders",
        document=DocumentData(number="123", signed_on=date(2025, 5, 22), signed_by="A. Minister"),
        attachments=(Attachment(url="/a.pdf", title="Annex", media_type="application/pdf", size_bytes=1_234_567),),
    )

    page = item_page_of(item, a_site(), shipped_language("en"), ())

    assert [(fact.label, fact.value) for fact in page.facts] == [
        ("Number", "123"),
        ("Signed on", "22 May 2025"),
        ("Signed by", "A. Minister"),
    ]
    assert [download.details for download in page.downloads] == ["PDF, 1.2 MB"]


def test_a_page_leaves_out_the_translation_into_its_own_language() -> None:
    translations = [Translation("en", "/en/x/", "X"), Translation("fr", "/fr/y/", "Y")]

    page = item_page_of(an_item(lang="en"), a_site(), shipped_language("en"), translations)

    assert [translation.lang for translation in page.translations] == ["fr"]


def test_a_page_names_tags_as_the_site_file_does() -> None:
    site = a_site(tags={"ecology": {"en": "Ecology"}})

    page = item_page_of(an_item(tags=("ecology", "sea")), site, shipped_language("en"), ())

    assert page.tags == [PageLink("Ecology", "/en/tags/ecology/"), PageLink("sea", "/en/tags/sea/")]


def test_a_page_of_an_item_withdrawn_under_a_notice_carries_the_notice() -> None:
    item = an_item(withdrawal=Withdrawal(mode="notice", notice="Replaced."))

    assert item_page_of(item, a_site(), shipped_language("en"), ()).notice == "Replaced."


def test_images_of_a_page_keep_their_order() -> None:
    images = (Image(url="/1.png", alt="1"), Image(url="/2.png", alt="2"))

    page = item_page_of(an_item(images=images), a_site(), shipped_language("en"), ())

    assert page.images == images
    assert page.card.image == images[0]


@pytest.mark.parametrize(
    ("accepted", "publish_at", "expected"),
    [
        pytest.param(timedelta(hours=2), None, timedelta(hours=2), id="a revision that was not held"),
        pytest.param(timedelta(hours=-9), None, timedelta(0), id="never before the date readers see"),
        pytest.param(timedelta(hours=2), timedelta(hours=5), timedelta(hours=5), id="a revision that waited"),
    ],
)
def test_a_revision_became_public_when_readers_could_first_see_it(
    accepted: timedelta, publish_at: timedelta | None, expected: timedelta
) -> None:
    waited = None if publish_at is None else PUBLISHED + publish_at

    item = an_item(accepted_at=PUBLISHED + accepted, publish_at=waited)

    assert item.became_public_at == PUBLISHED + expected


@pytest.mark.parametrize(
    ("listing", "name"),
    [
        (Listing("fr", "home"), "Ministry fr"),
        (Listing("fr", "section", "documents/orders"), "Orders fr"),
        (Listing("fr", "tag", "sea"), "sea"),
    ],
)
def test_a_listing_is_called_as_readers_call_it(listing: Listing, name: str) -> None:
    assert listing_name(listing, a_site()) == name


def test_a_word_missing_in_a_language_is_said_in_the_first() -> None:
    assert in_language({"en": "Sea"}, "az", a_site()) == "Sea"


@pytest.mark.parametrize(("number", "path"), [(1, "/en/news/2023/07/"), (2, "/en/news/2023/07/page/2/")])
def test_the_pages_of_a_month_have_numbers_from_the_second_on(number: int, path: str) -> None:
    assert archive_path(Listing("en", "section", "news"), "202307", number) == path


def test_a_date_is_that_of_the_site_where_it_is_already_tomorrow() -> None:
    late = datetime(2025, 5, 21, 22, 30, tzinfo=UTC)

    assert card_of(an_item(published_at=late), a_site(), shipped_language("en")).date == "22 May 2025"
