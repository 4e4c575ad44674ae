"""Webhooks: one signed POST for each delivery, as Standard Webhooks asks."""

import json
import re
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Annotated

from pydantic import Field, field_validator
from yarl import URL

from services.notify.channels.base import Channel, Message, Recipient, Target
from services.notify.channels.http_post import USER_AGENT, Post, SendResult, post_once
from services.notify.channels.signing import signature_header
from services.notify.model.delivery import Delivery
from services.notify.model.subscription import DEFAULT_KIND, Subscription
from shared.egress.address_guard import AddressGuard, url_problem

_MAX_HEADERS = 20
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]{0,1000}")
# What the request or the connection is made of, what Standard Webhooks says, and what would pass for someone else.
_OUR_HEADERS = frozenset(
    {
        *("host", "connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "expect", "date", "via"),
        *("user-agent", "traceparent", "tracestate", "cookie", "forwarded", "accept-encoding"),
    }
)
_OUR_HEADER_PREFIXES = ("webhook-", "content-", "proxy-", "x-forwarded-", "sec-")


class WebhookTarget(Target):
    """An endpoint, and the headers that it wants in every request: a header is where endpoints expect passwords."""

    headers: Annotated[Mapping[str, str], Field(max_length=_MAX_HEADERS)] = Field(default_factory=dict)

    @field_validator("headers")
    @classmethod
    def _not_ours(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        problems = [problem for name, text in value.items() if (problem := _header_problem(name, text))]
        if problems:
            raise ValueError("; ".join(problems))
        return value

    @cached_property
    def request_url(self) -> URL:
        return URL(self.url)

    @cached_property
    def request_headers(self) -> Mapping[str, str]:
        """The headers that are the same in every request to the endpoint."""
        return {**self.headers, "User-Agent": USER_AGENT, "Content-Type": "application/json"}


class WebhookChannel(Channel[WebhookTarget]):
    """POSTs the event's body to the endpoint. The record keeps the headers' names open and their values sealed."""

    kind = DEFAULT_KIND
    target = WebhookTarget

    async def send(
        self, recipient: Recipient[WebhookTarget], delivery: Delivery, message: Message, traceparent: str, post: Post
    ) -> SendResult:
        """Sign and POST."""
        now = time.time()
        timestamp = int(now)
        target = recipient.target
        headers = {
            **target.request_headers,
            "webhook-id": delivery.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature_header(recipient.signing(now), delivery.id, timestamp, message.body),
            "traceparent": traceparent,
        }
        return await post_once(post, target.request_url, headers, message.body)

    def url_problem(self, url: str, guard: AddressGuard) -> str | None:
        """Return what makes a URL unfit for a webhook, or None."""
        return url_problem(url, guard)

    def record_of(self, target: WebhookTarget, seal: Callable[[str], str]) -> dict[str, object]:
        """Return the fields of the record that keep the endpoint and its headers."""
        sealed = seal(json.dumps(dict(target.headers))) if target.headers else None
        return {"url": target.url, "sealed_headers": sealed, "header_names": tuple(target.headers)}

    def target_of(self, subscription: Subscription, unseal: Callable[[str], str]) -> WebhookTarget:
        """Return the endpoint and its headers."""
        sealed = subscription.sealed_headers
        # Not validated again: what an earlier release accepted is sent to.
        return WebhookTarget.model_construct(url=subscription.url, headers=json.loads(unseal(sealed)) if sealed else {})

    def shown(self, subscription: Subscription) -> dict[str, object]:
        """Return the names of the headers."""
        return {"headers": dict.fromkeys(subscription.header_names, "…")}


def _header_problem(name: str, value: str) -> str | None:
    lowered = name.lower()
    if not _HEADER_NAME.fullmatch(name):
        return f'"{name[:100]}" is not a header name'
    if not _HEADER_VALUE.fullmatch(value):
        return f'the value of "{name}" is not printable ASCII of at most 1,000 characters'
    if lowered in _OUR_HEADERS or lowered.startswith(_OUR_HEADER_PREFIXES):
        return f'"{name}" is set by the sender'
    return None


CHANNEL = WebhookChannel()
