"""The publication receipt: accepted, rendered file by file, visible, announced, delivered to so many of so many."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from redis.asyncio import Redis

from shared.model.ids import EventId
from shared.store import keys
from tests.clarion import Clarion
from tests.cli.command_acts import run
from tests.factories import an_item
from tests.receiver import a_receiver
from tests.waiting import eventually

STATUS = "/v1/items/press/a/status"
Json = dict[str, Any]  # Any: JSON


async def announced(clarion: Clarion, revision: int) -> Json:
    """Wait until the revision is announced and return its receipt."""
    found: Json = {}

    async def is_announced() -> bool:
        response = await clarion.http.get(STATUS, params={"revision": revision})
        found.update(response.json())
        return found.get("announced") is not None

    await eventually(is_announced, f"the announcement of revision {revision}")
    return found


def hashes(receipt: Json) -> Mapping[str, str | None]:
    return {file["path"]: file["sha256"] for file in receipt["rendered"]["files"]}


def on_disk(clarion: Clarion, paths: Sequence[str]) -> Mapping[str, str | None]:
    found: dict[str, str | None] = {}
    for path in paths:
        file = clarion.settings.output_dir / (path.lstrip("/") + ("index.html" if path.endswith("/") else ""))
        found[path] = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else None
    return found


async def test_a_receipt_names_each_step_with_its_moment_and_each_file_with_its_hash(clarion: Clarion) -> None:
    sent = await clarion.put("a", an_item(tags=["sea"]))

    receipt = await announced(clarion, 1)

    path = str(sent["url"]).removeprefix(clarion.settings.base_url)
    steps = [receipt["accepted"], receipt["rendered"], receipt["visible"], receipt["announced"]]
    moments = [datetime.fromisoformat(step["at"]) for step in steps]
    files = hashes(receipt)
    assert receipt["accepted"]["event_id"] == sent["event_id"]
    assert moments == sorted(moments)
    assert files == on_disk(clarion, list(files))
    assert next(iter(files)) == path
    assert {"/en/", "/en/feed.atom", "/en/news/", "/en/tags/sea/feed.json", "/news-sitemap.xml"} < set(files)
    assert None not in files.values()
    assert (receipt["rendered"]["left_out"], receipt["forgotten"]) == (0, False)


async def test_each_revision_has_a_receipt_of_its_own(clarion: Clarion) -> None:
    first = await clarion.put("a", an_item())
    await announced(clarion, 1)
    await clarion.put("a", an_item(title="Another title", slug="moved"))
    newest = await announced(clarion, 2)

    earlier = await announced(clarion, 1)
    asked_without = (await clarion.http.get(STATUS)).json()

    path = str(first["url"]).removeprefix(clarion.settings.base_url)
    assert (hashes(earlier)[path] is None, hashes(newest)[path]) == (False, None)
    assert hashes(earlier)["/en/"] != hashes(newest)["/en/"]
    assert asked_without == newest
    assert newest["announced"]["log_id"] > earlier["announced"]["log_id"]
    assert (await clarion.http.get(STATUS, params={"revision": 3})).status_code == 404


async def test_a_withdrawal_s_receipt_tells_that_its_page_is_gone(clarion: Clarion) -> None:
    sent = await clarion.put("a", an_item())
    await clarion.http.request("DELETE", "/v1/items/press/a", json={"mode": "gone"})

    receipt = await announced(clarion, 2)

    path = str(sent["url"]).removeprefix(clarion.settings.base_url)
    assert hashes(receipt)[path] is None
    assert hashes(receipt)["/en/"] == on_disk(clarion, ["/en/"])["/en/"]


async def test_a_waiting_revision_has_no_receipt_and_the_public_one_keeps_its_own(clarion: Clarion) -> None:
    await clarion.put("a", an_item())
    public = await announced(clarion, 1)
    await clarion.put("a", an_item(title="Secret", publish_at="2999-01-01T00:00:00Z"))

    default = (await clarion.http.get(STATUS)).json()
    waiting = (await clarion.http.get(STATUS, params={"revision": 2})).json()

    assert default["rendered"] == public["rendered"]
    assert default["scheduled"]["revision"] == 2
    assert waiting["accepted"]["publish_at"] == "2999-01-01T00:00:00Z"
    assert [waiting[step] for step in ("rendered", "visible", "announced", "delivered")] == [None] * 4
    assert (waiting["accepted"]["event_id"], waiting["forgotten"]) == (None, False)


async def test_a_receipt_counts_the_deliveries_of_every_shard(clarion: Clarion, redis: Redis) -> None:
    sent = await clarion.put("a", an_item())
    nobody = await announced(clarion, 1)
    event = EventId(sent["event_id"])
    for number, counts in enumerate(({"enqueued": 3, "delivered": 2, "last_ms": 1000}, {"enqueued": 2, "dead": 1})):
        for field, count in counts.items():
            await redis.hset(keys.delivery_tally(keys.Shard(number), event), field, str(count))

    receipt = await announced(clarion, 1)

    assert nobody["delivered"] == {"delivered": 0, "of": 0, "given_up": 0, "last_at": None}
    assert receipt["delivered"] == {"delivered": 2, "of": 5, "given_up": 1, "last_at": "1970-01-01T00:00:01Z"}


async def test_the_newest_twenty_receipts_are_kept_as_long_as_the_log(clarion: Clarion, redis: Redis) -> None:
    for number in range(1, 23):
        sent = await clarion.put("a", an_item(title=f"Title {number}", slug="quay"))
    await announced(clarion, 22)

    kept = await redis.hkeys(keys.receipts(sent["id"]))
    oldest = (await clarion.http.get(STATUS, params={"revision": 2})).json()

    assert {str(name) for name in kept} == {
        f"{step}:{number}" for step in ("rendered", "announced") for number in range(3, 23)
    }
    assert (oldest["rendered"], oldest["forgotten"]) == (None, True)
    assert 0 < await redis.pttl(keys.receipts(sent["id"])) <= clarion.settings.log_retention.total_seconds() * 1000


async def test_an_erased_item_has_no_receipts(clarion: Clarion, redis: Redis) -> None:
    sent = await clarion.put("a", an_item())
    await announced(clarion, 1)

    await clarion.http.request("DELETE", "/v1/items/press/a?purge=true")

    assert (await clarion.http.get(STATUS)).status_code == 404
    assert await redis.exists(keys.receipts(sent["id"])) == 0


async def test_an_item_in_many_lists_names_its_own_page_first_and_says_how_many_files_more_there_are(
    clarion: Clarion,
) -> None:
    sent = await clarion.put("a", an_item(tags=[f"tag-{number}" for number in range(20)]))

    receipt = await announced(clarion, 1)

    files = hashes(receipt)
    assert next(iter(files)) == str(sent["url"]).removeprefix(clarion.settings.base_url)
    assert len(files) == 64
    assert receipt["rendered"]["left_out"] > 0


async def test_a_real_subscriber_is_counted_when_it_has_heard(clarion: Clarion) -> None:
    async with a_receiver() as receiver:
        await clarion.subscribe(receiver.url)
        await clarion.put("a", an_item())
        await receiver.received()

        async def is_counted() -> bool:
            delivered = (await announced(clarion, 1))["delivered"]
            return (delivered["delivered"], delivered["of"]) == (1, 1)

        await eventually(is_counted, "1 of 1")


async def test_the_command_tells_each_step_and_names_each_file(clarion: Clarion) -> None:
    sent = await clarion.put("a", an_item())
    waiting = await told(clarion)
    await announced(clarion, 1)

    lines = await told(clarion, "--revision", "1")

    path = str(sent["url"]).removeprefix(clarion.settings.base_url)
    steps = [line.split()[0] for line in lines if line.startswith("  ")]
    shown = next(line for line in lines if line.endswith(f"  {path}"))
    assert waiting[0] == lines[0] == f"press/a: published, revision 1, {sent['url']}"
    assert steps[:5] == ["accepted", "rendered", "visible", "announced", "delivered"]
    assert "  delivered  0 of 0" in lines
    assert str(on_disk(clarion, [path])[path]).startswith(shown.split()[0])


async def told(clarion: Clarion, *options: str) -> list[str]:
    """Return what `clarion timeline` prints."""
    result = await run(clarion.settings, "timeline", "press/a", *options)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    return lines[next(place for place, line in enumerate(lines) if line.startswith("press/a:")) :]
