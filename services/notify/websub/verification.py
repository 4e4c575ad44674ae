"""Ask a callback to confirm a request, or tell it that the request is denied (WebSub, sections 5.2 and 5.3)."""

import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from urllib.parse import urlencode

import structlog
from yarl import URL

from services.notify.channels.http_post import USER_AGENT
from services.notify.delivery.attempts_in_flight import AttemptMaker
from services.notify.websub.queue import RequestLease, RequestSettlement
from services.notify.websub.subscriptions import FeedRequest, FeedSubscription
from shared.egress.http_connection import HttpAnswer, NoAnswer

log = structlog.get_logger()

Get = Callable[[URL, Mapping[str, str]], Awaitable[HttpAnswer]]

# A callback that does not answer is asked this many times more. Any answer is final (section 5.3.1).
_REPETITIONS = 3
_HEADERS = {"User-Agent": USER_AGENT}


class Verification(AttemptMaker[RequestLease, RequestSettlement]):
    """Makes the attempts to verify requests."""

    def __init__(self, get: Get, schedule: Sequence[timedelta]) -> None:
        self._get = get
        self._waits = tuple(schedule[:_REPETITIONS])

    async def attempt(self, lease: RequestLease) -> RequestSettlement:
        """Ask or tell the callback once, and return what shall become of the request."""
        request = lease.request
        try:
            settlement = await self._answered(lease)
            reason = None
        except NoAnswer as error:
            settlement, reason = self._unanswered(lease, error), error.detail
        log.info(
            _HAPPENED[settlement.verdict],
            subscription=request.id,
            mode=request.mode,
            topic=request.topic,
            attempt=request.attempts,
            reason=reason,
        )
        return settlement

    def interrupted(self, lease: RequestLease) -> RequestSettlement:
        """Return the settlement of an attempt that was cut off: another process shall ask at once."""
        return RequestSettlement(lease, "retry")

    async def _answered(self, lease: RequestLease) -> RequestSettlement:
        request = lease.request
        match request.mode:
            case "deny":
                told = {"hub.mode": "denied", "hub.topic": request.topic, "hub.reason": request.reason}
                if request.protocol == "websub":
                    await self._get(_with_query(request.callback, told), _HEADERS)
                return RequestSettlement(lease, "drop")
            case "unsubscribe":
                is_confirmed = await self._is_confirmed(request)
                return RequestSettlement(lease, "unsubscribe" if is_confirmed else "drop")
            case "subscribe":
                if not await self._is_confirmed(request):
                    return RequestSettlement(lease, "drop")
                return RequestSettlement(lease, "subscribe", record=_verified(lease))

    async def _is_confirmed(self, request: FeedRequest) -> bool:
        challenge = secrets.token_urlsafe(32)
        if request.protocol == "rsscloud":
            return await self._is_repeated(request, challenge)
        asked = {"hub.mode": request.mode, "hub.topic": request.topic, "hub.challenge": challenge}
        if request.mode == "subscribe":
            asked["hub.lease_seconds"] = str(request.lease_seconds)
        answer = await self._get(_with_query(request.callback, asked), _HEADERS)
        return _is_success(answer) and hmac.compare_digest(answer.body, challenge.encode())

    async def _is_repeated(self, request: FeedRequest, challenge: str) -> bool:
        """Whether the answer of an rssCloud callback contains the challenge."""
        asked = {"url": request.topic, "challenge": challenge}
        answer = await self._get(_with_query(request.callback, asked), _HEADERS)
        return _is_success(answer) and challenge.encode() in answer.body

    def _unanswered(self, lease: RequestLease, error: NoAnswer) -> RequestSettlement:
        failed = lease.request.attempts
        if error.reason == "blocked_address" or failed > len(self._waits):
            return RequestSettlement(lease, "drop")
        return RequestSettlement(lease, "retry", self._waits[failed - 1])


_HAPPENED = {
    "subscribe": "subscription.verified",
    "unsubscribe": "subscription.ended",
    "drop": "subscription.not_verified",
    "retry": "callback.not_heard",
}


def _verified(lease: RequestLease) -> FeedSubscription:
    kept = lease.request.model_dump(include=FeedSubscription.model_fields.keys() - {"expires_ms"})
    # The lease counts from the moment when the callback was asked (section 5.3).
    return FeedSubscription(**kept, expires_ms=lease.leased_ms + lease.request.lease_seconds * 1000)


def _with_query(callback: str, added: Mapping[str, str]) -> URL:
    """Return the callback with parameters added; its own parameters stay as they are (section 5.1.1)."""
    return URL(f"{callback}{'&' if '?' in callback else '?'}{urlencode(added)}", encoded=True)


def _is_success(answer: HttpAnswer) -> bool:
    return 200 <= answer.status < 300
