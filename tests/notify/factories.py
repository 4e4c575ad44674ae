"""What the tests of notify are made of: events, endpoints that listen, and a running service."""

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import httpx
from pydantic import SecretStr
from redis.asyncio import Redis

from services.notify.app import running
from services.notify.channels.base import AnyChannel
from services.notify.channels.registry import CHANNELS
from services.notify.model.subscription import Subscription
from shared.model.events import AnnouncedEvent, webhook_body
from shared.model.ids import EventId, LogId, new_trace_id
from shared.runtime.settings import Settings
from shared.store import keys
from tests.factories import ADMIN_KEY, SECRETS_KEY

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
_number = itertools.count(1)


def an_event(
    event_id: str | None = None,
    *,
    type: str = "item.published.v1",  # noqa: A002 - the event's own word
    lang: str = "en",
    section: str = "news",
    source: str = "press",
    tags: tuple[str, ...] = (),
    title: str = "Rates rise",
) -> AnnouncedEvent:
    event_id = event_id or f"event{next(_number)}"
    now = datetime.now(UTC)
    item = {"id": "i", "lang": lang, "section": section, "source": source, "tags": tags, "title": title}
    body = webhook_body(type, now, {"event_id": event_id, "item": item, "url": "https://example.org/"})
    return AnnouncedEvent(EventId(event_id), type, now.isoformat(), new_trace_id(), body, ())


async def announce(redis: Redis, *events: AnnouncedEvent) -> LogId:
    """Append events to the log, as render does, and return the last one's place."""
    place = ""
    for event in events:
        place = str(await redis.xadd(keys.PAGES_STREAM, dict(event.to_fields().items())))
    return LogId(place)


def settings_for(store_url: str, **changes: object) -> Settings:
    given: dict[str, object] = {
        "redis_url": store_url,
        "bootstrap_key": SecretStr(ADMIN_KEY),
        "secrets_key": SecretStr(SECRETS_KEY),
        "egress_allow": LOOPBACK,
        "retry_schedule": (timedelta(seconds=0.05),) * 3,
        "attempt_timeout": timedelta(seconds=5),
        "shards": 2,
    }
    return Settings.model_validate(given | changes)


@dataclass(frozen=True)
class Service:
    """The running service, as its callers meet it."""

    http: httpx.AsyncClient
    redis: Redis

    async def subscribe(self, url: str, **request: object) -> dict[str, str]:
        answer = await self.http.post("/v1/subscriptions", json={"url": url, **request})
        assert answer.status_code == 201, answer.text
        made: dict[str, str] = answer.json()
        return made

    async def state(self, subscription_id: str) -> str:
        answer = await self.http.get(f"/v1/subscriptions/{subscription_id}")
        return str(answer.json()["state"])


@asynccontextmanager
async def a_service(
    redis: Redis, settings: Settings, channels: Sequence[AnyChannel] = CHANNELS
) -> AsyncIterator[Service]:
    async with running(settings, channels) as app:
        transport = httpx.ASGITransport(app=app)
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://notify", headers=headers) as client:
            yield Service(client, redis)


def a_subscription(name: str, **changes: object) -> Subscription:
    now = datetime.now(UTC)
    given: dict[str, object] = {
        "id": name,
        "owner": "tests",
        "url": "https://example.org/",
        "secrets": (),
        "created_at": now,
        "since": "0-0",
        "state_since": now,
    }
    return Subscription.model_validate(given | changes)
