"""Open connections to checked addresses only."""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from aiohappyeyeballs import start_connection
from yarl import URL

from shared.egress.address_classes import Address, literal_address
from shared.egress.address_guard import AddressGuard, BlockedAddress
from shared.egress.http_connection import HttpConnection, NoAnswer
from shared.egress.name_resolver import NameNotResolved, NameResolver

# How long one address may take before the next is tried beside it (RFC 8305, section 8).
_HAPPY_EYEBALLS_SECONDS = 0.25
_ORIGINS_REMEMBERED = 10_000


@dataclass(frozen=True)
class Origin:
    """The server of a URL, and its Host header."""

    scheme: str
    host: str
    port: int
    host_header: str


@lru_cache(_ORIGINS_REMEMBERED)
def origin_of(url: URL) -> Origin:
    """Return the server of an absolute URL. Raises ValueError for a URL without one."""
    if url.raw_host is None or url.port is None:
        raise ValueError(f"{url} names no server")
    host = f"[{url.raw_host}]" if ":" in url.raw_host else url.raw_host
    return Origin(url.scheme, url.raw_host, url.port, host if url.is_default_port() else f"{host}:{url.port}")


class Dialer:
    """Resolves a name once, checks the addresses, and connects to one of them. Nothing resolves the name again."""

    def __init__(self, guard: AddressGuard, names: NameResolver) -> None:
        self._guard = guard
        self._names = names
        self._tls = ssl.create_default_context()

    async def open(self, origin: Origin) -> HttpConnection:
        """Return a new connection. Raises NoAnswer with the reason."""
        try:
            addresses = await self._checked_addresses(origin.host)
            return await self._connect(origin, addresses)
        except BlockedAddress as error:
            raise NoAnswer("blocked_address", str(error)) from error
        except NameNotResolved as error:
            raise NoAnswer("dns", str(error)) from error
        except ssl.SSLError as error:
            raise NoAnswer("tls", _words(error)) from error
        except OSError as error:
            raise NoAnswer("connect", _words(error)) from error

    async def _checked_addresses(self, host: str) -> Sequence[Address]:
        self._guard.check_host(host)
        address = literal_address(host)
        if address is not None:
            return [address]
        addresses = await self._names.resolve(host)
        # One refused address refuses the whole name: such a mixture is an attack by DNS.
        for one in addresses:
            self._guard.check(one, host)
        return addresses

    async def _connect(self, origin: Origin, addresses: Sequence[Address]) -> HttpConnection:
        opened = await start_connection(
            [_address_info(address, origin.port) for address in addresses],
            happy_eyeballs_delay=_HAPPY_EYEBALLS_SECONDS,
            interleave=1,
        )
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                HttpConnection,
                sock=opened,
                ssl=self._tls if origin.scheme == "https" else None,
                server_hostname=origin.host.rstrip(".") if origin.scheme == "https" else None,
            )
        except BaseException:
            opened.close()
            raise
        return connection


def _address_info(
    address: Address, port: int
) -> "tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[str, int] | tuple[str, int, int, int]]":
    if address.version == 4:
        return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (str(address), port)
    return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (str(address), port, 0, 0)


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
