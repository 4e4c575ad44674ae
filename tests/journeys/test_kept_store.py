"""A store of release 0.1 under this release: it goes on, wakes nobody and is migrated, and no page is wrong."""

import json
from pathlib import Path

from redis.asyncio import Redis

from services.render.output.volume import Output
from services.render.rebuild.verify import Differences
from shared.http.concerns import concerns_of
from shared.http.store_numbers import StoreWatch
from shared.runtime.settings import Settings
from shared.store import keys
from shared.store.layout.migration import Migration
from shared.store.rebuild_request import read_rebuild_request
from tests.clarion import Clarion, running_clarion
from tests.kept_store import SENT_ITEMS, restore_kept_store
from tests.receiver import Receiver, a_receiver
from tests.render.newsroom import a_press
from tests.waiting import eventually

NOTHING = Differences()


async def test_a_store_of_release_0_1_goes_on_wakes_nobody_and_is_migrated(
    redis: Redis, settings: Settings, tmp_path: Path
) -> None:
    await restore_kept_store(redis)
    async with a_receiver() as receiver, running_clarion(settings) as clarion:
        await _subscriptions_moved_to(clarion, receiver)
        await eventually(lambda: Output(settings.output_dir).built() != "", "the site")

        await _nothing_is_changed_by_the_same_items(clarion, redis)
        assert "StoreNotMigrated" in [concern.name for concern in concerns_of(await StoreWatch(redis).read())]
        assert await _differences(redis, settings, tmp_path / "before") == NOTHING
        assert receiver.requests == []

        await _published(clarion, redis, "The first")
        await eventually(lambda: len(_events(receiver)) == 4, "four webhooks")
        assert await _differences(redis, settings, tmp_path / "between") == NOTHING

        assert await Migration(redis, (await a_press(redis, settings)).edition.site.zone).run()
        await eventually(lambda: _is_rebuilt(redis), "the rebuild")
        assert [concern.name for concern in concerns_of(await StoreWatch(redis).read())] == []
        await _nothing_is_changed_by_the_same_items(clarion, redis, but=("plain", "dated", "moved", "slug"))
        assert await _differences(redis, settings, tmp_path / "migrated") == NOTHING

        await _published(clarion, redis, "The second")
        await eventually(lambda: len(_events(receiver)) == 8, "four more webhooks")
        assert await _differences(redis, settings, tmp_path / "after") == NOTHING


def _events(receiver: Receiver) -> set[str]:
    return {json.loads(request.body)["data"]["event_id"] for request in receiver.requests}


async def _subscriptions_moved_to(clarion: Clarion, receiver: Receiver) -> None:
    found = (await clarion.http.get("/v1/subscriptions")).json()
    assert len(found["subscriptions"]) == 2
    for subscription in found["subscriptions"]:
        answer = await clarion.http.patch(f"/v1/subscriptions/{subscription['id']}", json={"url": receiver.url})
        assert answer.status_code == 200, answer.text


async def _nothing_is_changed_by_the_same_items(clarion: Clarion, redis: Redis, but: tuple[str, ...] = ()) -> None:
    """Send every item of release 0.1 again and see that it makes no revision, no event and no announcement."""
    before = await _ends(redis)
    for name, item in SENT_ITEMS.items():
        if name not in but:
            answer = await clarion.http.put(f"/v1/items/press/{name}", json=item)
            assert (answer.status_code, answer.json()["changed"]) == (200, False), (name, answer.text)
    await _at_rest(redis)
    assert await _ends(redis) == before


async def _published(clarion: Clarion, redis: Redis, words: str) -> None:
    """Publish, revise, move and give a new date and a new address to items of release 0.1."""
    await clarion.put("plain", {**SENT_ITEMS["plain"], "title": words})
    await clarion.put("moved", {**SENT_ITEMS["moved"], "section": "news", "title": words})
    await clarion.put("dated", {**SENT_ITEMS["dated"], "published_at": "2026-05-01T08:00:00+04:00", "title": words})
    await clarion.put("slug", {**SENT_ITEMS["slug"], "slug": words.lower().replace(" ", "-")})
    await _at_rest(redis)


async def _ends(redis: Redis) -> tuple[str, str]:
    items, pages = [await redis.xinfo_stream(name) for name in (keys.ITEMS_STREAM, keys.PAGES_STREAM)]
    return items["last-generated-id"], pages["last-generated-id"]


async def _at_rest(redis: Redis) -> None:
    async def is_at_rest() -> bool:
        groups = [*await redis.xinfo_groups(keys.ITEMS_STREAM), *await redis.xinfo_groups(keys.PAGES_STREAM)]
        return all(group["lag"] == 0 and group["pending"] == 0 for group in groups)

    await eventually(is_at_rest, "rest")


async def _is_rebuilt(redis: Redis) -> bool:
    request = await read_rebuild_request(redis)
    return request is not None and not request.is_open


async def _differences(redis: Redis, settings: Settings, folder: Path) -> Differences:
    return await (await a_press(redis, settings)).differences(folder)
