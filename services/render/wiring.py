"""Puts the render service together, over the output volume or over another folder to compare the volume with."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from fastapi import APIRouter
from redis.asyncio import Redis

from services.render.editions.current import Editions, TriedEdition
from services.render.editions.trial import Trial
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
from services.render.search.index import SearchIndex
from services.render.search.service import Search
from services.render.web.answers import SiteAnswers
from services.render.web.site import SitePaths, site_router
from shared.model.errors import ClarionError
from shared.runtime.settings import Settings
from shared.store.dead_letters import DeadLetters
from shared.store.item_store import ItemStore
from shared.store.public_items import PublicItems
from shared.store.streams import Handle

# 100 MB when full: a revision takes about three times its body's length in memory.
_CACHED_CHARS = 32_000_000


class OtherEdition(ClarionError):
    """The edition that is current cannot be used here."""


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

    @property
    def handle(self) -> Handle:
        """What takes events, watched."""
        return self.volume_trouble.watching(self.history.watching(self.consumer.on_item_events))


async def edition_in_use(settings: Settings, redis: Redis) -> TriedEdition:
    """Return the edition that is current. Raises OtherEdition where this program cannot have it."""
    edition = await Editions(redis, Output(settings.output_dir), settings).in_use()
    if edition is None:
        raise OtherEdition(
            "the volume keeps no current edition that this release can use: start render, or use the release that runs"
        )
    return edition


def assemble(
    redis: Redis,
    edition: Edition,
    output: Output,
    *,
    trial: Trial | None = None,
    faults: FaultKeeper | None = None,
    purge_urls: Sequence[str] = (),
    receipts_kept: timedelta = timedelta(days=30),
) -> Rendering:
    """
    Return the render service for a folder.

    `trial` tells an item's fault from the edition's. `faults` is told of shown items that cannot be rendered, by
    default the veto; `purge_urls` are told of changes.
    """
    store = ItemStore(redis)
    public_items = PublicItems(store, edition.site.languages, _CACHED_CHARS)
    entries = ListEntryCache(edition)
    veto = Veto(redis, edition, trial or Trial(edition))
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
