"""Puts the render service together, over the output volume or over another folder to compare the volume with."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version

from fastapi import APIRouter
from redis.asyncio import Redis

from services.render.feeds.feed import FeedFormat
from services.render.feeds.formats import FEED_FORMATS
from services.render.output.history import VolumeHistory
from services.render.output.volume import Output
from services.render.pages.edition import Edition
from services.render.pages.items import ItemPages
from services.render.pages.kinds import NewsSitemap
from services.render.pages.list_entries import ListEntryCache
from services.render.pages.list_reader import ListReader
from services.render.pages.lists import ListPages
from services.render.pages.months import Months
from services.render.pages.sitemaps import SitemapReader, SitemapWriter
from services.render.pages.ticks import Ticker
from services.render.pages.writer import FaultKeeper, PageWriter
from services.render.pipeline.announcing import Announcer
from services.render.pipeline.consumer import ItemEventConsumer
from services.render.pipeline.history_check import HistoryCheck
from services.render.pipeline.purging import PurgeHook
from services.render.pipeline.show_script import ShowScript
from services.render.pipeline.showing import ItemShower
from services.render.pipeline.veto import Veto
from services.render.pipeline.volume_trouble import VolumeTrouble
from services.render.rebuild.preparation import Preparation
from services.render.rebuild.rebuild import Rebuild
from services.render.search.api import search_router
from services.render.search.index import INDEX_VERSION, SearchIndex
from services.render.search.service import Search
from services.render.theme.standing_pages import load_standing_pages
from services.render.theme.theme import Theme
from services.render.web.answers import SiteAnswers
from services.render.web.site import SitePaths, site_router
from shared.model.errors import ClarionError
from shared.model.kinds.kind import SectionKind
from shared.model.kinds.section_kinds import SECTION_KINDS
from shared.model.site_file import load_site
from shared.runtime.settings import Settings
from shared.store.dead_letters import DeadLetters
from shared.store.item_store import ItemStore
from shared.store.public_items import PublicItems
from shared.store.site_record import SiteRecord, adopt_site, read_site

# 100 MB when full: a revision takes about three times its body's length in memory.
_CACHED_CHARS = 32_000_000


class OtherEdition(ClarionError):
    """The site file, theme and address of these settings are not what the running site is made with."""


@dataclass(frozen=True)
class Rendering:
    """The render service over one folder."""

    consumer: ItemEventConsumer
    volume_trouble: VolumeTrouble
    history: HistoryCheck
    rebuild: Rebuild
    ticker: Ticker
    search: Search
    routes: Sequence[APIRouter]
    """In the order in which a request is matched."""


async def adopt_edition(
    settings: Settings,
    redis: Redis,
    *,
    feed_formats: Sequence[FeedFormat] = FEED_FORMATS,
    kinds: Sequence[SectionKind] = SECTION_KINDS,
) -> Edition:
    """Return the edition of the settings, and make it the one that the store knows."""
    edition, fingerprint = _load(settings, feed_formats, kinds)
    return edition(await adopt_site(redis, fingerprint))


async def edition_in_use(settings: Settings, redis: Redis) -> Edition:
    """Return the edition that the store knows. Raises OtherEdition where the settings make another."""
    edition, fingerprint = _load(settings, FEED_FORMATS, SECTION_KINDS)
    record = await read_site(redis)
    if record is None or record.fingerprint != fingerprint:
        raise OtherEdition(
            "the site file, the theme or CLARION_BASE_URL differ from what the running site is made with: "
            "use its settings, or restart render with these"
        )
    return edition(record)


def _load(
    settings: Settings, feed_formats: Sequence[FeedFormat], kinds: Sequence[SectionKind]
) -> tuple[Callable[[SiteRecord], Edition], str]:
    """Return what makes the edition of its record in the store, and the fingerprint of the edition."""
    site = load_site(settings.site_file, kinds)
    pages = load_standing_pages(site)
    titles = {lang: pages.titles(lang) for lang in site.languages}
    theme = Theme(site, settings.base_url, site.theme_folder, feed_formats=feed_formats, standing=titles, search=True)

    def edition(record: SiteRecord) -> Edition:
        return Edition(site, theme, record, settings.base_url, pages, settings.rsscloud, feed_formats)

    fingerprint = (
        *(site.fingerprint, theme.fingerprint, pages.fingerprint),
        # The address of the site stands in every page, and another release may write any page in another way.
        *(settings.base_url, version("clarion"), str(INDEX_VERSION)),
        *(one.name for one in feed_formats),
        *(("rsscloud",) if settings.rsscloud else ()),
    )
    return edition, hashlib.sha256(" ".join(fingerprint).encode()).hexdigest()


def assemble(
    redis: Redis,
    edition: Edition,
    output: Output,
    *,
    faults: FaultKeeper | None = None,
    purge_urls: Sequence[str] = (),
    receipts_kept: timedelta = timedelta(days=30),
) -> Rendering:
    """
    Return the render service for a folder.

    `faults` is told of shown items that cannot be rendered, by default the veto; `purge_urls` are told of changes.
    """
    store = ItemStore(redis)
    public_items = PublicItems(store, edition.site.languages, _CACHED_CHARS)
    entries = ListEntryCache(edition)
    veto = Veto(redis, edition)
    items = ItemPages(store, public_items, edition, entries)
    answers = SiteAnswers(output, edition)
    search = Search(SearchIndex(output.search_file), public_items, output)
    reader, sitemaps = ListReader(redis, public_items, edition), SitemapReader(redis, items, edition)
    writer = PageWriter(
        edition,
        items=items,
        reader=reader,
        lists=ListPages(edition, entries),
        sitemaps=SitemapWriter(sitemaps, edition, output),
        output=output,
        faults=faults or veto,
    )
    volume = VolumeHistory(output)
    consumer = ItemEventConsumer(
        edition,
        store=store,
        shower=ItemShower(
            store=store,
            script=ShowScript(redis, edition.site),
            items=items,
            public_items=public_items,
            writer=writer,
            veto=veto,
        ),
        public_items=public_items,
        months=Months(redis, edition.site),
        writer=writer,
        search=search,
        purge=PurgeHook(purge_urls),
        announcer=Announcer(redis, receipts_kept, volume),
        dead_letters=DeadLetters(redis),
    )
    return Rendering(
        consumer=consumer,
        volume_trouble=VolumeTrouble(redis, consumer),
        history=HistoryCheck(redis, output, volume),
        rebuild=Rebuild(
            redis,
            edition,
            output,
            preparation=Preparation(reader, items, sitemaps),
            writer=writer,
            search=search,
        ),
        ticker=Ticker(redis, lambda: writer.refresh([NewsSitemap()])),
        search=search,
        routes=[search_router(search, edition, answers), site_router(SitePaths(output, store, edition, answers))],
    )
