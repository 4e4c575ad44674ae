"""Every path of the site, and what may stand in one."""

import re
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote
from zoneinfo import ZoneInfo

from slugify import slugify

# Render's formats of feeds have more to say (services/render/feeds/formats.py, held to these by a test).
FEED_CONTENT_TYPES: Mapping[str, str] = {
    "rss": "application/rss+xml; charset=utf-8",
    "atom": "application/atom+xml; charset=utf-8",
    "json": "application/feed+json; charset=utf-8",
}
"""What notify pushes each format of feeds as, by the format's name."""

RSSCLOUD_PATH = "/rsscloud/pleaseNotify"
INDEX_FILE = "index.html"
"""The file that holds what is read at a path that ends with a slash."""
RESERVED_SEGMENTS = frozenset({"tags", "search", "page", INDEX_FILE})
"""Names of files and folders of ours beside pages of items and sections and standing pages; feeds have theirs."""
FRAGMENTS = "/_fragments"
"""Where pieces of pages lie that are composed when served; a language tag never begins with an underscore."""

MAX_PATH_CHARS = 512
# A file system takes 255 bytes for one name; an address that is taken gets a number behind it.
MAX_SEGMENT_CHARS = 200
# A title of many words makes a long address; 80 characters keep what a reader recognises.
_MAX_SLUG_FROM_TITLE = 80
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")


def slug_problem(slug: str) -> str | None:
    """Return what is wrong with a chosen slug, or None."""
    if not _SLUG.fullmatch(slug) or ".." in slug:
        return "use lower-case letters a-z, digits, '.' and '-', beginning and ending with a letter or digit"
    if len(slug) > MAX_SEGMENT_CHARS:
        return f"use at most {MAX_SEGMENT_CHARS} characters"
    if slug.isdigit() or is_reserved(slug):
        return f'"{slug}" is reserved'
    return None


def is_reserved(segment: str) -> bool:
    """Whether a file or folder of ours has the name."""
    return segment in RESERVED_SEGMENTS or segment.startswith("feed.")


def last_segment(path: str) -> str:
    """Return the slug of an item's path."""
    return path.rstrip("/").rpartition("/")[2]


def slug_from_title(title: str) -> str:
    """Return a slug for a title in any script; `item` where nothing of it can be written in letters a-z."""
    slug = slugify(title, max_length=_MAX_SLUG_FROM_TITLE, word_boundary=True, save_order=True) or "item"
    return slug if slug_problem(slug) is None else f"item-{slug}"


def month_of(moment: datetime, zone: ZoneInfo) -> str:
    """Return the month that a reader of the site calls it, as `yyyymm`."""
    return moment.astimezone(zone).strftime("%Y%m")


def item_path(lang: str, section: str, month: str, slug: str) -> str:
    """Return the path of an item's page; `month` as `yyyymm`."""
    return f"/{lang}/{section}/{month[:4]}/{month[4:]}/{slug}/"


def home_path(lang: str) -> str:
    return f"/{lang}/"


def section_path(lang: str, section: str) -> str:
    return f"/{lang}/{section}/"


def tag_path(lang: str, tag: str) -> str:
    return f"/{lang}/tags/{tag}/"


def search_path(lang: str) -> str:
    return f"/{lang}/search/"


def feed_path(list_path: str, format_name: str) -> str:
    """Return the path of the feed that belongs to a home, section or tag page."""
    return f"{list_path}feed.{format_name}"


def latest_fragment_path(lang: str) -> str:
    return f"{FRAGMENTS}/{lang}/latest.html"


def hub_url(base_url: str) -> str:
    """Return the address of the WebSub hub."""
    return f"{base_url}/hub"


def link_header(base_url: str, path: str) -> str:
    """Return what names hub and self of a page or feed (WebSub, section 4), in one Link header."""
    return f'<{hub_url(base_url)}>; rel="hub", <{base_url}{quote(path)}>; rel="self"'
