"""Promise 7: before its moment, nothing of an embargoed item can be read anywhere."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from shared.http.api_keys import ApiKey, KeyRing
from shared.model.ids import item_id
from shared.model.listings import Listing
from shared.model.preview import PREVIEW_PATH, Preview, preview_path
from shared.store import keys
from tests.clarion import Clarion
from tests.factories import an_item
from tests.receiver import a_receiver
from tests.store_contents import store_contents
from tests.waiting import eventually

FAR = "2999-01-01T00:00:00Z"
SECRET = "Zirconia Mandate"
TRACES = (SECRET, "zirconia", "Zirconia")

# What is the store's own keeping, behind the door: the item itself, when it is due, who sent it.
_KEPT_INSIDE = ("{site}:item:", "{site}:revisions:", keys.SCHEDULED, keys.AUDIT)
_TELLS = tuple(
    f"{{site}}:{name}"
    for name in (
        *("items", "pages", "dead-letters", "paths", "translations", "tombstones", "search"),
        *("newest", "released", "listing", "archive", "feed", "rendered", "receipts", "idempotency"),
    )
)


def a_secret(**changes: object) -> dict[str, object]:
    return an_item(
        title=SECRET,
        body=f"The {SECRET} will be signed.",
        summary=f"On the {SECRET}",
        tags=["zirconia-only"],
        translation_set="opening",
        publish_at=FAR,
        **changes,
    )


def site_files(clarion: Clarion) -> dict[str, bytes]:
    return {
        str(file.relative_to(clarion.settings.output_dir)): file.read_bytes()
        for file in sorted(clarion.settings.output_dir.rglob("*"))
        if file.is_file() and ".clarion" not in file.parts
    }


@dataclass(frozen=True)
class Onlookers:
    """Those who may not know: a reader, and whoever has the key of another source."""

    foreign_key: str
    translation: str
    """The page of a public item in the same translation set."""

    async def answers(self, clarion: Clarion) -> dict[str, tuple[int, str | None, bytes]]:
        """Return what they get at every address that could tell."""
        paths = [
            *(
                "/en/",
                "/ru/",
                "/en/news/",
                "/en/documents/",
                "/en/tags/zirconia-only/",
                self.translation,
                "/robots.txt",
            ),
            *("/en/feed.rss", "/en/feed.atom", "/en/feed.json", "/en/news/feed.json", "/ru/feed.atom"),
            *(
                "/en/tags/zirconia-only/feed.atom",
                "/en/tags/zirconia-only/feed.rss",
                "/sitemap.xml",
                "/news-sitemap.xml",
            ),
            *("/v1/items", "/v1/items?lang=ru", "/v1/items?tag=zirconia-only", "/v1/events"),
            *("/en/search/?q=zirconia", "/v1/search?q=zirconia", "/openapi.json", "/v1/asyncapi.json", "/console"),
            *(f"/v1/items/press/secret{rest}" for rest in ("", "/status", "/status?revision=1", "/revisions")),
            *(f"/en/news/{month}/zirconia-mandate{end}/" for month in ("2999/01", "2026/05") for end in ("", "-2")),
            *(f"/preview/{token}" for token in forged_tokens()),
        ]
        answers = {}
        for name, headers in {"reader": {}, "other": {"Authorization": f"Bearer {self.foreign_key}"}}.items():
            async with httpx.AsyncClient(base_url=clarion.settings.base_url, timeout=30, headers=headers) as client:
                for path in paths:
                    response = await client.get(path)
                    answers[f"{name} {path}"] = (response.status_code, response.headers.get("etag"), response.content)
        return answers


def forged_tokens() -> list[str]:
    """Return what anybody can make: an item's id is a function of its name, so only the signature is a secret."""
    preview = Preview(item_id("press", "secret"), 1, datetime(2999, 1, 1, tzinfo=UTC))
    path = preview_path(preview, SecretStr("another-secrets-key-0123456789-0123456789"))
    signed = path.removeprefix(PREVIEW_PATH)
    return [signed, signed.rpartition(".")[0], signed.rpartition(".")[0] + "."]


async def told_elsewhere(redis: Redis) -> dict[str, Any]:  # Any: redis-py's replies
    """Return the streams, the indexes and the paths; cursors and heartbeats of the services go on by themselves."""
    contents = await store_contents(redis, without=_KEPT_INSIDE)
    return {name: held for name, held in contents.items() if name.startswith(_TELLS)}


def counts(metrics: str) -> list[str]:
    """Return the lines that count items, pages and deliveries; time and memory go on by themselves."""
    counted = ("clarion_items", "clarion_pages", "clarion_dead", "clarion_deliveries_total", "clarion_visible")
    return [line for line in metrics.splitlines() if line.startswith(counted)]


@pytest.mark.parametrize("was_public", [False, True], ids=["a new item", "a revision of a public item"])
async def test_nothing_of_an_embargoed_item_is_readable_before_its_moment(
    clarion: Clarion, redis: Redis, capsys: pytest.CaptureFixture[str], was_public: bool
) -> None:
    ring = KeyRing(redis, clarion.settings)
    other = ApiKey(name="gazette", scopes=frozenset({"items:read", "items:write"}), sources=frozenset({"gazette"}))
    foreign_key = await ring.create(other)
    async with a_receiver() as receiver:
        await clarion.subscribe(receiver.url)
        translation = await clarion.put("translation", an_item(lang="ru", title="Порт", translation_set="opening"))
        told = 1
        if was_public:
            await clarion.put("secret", an_item(title="Harmless", translation_set="opening"))
            told = 2
        await receiver.received(told)
        await clarion.page(translation["url"])
        await _quiet(redis)
        # The rebuild of a volume that begins empty counts pages, too.
        await eventually(clarion.settings.output_dir.joinpath(".clarion", "built").exists, "the first build")
        onlookers = Onlookers(foreign_key, str(translation["url"]).removeprefix(clarion.settings.base_url))
        before = (await onlookers.answers(clarion), site_files(clarion), await told_elsewhere(redis))
        counted = (await clarion.http.get("/metrics")).text
        capsys.readouterr()

        receipt = await clarion.put("secret", a_secret())
        rescheduled = await clarion.put("secret", a_secret(place="Quay"))
        await _quiet(redis)

        logged = "".join(capsys.readouterr())
        metrics = (await clarion.http.get("/metrics")).text
        after = (await onlookers.answers(clarion), site_files(clarion), await told_elsewhere(redis))
        assert after == before
        assert counts(metrics) == counts(counted)
        assert was_public or receipt["url"] not in str(after)
        assert len(receiver.requests) == told
        assert rescheduled["revision"] == receipt["revision"] + 1
        # An address that was asked for may be repeated by the page that says it is not there; the title may not.
        assert SECRET.encode() not in b"".join(answer[2] for answer in after[0].values())
        for trace in TRACES:
            assert trace not in logged
            assert trace not in metrics
            assert trace not in str(after[2])

        # Another item of this title, tag, slug and translation set meets no trace of it either.
        if not was_public:
            await clarion.put("chosen", a_secret(slug="zirconia"))
            namesake = await clarion.put("namesake", an_item(title=SECRET, translation_set="opening", slug="zirconia"))
            assert namesake["url"].endswith("/zirconia/")
            plain = await clarion.put("plain", an_item(title=SECRET))
            assert plain["url"].endswith("/zirconia-mandate/")


async def test_when_its_moment_has_come_it_is_everywhere(clarion: Clarion, redis: Redis) -> None:
    async with a_receiver() as receiver:
        await clarion.subscribe(receiver.url)
        receipt = await clarion.put("secret", a_secret())
        await redis.hset(keys.item(receipt["id"]), "publish_at", "1000")
        await redis.zadd(keys.SCHEDULED, {receipt["id"]: 1000})

        (request,) = await receiver.received()

    assert SECRET in json.loads(request.body)["data"]["item"]["title"]
    assert SECRET in await clarion.page(json.loads(request.body)["data"]["url"])
    assert await redis.zcard(keys.newest(Listing("en", "tag", "zirconia-only"))) == 1


async def _quiet(redis: Redis) -> None:
    """Wait until render has acknowledged every event there is."""

    async def is_quiet() -> bool:
        groups: Any = await redis.xinfo_groups(keys.ITEMS_STREAM)  # Any: redis-py's reply
        return all(group["pending"] == 0 and not group["lag"] for group in groups)

    await eventually(is_quiet, "quiet")
