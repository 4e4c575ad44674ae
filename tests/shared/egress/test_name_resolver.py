"""Names: looked up once, in threads of their own, and none waits for another that hangs."""

import asyncio
import threading
from collections.abc import Sequence
from ipaddress import ip_address

from shared.egress.address_classes import Address
from shared.egress.name_resolver import NameResolver
from tests.shared.egress.names import Names


async def test_names_that_hang_do_not_delay_others() -> None:
    release = threading.Event()

    def lookup(host: str) -> Sequence[Address]:
        if host.startswith("hang"):
            release.wait()
        return [ip_address("127.0.0.1")]

    names = NameResolver(lookup, deadline_seconds=0.2)
    try:
        hanging = [asyncio.create_task(names.resolve("hang.example")) for _ in range(200)]
        prompt = await asyncio.wait_for(names.resolve("prompt.example"), 5)
        results = await asyncio.gather(*hanging, return_exceptions=True)
    finally:
        release.set()
        names.close()

    assert prompt == (ip_address("127.0.0.1"),)
    assert all(isinstance(result, OSError) for result in results)


async def test_a_name_is_looked_up_once_however_many_ask() -> None:
    lookups = Names(one=[["8.8.8.8"]])
    names = NameResolver(lookups)

    await asyncio.gather(*(names.resolve("one.example") for _ in range(50)))
    names.close()

    assert lookups.asked == ["one.example"]


async def test_the_default_pool_is_not_used_for_names() -> None:
    threads: list[str] = []

    def lookup(_: str) -> Sequence[Address]:
        threads.append(threading.current_thread().name)
        return [ip_address("8.8.8.8")]

    names = NameResolver(lookup)
    await names.resolve("a.example")
    names.close()

    assert threads[0].startswith("dns")
