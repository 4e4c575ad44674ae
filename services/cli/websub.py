"""A WebSub subscriber to try with: finds a feed's hub, sends it a request, and checks its signatures (W3C WebSub)."""

import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import httpx

from shared.model.errors import ClarionError

_METHODS = ("sha1", "sha256", "sha384", "sha512")
_TIMEOUT_SECONDS = 30


class HubRefusal(ClarionError):
    """The feed names no hub, or its hub refused the request; the message has the reason."""


@dataclass(frozen=True)
class HubRequest:
    """A request that a hub took."""

    hub: str
    topic: str
    callback: str
    mode: Literal["subscribe", "unsubscribe"]
    secret: str | None


def ask_hub(
    topic: str,
    callback: str,
    mode: Literal["subscribe", "unsubscribe"] = "subscribe",
    secret: str | None = None,
    lease_seconds: int | None = None,
) -> HubRequest:
    """
    Ask the feed's hub; without a secret one is made. Raises HubRefusal.

    The hub then asks the callback to confirm, which has to listen by now.
    """
    secret = None if mode == "unsubscribe" else secret or secrets.token_urlsafe(24)
    form = {"hub.mode": mode, "hub.topic": topic, "hub.callback": callback}
    form |= {"hub.secret": secret} if secret else {}
    form |= {"hub.lease_seconds": str(lease_seconds)} if lease_seconds else {}
    try:
        with httpx.Client(timeout=_TIMEOUT_SECONDS, follow_redirects=True) as client:
            links = client.get(topic).raise_for_status().links
            if "hub" not in links or "self" not in links:
                raise HubRefusal(f"{topic} names no hub in its Link header")
            # The feed's own name for itself is the topic, whatever led to it (section 4).
            form["hub.topic"] = links["self"]["url"]
            answer = client.post(links["hub"]["url"], data=form)
    except httpx.HTTPError as error:
        raise HubRefusal(f"{topic} cannot be read, or its hub not asked: {error}") from error
    if answer.status_code != httpx.codes.ACCEPTED:
        raise HubRefusal(f"the hub answered {answer.status_code}: {answer.text.strip()[:500]}")
    return HubRequest(links["hub"]["url"], links["self"]["url"], callback, mode, secret)


def is_signed(secrets_known: Sequence[str], headers: Mapping[str, str], body: bytes) -> bool:
    """Whether one of the secrets made X-Hub-Signature, by the method that it states (section 7.1.2)."""
    method, _, given = headers.get("x-hub-signature", "").partition("=")
    if method not in _METHODS:
        return False
    expected = [hmac.new(secret.encode(), body, method).hexdigest() for secret in secrets_known]
    return any(hmac.compare_digest(one, given) for one in expected)
