"""
What feeds say of an item, whatever the format.

An item is serialised once for each revision and format, so that rendering a feed only joins bytes. Measured with 20
items of 1.3 kB: 0.05 ms for a feed of serialised entries, 1.5 ms more to serialise them. One publish concerns a dozen
feeds.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urljoin, urlsplit

from services.render.theme.view_models import (
    EXCERPT_CHARS,
    one_line,
    safe_attachments,
    safe_images,
    section_links,
    tag_name,
)
from shared.model.items import Attachment, Image, PublicItem
from shared.model.site_file import Site
from shared.text.markup import absolute_urls, body_html, excerpt, printable, text_of

# RFC 4151 asks for a day on which the host was ours. Another day would change every id, and feed readers would show
# every item as new.
_TAG_DATE = "2025-01-01"


@dataclass(frozen=True)
class EntryContent:
    """What an entry says."""

    uri: str
    url: str
    lang: str
    title: str
    summary: str | None
    """Plain text; None where it would repeat the whole text."""
    html: str
    published_at: datetime
    updated_at: datetime
    modified_at: datetime
    authors: Sequence[str]
    section: str
    tags: Sequence[str]
    image_url: str | None
    attachments: Sequence[Attachment]


def tag_uri(base_url: str, name: str) -> str:
    """Return the id of something in feeds, which never changes while the site keeps its host."""
    return f"tag:{urlsplit(base_url).hostname},{_TAG_DATE}:{name}"


def entry_content(item: PublicItem, site: Site, base_url: str) -> EntryContent:
    """Return what feeds say of the item, with absolute addresses and its whole text."""
    revision = item.revision
    url = base_url + item.path
    attachments = [
        attachment.model_copy(update={"url": urljoin(url, attachment.url)}) for attachment in safe_attachments(revision)
    ]
    images = safe_images(revision)
    body = body_html(revision.body, revision.body_format)
    whole = "\n".join([*map(_figure, images), body, _attachment_list(attachments)])
    return EntryContent(
        uri=tag_uri(base_url, item.item.id),
        url=url,
        lang=revision.lang,
        title=one_line(revision.title),
        summary=_summary_of(revision.summary, body),
        html=absolute_urls(whole, url).strip(),
        published_at=item.published_at,
        updated_at=item.major_at,
        modified_at=item.became_public_at,
        authors=revision.authors,
        section="/".join(link.name for link in section_links(site, revision.section, revision.lang)),
        tags=[tag_name(site, tag, revision.lang) for tag in revision.tags],
        image_url=urljoin(url, images[0].url) if images else None,
        attachments=attachments,
    )


def _summary_of(summary: str | None, body: str) -> str | None:
    if summary:
        return printable(summary)
    text = text_of(body)
    short = excerpt(text, EXCERPT_CHARS)
    return short if short != text else None


def _figure(image: Image) -> str:
    size = "".join(f' {name}="{value}"' for name, value in (("width", image.width), ("height", image.height)) if value)
    words = " · ".join(html.escape(part) for part in (image.caption, image.credit) if part)
    caption = f"<figcaption>{words}</figcaption>" if words else ""
    return f'<figure><img src="{html.escape(image.url)}" alt="{html.escape(image.alt)}"{size}>{caption}</figure>'


def _attachment_list(attachments: Sequence[Attachment]) -> str:
    if not attachments:
        return ""
    lines = "".join(f'<li><a href="{html.escape(one.url)}">{html.escape(one.title)}</a></li>' for one in attachments)
    return f"<ul>{lines}</ul>"
