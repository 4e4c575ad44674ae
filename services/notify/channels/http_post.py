"""POST to an endpoint once, and decide what its answer means."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from importlib.metadata import version

from yarl import URL

from services.notify.model.delivery import LONGEST_RETRY_AFTER, GiveUp, Outcome, Success, TryAgain
from shared.egress.http_connection import HttpAnswer, NoAnswer

USER_AGENT = f"Clarion/{version('clarion')}"
_ANSWER_KEPT_BYTES = 4096

Post = Callable[[URL, Mapping[str, str], bytes], Awaitable[HttpAnswer]]
SendResult = tuple[Outcome, str]
"""The outcome of one send, and the beginning of the answer if the send failed."""


async def post_once(post: Post, url: URL, headers: Mapping[str, str], body: bytes) -> SendResult:
    """Send one request and return what came of it; an endpoint that fails is a value, not an exception."""
    try:
        answer = await post(url, headers, body)
    except NoAnswer as error:
        return TryAgain(error.reason, error.detail), ""
    retry_after = answer.headers.get("retry-after")
    outcome = outcome_of(answer.status, parse_retry_after(retry_after, datetime.now(UTC)) if retry_after else None)
    if isinstance(outcome, Success):
        return outcome, ""
    return outcome, answer.body[:_ANSWER_KEPT_BYTES].decode("utf-8", "replace")


def outcome_of(status: int, retry_after: timedelta | None = None) -> Outcome:
    """
    Return what an answer with this status means.

    Only 2xx is success: a redirect is not followed, so it is a failure. 410 means never again.
    """
    if 200 <= status < 300:
        return Success(status)
    if status == HTTPStatus.GONE:
        return GiveUp("status", "the endpoint answered 410: it is gone", status, disables=True)
    return TryAgain("status", f"the endpoint answered {status}", status, retry_after)


def parse_retry_after(value: str | None, now: datetime) -> timedelta | None:
    """Return the wait that a Retry-After header asks for, in seconds or as a date; None for any other text."""
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        # More digits than a day needs would overflow a timedelta.
        return min(timedelta(seconds=int(value[:9])), LONGEST_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(moment - now, timedelta(0))
