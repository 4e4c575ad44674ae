"""The one door for outgoing HTTP: only public addresses, no redirects, one deadline, a capped answer."""

import asyncio
import contextlib
import math
import socket
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from yarl import URL

from services.notify.address_classes import Address, Network, literal_address, refused_class
from services.notify.deliveries import Reason
from services.notify.name_resolver import NameNotResolved, NameResolver
from shared.errors import ClarionError

MAX_ANSWER_BYTES = 64 * 1024
# Once the status is there, the rest of the answer is for people to read and lets the connection be kept.
_REST_SECONDS = 1.0
# What is left of the deadline for cutting a dripping answer short, so that its status still counts.
_CUT_SECONDS = 0.05
_KEEP_ALIVE_SECONDS = 30.0
_SCHEMES = ("http", "https")


class BlockedAddress(ClarionError):
    """The address is in a class that callbacks never reach; CLARION_EGRESS_ALLOW opens networks."""


class NoAnswer(ClarionError):
    """There was no answer, for a reason that machines can read."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class Answer:
    """What came back. The status decides: a body that is too long or too slow is cut, and changes nothing."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class AddressGuard:
    """Says of every address whether it may be reached."""

    def __init__(self, allowed: Sequence[Network] = ()) -> None:
        self._allowed = tuple(allowed)

    def check(self, address: Address, host: str) -> None:
        """Raise BlockedAddress, naming the class, unless the address is public or allowed."""
        refused = refused_class(address, self._allowed)
        if refused is not None:
            raise BlockedAddress(f"{host} is at {address}, which is {refused}" if host else f"{address} is {refused}")

    def check_host(self, host: str) -> None:
        """Raise BlockedAddress for a host that is written as an address, however oddly, and may not be reached."""
        address = literal_address(host)
        if address is not None:
            self.check(address, "" if str(address) == host else host)


class _GuardedResolver(AbstractResolver):
    """Gives aiohttp the addresses that were checked: it connects to these and looks nothing up itself."""

    def __init__(self, guard: AddressGuard, names: NameResolver) -> None:
        self._guard = guard
        self._names = names

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - aiohttp asks so
    ) -> list[ResolveResult]:
        addresses = await self._names.resolve(host)
        # One bad address among good ones refuses the name: whoever answers so is playing.
        for address in addresses:
            self._guard.check(address, host)
        return [_resolved(host, port, address) for address in addresses]

    async def close(self) -> None:
        """Do nothing: the names belong to whoever opened the door."""


_ends_at: ContextVar[float] = ContextVar("ends_at", default=math.inf)
"""When the attempt that this task makes is over, by `time.monotonic`: uvloop's own clock stands still in a callback."""


class _PunctualConnector(aiohttp.TCPConnector):
    """
    Sends nothing once the deadline is over.

    A process that was frozen finds its timers and its connections ready at one moment, and would send what another one
    has delivered since.
    """

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: "list[Trace]",
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        if time.monotonic() > _ends_at.get():
            connection.close()
            raise TimeoutError
        return connection


class Egress:
    """Sends requests through the guard. It keeps connections, not cookies, and trusts no environment."""

    def __init__(self, session: aiohttp.ClientSession, guard: AddressGuard, deadline: timedelta) -> None:
        self._session = session
        self._guard = guard
        self._deadline_seconds = deadline.total_seconds()

    async def post(self, url: URL, headers: Mapping[str, str], body: bytes) -> Answer:
        """
        Return what the endpoint answers, within one deadline for everything. Raises NoAnswer.

        A kept connection may be closed by its other end just as we write: that costs one immediate repetition, not an
        attempt.
        """
        return await self._request("POST", url, headers, body)

    async def get(self, url: URL, headers: Mapping[str, str]) -> Answer:
        """Return what is answered to a GET; else as `post`."""
        return await self._request("GET", url, headers, None)

    async def _request(self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None) -> Answer:
        try:
            async with asyncio.timeout(self._deadline_seconds) as deadline:
                _ends_at.set(time.monotonic() + self._deadline_seconds)
                try:
                    return await self._exchange(method, url, headers, body, deadline)
                except aiohttp.ClientConnectorError:
                    raise
                except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                    return await self._exchange(method, url, headers, body, deadline)
        except TimeoutError as error:
            raise NoAnswer("timeout", f"no answer within {self._deadline_seconds:g} s") from error
        except BlockedAddress as error:
            raise NoAnswer("blocked_address", str(error)) from error
        except aiohttp.ClientError as error:
            raise _no_answer(error) from error
        except OSError as error:
            raise NoAnswer("connect", _words(error)) from error

    async def _exchange(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None, deadline: asyncio.Timeout
    ) -> Answer:
        # aiohttp asks no resolver about a host that is an address.
        self._guard.check_host(url.raw_host or "")
        async with self._session.request(method, url, headers=headers, data=body, allow_redirects=False) as response:
            kept, is_whole = await _beginning(response, (deadline.when() or math.inf) - _CUT_SECONDS)
            if not is_whole:
                response.close()
            return Answer(response.status, response.headers, kept)


@contextlib.asynccontextmanager
async def open_egress(
    allowed: Sequence[Network], deadline: timedelta, names: NameResolver | None = None
) -> AsyncIterator[Egress]:
    """Open the door for as long as the block runs."""
    guard = AddressGuard(allowed)
    names = names or NameResolver()
    connector = _PunctualConnector(
        resolver=_GuardedResolver(guard, names),
        use_dns_cache=False,
        limit=0,  # the delivery worker bounds what is under way
        limit_per_host=0,
        keepalive_timeout=_KEEP_ALIVE_SECONDS,
        family=socket.AF_UNSPEC,
    )
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
        trust_env=False,
        skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent"),
        read_bufsize=MAX_ANSWER_BYTES,
    )
    async with session:
        try:
            yield Egress(session, guard, deadline)
        finally:
            names.close()


def url_problem(url: str, guard: AddressGuard) -> str | None:
    """Return what makes a URL unfit for a callback, or None. Names are resolved only when they are called."""
    try:
        parsed = URL(url)
    except ValueError as error:
        return f"not a URL: {error}"
    host = parsed.raw_host or ""
    if parsed.scheme not in _SCHEMES or not host:
        return "must be an absolute http:// or https:// URL"
    problems = {
        "must not have an encoded host": "%" in host.partition("%25")[0],
        "must not carry a user or a password: use headers": parsed.raw_authority.rpartition("@")[1] != "",
        "must not have a fragment": "#" in url,
    }
    try:
        guard.check_host(host)
    except BlockedAddress as error:
        problems[f"cannot be reached from here: {error}"] = True
    return next((problem for problem, is_there in problems.items() if is_there), None)


async def _beginning(response: aiohttp.ClientResponse, cut_at: float) -> tuple[bytes, bool]:
    """Return the answer's first bytes, and whether that is all of it."""
    kept = bytearray()
    try:
        async with asyncio.timeout_at(min(asyncio.get_running_loop().time() + _REST_SECONDS, cut_at)):
            while chunk := await response.content.readany():
                kept += chunk
                if len(kept) > MAX_ANSWER_BYTES:
                    return bytes(kept[:MAX_ANSWER_BYTES]), False
    except (TimeoutError, aiohttp.ClientError, OSError):
        return bytes(kept), False
    return bytes(kept), True


def _resolved(host: str, port: int, address: Address) -> ResolveResult:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=host, host=str(address), port=port, family=family, proto=0, flags=flags)


def _no_answer(error: aiohttp.ClientError) -> NoAnswer:
    match error:
        case aiohttp.ClientConnectorDNSError() if isinstance(error.os_error, NameNotResolved):
            return NoAnswer("dns", str(error.os_error))
        case aiohttp.ClientConnectorDNSError():
            return NoAnswer("dns", _words(error.os_error))
        case aiohttp.ClientSSLError():
            return NoAnswer("tls", _words(error))
        case aiohttp.InvalidURL():
            return NoAnswer("blocked_address", f"the address is written in a way that is not followed: {error}")
        case aiohttp.ClientResponseError() if "Got more than" in error.message:  # aiohttp tells it only in words
            return NoAnswer("too_large", "the answer's header is too long")
        case _:
            return NoAnswer("connect", _words(error))


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
