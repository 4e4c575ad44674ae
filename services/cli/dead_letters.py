"""The commands about what was given up: list it, and try it again."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.output import AsJson, Words, console, fail, print_answer

if TYPE_CHECKING:
    # Imported inside the commands that need them, so that the other commands start faster.
    from services.notify.delivery.dead_letters import DeadDeliveries
    from services.notify.delivery.history import DeliveryHistory
    from shared.store.dead_letters import DeadLetters

letters = typer.Typer(no_args_is_help=True, help="What was given up: events that no page came of, and deliveries.")


@letters.command("list")
def list_letters(
    *,
    limit: Annotated[int, typer.Option(help="At most so many of each kind.", min=1)] = 50,
    as_json: AsJson = False,
) -> None:
    """List what was given up, the newest first: events, and deliveries."""
    found = asyncio.run(_with_store(lambda store: _listed(store, limit)))
    if as_json:
        return typer.echo(json.dumps(found, ensure_ascii=False))
    for one in found:
        typer.echo(f"{one['at']}  {one['kind']:8}  {one['id']}  {one['type']}  {one['reason']}")
    return None if found else console.print("nothing was given up")


@letters.command("replay")
def replay_letters(
    ids: Annotated[Words | None, typer.Argument(help="Dead letters by the ids that `list` shows.")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="All that `list` would show without a limit.")] = False,
    as_json: AsJson = False,
) -> None:
    """Try again what was given up: events are rendered anew, deliveries sent under the ids they had."""
    if bool(ids) == every:
        fail("name some dead letters, or say --all")
    replayed, missing = asyncio.run(_with_store(lambda store: _replayed(store, ids)))
    print_answer({"replayed": replayed, "missing": missing}, f"replayed {len(replayed)}", as_json=as_json)
    if missing:
        fail(f"there is no such dead letter, or it cannot be replayed: {', '.join(missing)}")


@dataclass(frozen=True)
class _Store:
    """What these commands need of the store."""

    events: "DeadLetters"
    deliveries: "DeadDeliveries"
    history: "DeliveryHistory"


async def _listed(store: _Store, limit: int) -> list[dict[str, str]]:
    from shared.model.clock import iso  # noqa: PLC0415 - see above

    found = [
        {"at": iso(one.at), "kind": "event", "id": one.id, "type": one.event_type, "reason": one.reason}
        for one in await store.events.newest(limit)
    ]
    page = await store.deliveries.newest(None, None, limit)
    for letter in page.letters:
        last = letter.last_attempt
        reason = " ".join(str(last[name]) for name in ("reason", "status") if last.get(name))
        one = {"at": iso(letter.given_up_at), "kind": "delivery", "id": letter.delivery.id}
        found.append({**one, "type": letter.delivery.event_type, "reason": reason})
    return sorted(found, key=lambda one: one["at"], reverse=True)


async def _replayed(store: _Store, ids: Words | None) -> tuple[Words, Words]:
    """Return the ids of what is tried again, and of what is not there."""
    replayed: Words = []
    missing: Words = []
    async for one in _all_ids(store) if ids is None else _each(ids):
        is_there = await (store.events.replay(one) if _is_event(one) else _redelivered(store, one))
        (replayed if is_there else missing).append(one)
    return replayed, missing


async def _all_ids(store: _Store) -> AsyncIterator[str]:
    from shared.model.ids import DeliveryId  # noqa: PLC0415 - see above

    for event in await store.events.newest(1_000_000):
        if event.may_be_replayed:
            yield event.id
    cursor, seen = None, set[DeliveryId]()
    while True:
        page = await store.deliveries.newest(None, cursor, 500)
        for letter in page.letters:
            if letter.delivery.id not in seen:
                yield letter.delivery.id
            seen.add(letter.delivery.id)
        cursor = page.next
        if cursor is None:
            return


async def _each(ids: Words) -> AsyncIterator[str]:
    for one in ids:
        yield one


async def _redelivered(store: _Store, delivery: str) -> bool:
    from shared.model.errors import NotFound  # noqa: PLC0415 - see above
    from shared.model.ids import DeliveryId  # noqa: PLC0415 - see above

    try:
        await store.history.retry_now(DeliveryId(delivery))
    except NotFound:
        return False
    return True


def _is_event(letter_id: str) -> bool:
    """Whether this is a place in a stream: a delivery's id ends with its subscription's."""
    return letter_id.replace("-", "").isdigit()


async def _with_store(work: Any) -> Any:  # Any: what `work` returns
    from redis.exceptions import RedisError  # noqa: PLC0415 - see above

    from services.notify.delivery.dead_letters import DeadDeliveries  # noqa: PLC0415 - see above
    from services.notify.delivery.history import DeliveryHistory  # noqa: PLC0415 - see above
    from services.notify.delivery.shard_advance import ShardAdvance  # noqa: PLC0415 - see above
    from services.notify.log.event_log import EventLog  # noqa: PLC0415 - see above
    from services.notify.subscriptions.store import SubscriptionStore, settle_shard_count  # noqa: PLC0415 - see above
    from shared.model.errors import ClarionError  # noqa: PLC0415 - see above
    from shared.runtime.settings import Settings  # noqa: PLC0415 - see above
    from shared.store.dead_letters import DeadLetters  # noqa: PLC0415 - see above
    from shared.store.redis_client import connect  # noqa: PLC0415 - see above

    settings = Settings()
    redis = connect(settings.redis_url)
    try:
        store = SubscriptionStore(redis, await settle_shard_count(redis, settings.shards))
        enqueue = ShardAdvance(redis, store, EventLog(redis)).enqueue
        deliveries, history = DeadDeliveries(redis, store), DeliveryHistory(redis, store, enqueue)
        return await work(_Store(DeadLetters(redis), deliveries, history))
    except (ClarionError, OSError, RedisError) as error:
        fail(str(error))
    finally:
        await redis.aclose()
