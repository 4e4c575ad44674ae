"""What templates read: an item as a card in a list and as a page of its own, in its language."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from markupsafe import Markup

from services.render.text.language import Language
from shared.model.items import Attachment, Image, PublicItem, Revision
from shared.model.kinds.article import ARTICLE
from shared.model.kinds.kind import Fact, SectionKind
from shared.model.listings import Listing
from shared.model.site_file import Site, Words
from shared.model.urls import section_path, tag_path
from shared.text.markup import (
    body_html,
    excerpt,
    is_image_url,
    is_link_url,
    printable,
    scrollable,
    text_of,
)

EXCERPT_CHARS = 200
# The excerpt is taken from the first 2,000 characters of the body, unless they are nearly all tags. So a card does not
# render the whole of a long decree.
_BEGINNING_CHARS = 2_000

_MEDIA_NAMES = {
    "application/pdf": "PDF",
    "application/zip": "ZIP",
    "application/msword": "DOC",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "DOCX",
    "application/vnd.ms-excel": "XLS",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "XLSX",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "PPTX",
    "application/vnd.oasis.opendocument.text": "ODT",
    "application/vnd.oasis.opendocument.spreadsheet": "ODS",
    "text/plain": "TXT",
}


@dataclass(frozen=True)
class PageLink:
    """A page of the site to link to."""

    name: str
    path: str


@dataclass(frozen=True)
class Card:
    """An item as lists show it."""

    path: str
    lang: str
    title: str
    excerpt: str
    section: PageLink
    """The top section."""
    kind: PageLink | None
    """The item's own section, where it lies below the top one."""
    section_kind: SectionKind
    moment: str
    """`published_at` in ISO 8601 with the site's offset."""
    date: str
    time: str
    date_time: str
    image: Image | None


@dataclass(frozen=True)
class Translation:
    """The same item in another language."""

    lang: str
    path: str
    title: str


@dataclass(frozen=True)
class Download:
    """An attachment to be offered."""

    url: str
    title: str
    media_type: str
    details: str
    """Such as "PDF, 1.2 MB"."""


@dataclass(frozen=True)
class FactLine:
    """A line of what the item carries for kinds of sections."""

    label: str
    value: str
    moment: str | None = None
    """ISO 8601, where the value is a date."""


@dataclass(frozen=True)
class ChangeNote:
    """What the public revision changed, and when."""

    text: str
    moment: str
    date_time: str


@dataclass(frozen=True)
class ItemPage:
    """An item as its page shows it."""

    card: Card
    lead: str | None
    body: Markup
    crumbs: Sequence[PageLink]
    byline: str
    images: Sequence[Image]
    downloads: Sequence[Download]
    facts: Sequence[FactLine]
    tags: Sequence[PageLink]
    translations: Sequence[Translation]
    change_note: ChangeNote | None
    notice: str | None
    """Why the item no longer stands, where it was withdrawn under a notice."""
    modified: str
    """ISO 8601: when a reader could first see this revision."""


def card_of(item: PublicItem, site: Site, language: Language) -> Card:
    """Return the item's card."""
    revision = item.revision
    moment = item.published_at.astimezone(site.zone)
    crumbs = section_links(site, revision.section, revision.lang)
    section = site.section_at.get(revision.section)
    return Card(
        path=item.path,
        lang=revision.lang,
        title=one_line(revision.title),
        excerpt=_excerpt_of(revision),
        section=crumbs[0],
        kind=crumbs[-1] if len(crumbs) > 1 else None,
        section_kind=section.kind if section is not None else ARTICLE,
        moment=moment.isoformat(timespec="seconds"),
        date=language.date(moment),
        time=language.time(moment),
        date_time=language.date_and_time(moment),
        image=next(iter(safe_images(revision)), None),
    )


def item_page_of(item: PublicItem, site: Site, language: Language, translations: Sequence[Translation]) -> ItemPage:
    """Return what the item's page shows; translations into its own language are left out."""
    revision = item.revision
    withdrawal = revision.withdrawal
    return ItemPage(
        card=card_of(item, site, language),
        lead=printable(revision.summary) if revision.summary else None,
        # body_html sanitised it.
        body=Markup(scrollable(body_html(revision.body, revision.body_format))),  # noqa: S704
        crumbs=known_section_links(site, revision.section, revision.lang),
        byline=_byline(revision),
        images=safe_images(revision),
        downloads=[_download(attachment, language) for attachment in safe_attachments(revision)],
        facts=[_fact(one, language) for kind in site.kinds for one in kind.facts(revision)],
        tags=[PageLink(tag_name(site, tag, revision.lang), tag_path(revision.lang, tag)) for tag in revision.tags],
        translations=[translation for translation in translations if translation.lang != revision.lang],
        change_note=_change_note(item, site.zone, language),
        notice=(withdrawal.notice or "") if withdrawal else None,
        modified=item.became_public_at.astimezone(site.zone).isoformat(timespec="seconds"),
    )


def safe_images(revision: Revision) -> Sequence[Image]:
    """Return the images that may be shown: ingest refuses the others too, and this is the second check."""
    return tuple(image for image in revision.images if is_image_url(image.url))


def safe_attachments(revision: Revision) -> Sequence[Attachment]:
    """Return the attachments that may be linked to: ingest refuses the others too, and this is the second check."""
    return tuple(attachment for attachment in revision.attachments if is_link_url(attachment.url))


def section_links(site: Site, section_path_: str, lang: str) -> Sequence[PageLink]:
    """Return the sections from the top one down to this one."""
    segments = section_path_.split("/")
    paths = ["/".join(segments[: depth + 1]) for depth in range(len(segments))]
    return [section_link(site, path, lang) for path in paths]


def known_section_links(site: Site, section_path_: str, lang: str) -> Sequence[PageLink]:
    """Return those of the sections that the site file still has: the others are named, and not linked to."""
    known = {section_path(lang, path) for path in site.section_at}
    return [link for link in section_links(site, section_path_, lang) if link.path in known]


def section_link(site: Site, path: str, lang: str) -> PageLink:
    return PageLink(section_name(site, path, lang), section_path(lang, path))


def section_name(site: Site, path: str, lang: str) -> str:
    """Return the section's name, or the last part of its path where the site file no longer has it."""
    section = site.section_at.get(path)
    return in_language(section.name, lang, site) if section else path.rpartition("/")[2]


def tag_name(site: Site, tag: str, lang: str) -> str:
    return in_language(site.tags.get(tag, {}), lang, site) or tag


def in_language(words: Words, lang: str, site: Site) -> str:
    """Return the text in the language, else in the site's first, else nothing."""
    return words.get(lang) or words.get(site.languages[0]) or ""


def listing_name(listing: Listing, site: Site) -> str:
    """Return what readers call the listing."""
    match listing.kind:
        case "home":
            return in_language(site.title, listing.lang, site)
        case "section":
            return section_name(site, listing.name, listing.lang)
        case "tag":
            return tag_name(site, listing.name, listing.lang)


def archive_path(listing: Listing, month: str, number: int = 1) -> str:
    """Return the path of a page of the listing's month archive; `month` as `yyyymm`."""
    path = f"{listing.path}{month[:4]}/{month[4:]}/"
    return path if number == 1 else f"{path}page/{number}/"


def one_line(text: str) -> str:
    """Return the text fit for a title: printable, without line breaks."""
    return " ".join(printable(text).split("\n")).strip()


def _excerpt_of(revision: Revision) -> str:
    if revision.summary:
        return excerpt(printable(revision.summary), EXCERPT_CHARS)
    beginning = text_of(body_html(revision.body[:_BEGINNING_CHARS], revision.body_format))
    if len(beginning) > EXCERPT_CHARS or len(revision.body) <= _BEGINNING_CHARS:
        return excerpt(beginning, EXCERPT_CHARS)
    return excerpt(text_of(body_html(revision.body, revision.body_format)), EXCERPT_CHARS)


def _byline(revision: Revision) -> str:
    parts = (*revision.authors, revision.place)
    return " · ".join(printable(part) for part in parts if part)


def _download(attachment: Attachment, language: Language) -> Download:
    name = _MEDIA_NAMES.get(attachment.media_type, "")
    size = language.size(attachment.size_bytes) if attachment.size_bytes is not None else ""
    return Download(
        url=attachment.url,
        title=one_line(attachment.title),
        media_type=attachment.media_type,
        details=", ".join(part for part in (name, size) if part),
    )


def _fact(fact: Fact, language: Language) -> FactLine:
    label, value = language.say(fact[0]), fact[1]
    if isinstance(value, date):
        return FactLine(label, language.date(value), value.isoformat())
    return FactLine(label, printable(value))


def _change_note(item: PublicItem, zone: ZoneInfo, language: Language) -> ChangeNote | None:
    if not item.revision.change_note:
        return None
    moment = item.became_public_at.astimezone(zone)
    return ChangeNote(
        text=printable(item.revision.change_note),
        moment=moment.isoformat(timespec="seconds"),
        date_time=language.date_and_time(moment),
    )
