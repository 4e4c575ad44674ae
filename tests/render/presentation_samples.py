"""A small site and items for the tests of pages and feeds."""

from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from lxml import html
from lxml.html import HtmlElement

from services.render.text.language import Language, language_of
from services.render.theme.files import ThemeFiles
from services.render.theme.theme import Theme
from services.render.theme.view_models import Translation
from shared.model.ids import item_id
from shared.model.items import Attachment, DocumentData, Image, Item, PublicItem, Revision
from shared.model.site_file import Site

BASE_URL = "https://press.example.org"
PUBLISHED = datetime(2023, 7, 30, 13, 25, tzinfo=UTC)  # 17:25 in Baku
LANGUAGES = ("en", "ru", "az", "ar", "fr", "de")


def a_site(**changes: Any) -> Site:  # Any: whatever key of the site file a test is about
    """Return a site in five shipped languages and one without a catalogue."""
    site: dict[str, Any] = {
        "title": _in_every_language("Ministry"),
        "timezone": "Asia/Baku",
        "languages": LANGUAGES,
        "sections": [
            {"path": "news", "kind": "article", "name": _in_every_language("News")},
            {
                "path": "documents",
                "kind": "document",
                "name": _in_every_language("Documents"),
                "latest": True,
            },
            {"path": "documents/orders", "kind": "document", "name": _in_every_language("Orders")},
        ],
    }
    return Site.model_validate(site | changes)


def an_item(external_id: str = "1", **changes: Any) -> PublicItem:  # Any: whatever field a test is about
    """Return a public item; `changes` are fields of its revision."""
    lang, section = changes.get("lang", "en"), changes.get("section", "news")
    content: dict[str, Any] = {
        "number": 1,
        "accepted_at": PUBLISHED,
        "lang": lang,
        "section": section,
        "title": "Bridge opened",
        "body": "The bridge is open.\n\nTraffic flows.",
        "published_at": PUBLISHED,
        "path": f"/{lang}/{section}/2023/07/item-{external_id}/",
    }
    revision = Revision.model_validate(content | changes)
    item = Item(
        id=item_id("press", external_id),
        source="press",
        external_id=external_id,
        state="published",
        latest=revision.number,
        public=revision.number,
        content_sha256=revision.content_sha256,
        path=revision.path,
        accepted_at=revision.accepted_at,
        released_at=PUBLISHED,
        publish_at=None,
        last_event=revision.number,
        announced=revision.number,
    )
    return PublicItem(item, revision)


def a_full_item() -> PublicItem:
    """Return a document that has something of everything."""
    return an_item(
        section="documents/orders",
        summary="In short.",
        tags=("sea",),
        authors=("Press Office",),
        images=(Image(url="/a.svg", alt="A", caption="Cap", credit="Cred", width=4, height=3), Image(url="/b", alt="")),
        attachments=(Attachment(url="/a.pdf", title="Annex", media_type="application/pdf", size_bytes=9),),
        document=DocumentData(number="7", signed_on=date(2023, 7, 29), signed_by="Minister"),
        change_note="Corrected a name.",
        number=2,
    )


@cache
def shipped_language(tag: str) -> Language:
    """Return the language as Clarion ships it, without any theme's words."""
    return language_of(tag, ThemeFiles(None).catalogues)


def item_tree(theme: Theme, item: PublicItem, *translations: Translation) -> HtmlElement:
    """Return the item's page, parsed."""
    return html.document_fromstring(theme.item_page(item, translations))


def text_of(element: HtmlElement) -> str:
    """Return the element's text as a reader meets it."""
    return " ".join(element.text_content().split())


def found(tree: HtmlElement, path: str) -> list[Any]:  # Any: XPath gives elements or strings
    """Return what the path finds."""
    result = tree.xpath(path)
    assert isinstance(result, list)
    return result


def _in_every_language(word: str) -> dict[str, str]:
    return {language: f"{word} {language}" for language in LANGUAGES}
