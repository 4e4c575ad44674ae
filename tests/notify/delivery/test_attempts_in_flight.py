"""Attempts that hold a slot and attempts that wait for one, by hand."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from redis.exceptions import ConnectionError as StoreAway

from services.notify.delivery.attempts_in_flight import AttemptsInFlight
from services.notify.delivery.concurrency import AttemptSlots
from services.notify.model.delivery import Lease
from shared.model.ids import SubscriptionId
from tests.waiting import eventually

Act = Callable[[], Awaitable[str]]


class Maker:
    """Makes attempts by hand: a lease's token names its act. Notes what began and what was collected."""

    def __init__(self, quick: int) -> None:
        # The clock stands still: on a busy machine an attempt would turn slow, and give up its slot, in mid-test.
        self.slots = AttemptSlots(lambda: 0.0, quick=quick)
        self.in_flight = AttemptsInFlight(self.slots, self, collect=self._collect, on_end=lambda: None)
        self.acts: dict[str, Act] = {}
        self.begun: list[str] = []
        self.collected: list[str] = []

    def begin(self, endpoint: str, name: str, act: Act) -> None:
        self.acts[name] = act
        self.in_flight.begin(Lease(SubscriptionId(endpoint), name, 0, 0), time.monotonic())

    async def attempt(self, lease: Lease) -> str:
        self.begun.append(lease.token)
        return f"{lease.token} {await self.acts[lease.token]()}"

    def interrupted(self, lease: Lease) -> str:
        return f"{lease.token} back"

    def is_good(self, settlement: str) -> bool:
        return settlement.endswith("good")

    def _collect(self, settlement: str) -> None:
        self.collected.append(settlement)

    async def settled(self) -> None:
        return


async def good() -> str:
    return "good"


async def for_ever() -> str:
    await asyncio.Event().wait()
    return "never"


async def test_attempts_without_a_slot_wait_and_follow_in_their_order() -> None:
    maker, gate = Maker(quick=1), asyncio.Event()

    async def behind_the_gate() -> str:
        await gate.wait()
        return "good"

    maker.begin("a", "first", behind_the_gate)
    maker.begin("b", "second", good)
    maker.begin("c", "third", good)
    await eventually(lambda: maker.begun == ["first"])
    waited = maker.slots.prefetched
    gate.set()
    await eventually(lambda: len(maker.collected) == 3)

    assert waited == 2
    assert maker.collected == ["first good", "second good", "third good"]
    assert maker.slots.prefetched == 0


async def test_an_endpoint_that_may_get_no_more_holds_up_no_other() -> None:
    maker = Maker(quick=3)

    maker.begin("hanging", "h1", for_ever)
    maker.begin("hanging", "h2", for_ever)
    maker.begin("prompt", "p1", good)
    await eventually(lambda: maker.collected == ["p1 good"])

    assert maker.begun == ["h1", "p1"]
    await maker.in_flight.finish(time.monotonic(), maker.settled)


async def test_a_stop_hands_back_waiting_attempts_at_once_and_running_ones_after_their_grace() -> None:
    maker = Maker(quick=1)
    maker.begin("a", "runs", for_ever)
    maker.begin("b", "waits", good)
    await eventually(lambda: maker.begun == ["runs"])

    await maker.in_flight.finish(time.monotonic() + 0.05, maker.settled)

    assert maker.collected == ["waits back", "runs back"]
    assert maker.begun == ["runs"]


async def test_a_store_that_is_away_hands_back_and_a_mistake_of_ours_does_not() -> None:
    maker = Maker(quick=2)

    async def away() -> str:
        raise StoreAway

    async def broken() -> str:
        raise RuntimeError("our mistake")

    maker.begin("a", "away", away)
    maker.begin("b", "broken", broken)
    await eventually(lambda: maker.slots.free_quick == 2)

    assert maker.collected == ["away back"]
