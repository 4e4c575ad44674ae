"""Items of our own, for a trial in a language and a kind of sections that has no published item yet."""

from datetime import UTC, date, datetime

from shared.model.ids import item_id
from shared.model.items import Attachment, DocumentData, Image, Item, PublicItem, Revision
from shared.model.site_file import Section, Site
from shared.model.urls import item_path, month_of

_MOMENT = datetime(2025, 5, 22, 10, 47, tzinfo=UTC)
_SOURCE = "clarion"


def specimen(site: Site, lang: str, section: Section) -> PublicItem:
    """Return an item of the section in the language that shows everything an item can have."""
    name = f"specimen-{lang}"
    path = item_path(lang, section.path, month_of(_MOMENT, site.zone), name)
    revision = Revision(
        number=1,
        accepted_at=_MOMENT,
        lang=lang,
        section=section.path,
        title="A specimen & its <title>",
        summary="What it says, in short.",
        body="<h2>A heading</h2><p>Words, <em>more</em> words.</p>",
        body_format="html",
        published_at=_MOMENT,
        tags=("specimen",),
        change_note="Corrected a name.",
        authors=("Press Service",),
        place="Porto",
        images=(
            Image(url="/media/picture.svg", alt="A picture", caption="A caption", credit="Anna", width=4, height=3),
        ),
        attachments=(Attachment(url="/media/paper.pdf", title="A paper", media_type="application/pdf", size_bytes=1),),
        document=DocumentData(number="214", signed_on=date(2025, 5, 22), signed_by="Anna")
        if section.kind.name == "document"
        else None,
        path=path,
    )
    item = Item(
        id=item_id(_SOURCE, name),
        source=_SOURCE,
        external_id=name,
        state="published",
        latest=1,
        public=1,
        shown=1,
        content_sha256="",
        path=path,
        accepted_at=_MOMENT,
        released_at=_MOMENT,
        publish_at=None,
        last_event=1,
        announced=1,
    )
    return PublicItem(item, revision)
