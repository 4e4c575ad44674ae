"""The formats that every listing has a feed in."""

from services.render.feeds.atom import ATOM
from services.render.feeds.feed import FeedFormat
from services.render.feeds.json_feed import JSON_FEED
from services.render.feeds.rss import RSS

FEED_FORMATS: tuple[FeedFormat, ...] = (RSS, ATOM, JSON_FEED)
"""In the order in which pages offer them. The first one must have archives: it names the locks."""
