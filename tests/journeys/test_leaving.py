"""Whoever heard of an item hears its end, also where it left the subscription's filter first."""

import json
from typing import Any

from tests.clarion import Clarion
from tests.factories import an_item
from tests.receiver import Receiver, a_receiver


def told(receiver: Receiver) -> list[tuple[str, str | None]]:
    bodies: list[Any] = [json.loads(request.body) for request in receiver.requests]  # Any: JSON
    return [(body["type"], body["data"].get("left")) for body in bodies]


async def test_an_item_that_leaves_a_filter_is_told_as_left_and_as_published_when_it_comes_back(
    clarion: Clarion,
) -> None:
    async with a_receiver() as documents, a_receiver() as everything, a_receiver() as late:
        await clarion.subscribe(documents.url, filter={"sections": ["documents"]})
        await clarion.subscribe(everything.url)
        await clarion.put("a", an_item(section="documents/orders"))
        await documents.received(1)
        await clarion.subscribe(late.url, filter={"sections": ["documents"]})

        await clarion.put("a", an_item(section="news"))
        await documents.received(2)
        await clarion.put("a", an_item(section="documents"))
        await documents.received(3)
        await clarion.put("a", an_item(section="news", update_type="minor"))
        await documents.received(4)
        await clarion.http.request("DELETE", "/v1/items/press/a")
        await everything.received(4)

        assert told(documents) == [
            ("item.published.v1", None),
            ("item.left.v1", "section"),
            ("item.published.v1", None),
            ("item.left.v1", "section"),
        ]
        assert [kind for kind, _ in told(everything)] == [
            "item.published.v1",
            "item.revised.v1",
            "item.revised.v1",
            "item.withdrawn.v1",
        ]
        # It was made after the item was published, and never heard of it before it came back.
        assert told(late) == [("item.published.v1", None), ("item.left.v1", "section")]
        ids = {request.headers["webhook-id"] for request in documents.requests}
        assert len(ids) == 4
        events = (await clarion.http.get("/v1/events")).json()["events"]
        assert [event.get("was", {}).get("section") for event in events] == [
            None,
            "documents/orders",
            "news",
            "news",
        ]


async def test_an_item_that_was_withdrawn_and_comes_back_elsewhere_left_nobody(clarion: Clarion) -> None:
    async with a_receiver() as documents, a_receiver() as everything:
        await clarion.subscribe(documents.url, filter={"sections": ["documents"]})
        await clarion.subscribe(everything.url)
        await clarion.put("a", an_item(section="documents"))
        await clarion.http.request("DELETE", "/v1/items/press/a")
        await documents.received(2)

        await clarion.put("a", an_item(section="news"))
        await everything.received(3)

        assert [kind for kind, _ in told(documents)] == ["item.published.v1", "item.withdrawn.v1"]
