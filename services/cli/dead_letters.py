"""`clarion dead-letters`: list events and deliveries that were given up, and try them again."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer
from redis.asyncio import Redis

from services.cli.output import AsJson, console, fail, print_answer
from services.cli.store import on_store
from shared.model.clock import iso
from shared.model.errors import NotFound
from shared.model.ids import DeliveryId
from shared.runtime.settings import Settings

if TYPE_CHECKING:
    # Imported inside the commands that need them, so that the other commands start faster.
    from services.notify.delivery.dead_letters import DeadDeliveries
    from services.notify.delivery.history import DeliveryHistory
    from shared.store.dead_letters import DeadLetters

letters = typer.Typer(no_args_is_help=True, help="Events without a page and deliveries that were given up.")


@letters.command("list")
def list_letters(
    *,
    limit: Annotated[int, typer.Option(help="At most so many of each kind.", min=1)] = 50,
    as_json: AsJson = False,
) -> None:
    """List the newest events and deliveries that were given up."""
    rows = on_store(lambda settings, redis: _rows(settings, redis, limit))
    if as_json:
        return typer.echo(json.dumps(rows, ensure_ascii=False))
    for row in rows:
        typer.echo(f"{row['at']}  {row['kind']:8}  {row['id']}  {row['type']}  {row['reason']}")
    return None if rows else console.print("nothing was given up")


@letters.command("replay")
def replay_letters(
    ids: Annotated[list[str] | None, typer.Argument(help="Dead letters by the ids that `list` shows.")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="All that `list` would show without a limit.")] = False,
    as_json: AsJson = False,
) -> None:
    """Try dead letters again: events are rendered anew, deliveries are sent under the ids they had."""
    if bool(ids) == every:
        fail("name some dead letters, or say --all")
    replayed, missing = on_store(lambda settings, redis: _replay(settings, redis, ids))
    print_answer({"replayed": replayed, "missing": missing}, f"replayed {len(replayed)}", as_json=as_json)
    if missing:
        fail(f"there is no such dead letter, or it cannot be replayed: {', '.join(missing)}")


async def _rows(settings: Settings, redis: Redis, limit: int) -> list[dict[str, str]]:
    events, deliveries, _ = await _given_up(settings, redis)
    rows = [
        {"at": iso(one.at), "kind": "event", "id": one.id, "type": one.event_type, "reason": one.reason}
        for one in await events.newest(limit)
    ]
    for letter in (await deliveries.newest(None, None, limit)).letters:
        last = letter.last_attempt
        reason = " ".join(str(last[name]) for name in ("reason", "status") if last.get(name))
        row = {"at": iso(letter.given_up_at), "kind": "delivery", "id": letter.delivery.id}
        rows.append({**row, "type": letter.delivery.event_type, "reason": reason})
    return sorted(rows, key=lambda row: row["at"], reverse=True)


async def _replay(settings: Settings, redis: Redis, ids: list[str] | None) -> tuple[list[str], list[str]]:
    """Replay these dead letters, or all; return the ids of those that were replayed, and of the missing ones."""
    events, deliveries, history = await _given_up(settings, redis)
    replayed: list[str] = []
    missing: list[str] = []
    for letter in await _all_ids(events, deliveries) if ids is None else ids:
        is_there = await (events.replay(letter) if _is_event(letter) else _is_retried(history, letter))
        (replayed if is_there else missing).append(letter)
    return replayed, missing


async def _all_ids(events: "DeadLetters", deliveries: "DeadDeliveries") -> Iterable[str]:
    ids = [event.id for event in await events.newest(1_000_000) if event.may_be_replayed]
    cursor = None
    while True:
        page = await deliveries.newest(None, cursor, 500)
        ids += [letter.delivery.id for letter in page.letters]
        cursor = page.next
        if cursor is None:
            return dict.fromkeys(ids)


async def _is_retried(history: "DeliveryHistory", delivery: str) -> bool:
    try:
        await history.retry_now(DeliveryId(delivery))
    except NotFound:
        return False
    return True


def _is_event(letter_id: str) -> bool:
    """Whether the id is a place in a stream; the id of a delivery ends with its subscription's id."""
    return letter_id.replace("-", "").isdigit()


async def _given_up(settings: Settings, redis: Redis) -> "tuple[DeadLetters, DeadDeliveries, DeliveryHistory]":
    from services.notify.delivery.dead_letters import DeadDeliveries  # noqa: PLC0415 - see above
    from services.notify.delivery.history import DeliveryHistory  # noqa: PLC0415 - see above
    from services.notify.delivery.shard_advance import ShardAdvance  # noqa: PLC0415 - see above
    from services.notify.log.event_log import EventLog  # noqa: PLC0415 - see above
    from services.notify.subscriptions.store import SubscriptionStore, settle_shard_count  # noqa: PLC0415 - see above
    from shared.store.dead_letters import DeadLetters  # noqa: PLC0415 - see above

    store = SubscriptionStore(redis, await settle_shard_count(redis, settings.shards))
    return (
        DeadLetters(redis),
        DeadDeliveries(redis, store),
        DeliveryHistory(redis, store, ShardAdvance(redis, store, EventLog(redis)).enqueue),
    )
