"""An edition: everything beside the items that the site's pages depend on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.render.feeds.feed import FeedFormat
from services.render.feeds.formats import FEED_FORMATS
from services.render.theme.standing_pages import StandingPages
from services.render.theme.theme import Theme
from shared.model.site_file import Site
from shared.store.site_record import SiteRecord


@dataclass(frozen=True)
class Edition:
    """The site file with its standing pages, the theme, their number in the store and the address of the site."""

    site: Site
    theme: Theme
    record: SiteRecord
    base_url: str
    standing_pages: StandingPages
    rsscloud: bool = False
    """Whether RSS feeds tell readers where to ask for notifications by rssCloud."""
    feed_formats: Sequence[FeedFormat] = FEED_FORMATS
    media_folder: Path | None = None
    """Where the institution's pictures and papers lie."""
