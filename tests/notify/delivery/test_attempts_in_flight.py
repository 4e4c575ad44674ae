"""Attempts in the air and in hand, by hand."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from redis.exceptions import ConnectionError as StoreAway

from services.notify.delivery.attempts_in_flight import Flight, Flights
from services.notify.delivery.concurrency import AttemptSlots, UnderWay
from services.notify.model.delivery import Delivery, Lease
from shared.model.ids import DeliveryId, EventId, LogId, SubscriptionId
from tests.notify.factories import eventually


class Worker:
    """What a worker does with flights: it notes what lands."""

    def __init__(self, quick: int) -> None:
        self.slots = AttemptSlots(time.monotonic, quick=quick)
        self.flights: Flights[str] = Flights(self.slots, lambda settled: settled.endswith("good"), lambda: None)
        self.landed: list[str] = []
        self.begun: list[str] = []

    def begin(self, endpoint: str, name: str, act: Callable[[], Awaitable[str]]) -> None:
        async def attempt() -> str:
            self.begun.append(name)
            return f"{name} {await act()}"

        delivery = Delivery(DeliveryId(name), EventId(name), "item.published.v1", LogId("1-0"), 0)
        under_way = UnderWay(Lease(SubscriptionId(endpoint), delivery, "t"), time.monotonic(), 0)
        self.flights.begin(Flight(under_way, attempt, lambda: f"{name} back", self.landed.append))

    async def settled(self) -> None:
        return


async def good() -> str:
    return "good"


async def for_ever() -> str:
    await asyncio.Event().wait()
    return "never"


async def test_what_has_no_slot_waits_in_hand_and_follows_in_its_order() -> None:
    worker, gate = Worker(quick=1), asyncio.Event()

    async def behind_the_gate() -> str:
        await gate.wait()
        return "good"

    worker.begin("a", "first", behind_the_gate)
    worker.begin("b", "second", good)
    worker.begin("c", "third", good)
    await eventually(lambda: worker.begun == ["first"])
    waited = worker.flights.in_hand
    gate.set()
    await eventually(lambda: len(worker.landed) == 3)

    assert waited == 2
    assert worker.landed == ["first good", "second good", "third good"]
    assert worker.flights.in_hand == 0


async def test_an_endpoint_that_bears_no_more_holds_up_no_other_in_hand() -> None:
    worker = Worker(quick=3)

    worker.begin("hanging", "h1", for_ever)
    worker.begin("hanging", "h2", for_ever)
    worker.begin("prompt", "p1", good)
    await eventually(lambda: worker.landed == ["p1 good"])

    assert worker.begun == ["h1", "p1"]
    await worker.flights.finish(time.monotonic(), worker.settled)


async def test_a_stop_hands_back_what_is_in_hand_at_once_and_what_flies_after_its_grace() -> None:
    worker = Worker(quick=1)
    worker.begin("a", "flies", for_ever)
    worker.begin("b", "waits", good)
    await eventually(lambda: worker.begun == ["flies"])

    await worker.flights.finish(time.monotonic() + 0.05, worker.settled)

    assert worker.landed == ["waits back", "flies back"]
    assert worker.begun == ["flies"]


async def test_a_store_that_is_away_hands_back_and_a_mistake_of_ours_does_not() -> None:
    worker = Worker(quick=2)

    async def away() -> str:
        raise StoreAway

    async def broken() -> str:
        raise RuntimeError("our mistake")

    worker.begin("a", "away", away)
    worker.begin("b", "broken", broken)
    await eventually(lambda: worker.slots.free_quick == 2)

    assert worker.landed == ["away back"]
