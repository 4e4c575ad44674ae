"""What sitemaps name: a few places of one, all of it, and which of them there are."""

from collections.abc import Mapping, Sequence

from redis.asyncio import Redis

from services.render.pages.edition import Edition
from services.render.pages.items import ItemPages, Standing
from services.render.pages.kinds import SITEMAP_PLACES, Sitemap, block_of
from services.render.pages.months import last_of
from shared.model.ids import ItemId
from shared.model.listings import Listing
from shared.store import keys


class SitemapReader:
    """Reads the numbered places that sitemaps are made of: those of a language's home."""

    def __init__(self, redis: Redis, items: ItemPages, edition: Edition) -> None:
        self._redis = redis
        self._items = items
        self._languages = edition.site.languages

    async def standing(self, page: Sitemap, places: Sequence[int] | None) -> Mapping[int, Standing]:
        """Return what stands at the places of the sitemap; at all of them where None are named."""
        key = keys.archive_month(Listing(page.lang, "home"), page.month)
        first = (page.number - 1) * SITEMAP_PLACES + 1
        ranges = [(first, first + SITEMAP_PLACES - 1)] if places is None else [(place, place) for place in places]
        pipe = self._redis.pipeline(transaction=False)
        for lowest, highest in ranges:
            pipe.zrangebyscore(key, lowest, highest, withscores=True)
        members = [member for found in await pipe.execute() for member in found]
        standing = await self._items.by_id([ItemId(str(item_id)) for item_id, _ in members])
        return {int(place): standing[item_id] for item_id, place in members if item_id in standing}

    async def all(self) -> Sequence[Sitemap]:
        """Return every sitemap that has a place with an item, in their order."""
        homes = [Listing(lang, "home") for lang in self._languages]
        pipe = self._redis.pipeline(transaction=False)
        for home in homes:
            pipe.hgetall(keys.listing(home))
        candidates = [
            Sitemap(home.lang, month, number)
            for home, record in zip(homes, await pipe.execute(), strict=True)
            for month, last in last_of(record, "archive").items()
            for number in range(1, block_of(last, SITEMAP_PLACES) + 1)
        ]
        for page in candidates:
            first = (page.number - 1) * SITEMAP_PLACES + 1
            key = keys.archive_month(Listing(page.lang, "home"), page.month)
            pipe.zcount(key, first, first + SITEMAP_PLACES - 1)
        counts = await pipe.execute() if candidates else []
        return [page for page, count in zip(candidates, counts, strict=True) if count]
