"""Preview links: a signed token with which anybody may see one revision of one item until it expires."""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime

from pydantic import SecretStr

from shared.model.clock import from_ms, to_ms
from shared.model.ids import ItemId

PREVIEW_PATH = "/preview/"
# Keeps these signatures apart from other uses of CLARION_SECRETS_KEY.
_PURPOSE = b"clarion preview v1"


@dataclass(frozen=True)
class Preview:
    """The revision that a link shows."""

    item_id: ItemId
    revision: int
    expires_at: datetime


def preview_path(preview: Preview, secrets_key: SecretStr) -> str:
    """Return the path of a link that shows the preview."""
    payload = f"{preview.item_id}.{preview.revision}.{to_ms(preview.expires_at)}"
    return f"{PREVIEW_PATH}{payload}.{_signature(payload, secrets_key)}"


def read_preview(token: str, secrets_key: SecretStr, now: datetime) -> Preview | None:
    """Return the preview of a token, the last segment of its path; None for a forged or expired token."""
    payload, _, signature = token.rpartition(".")
    if not hmac.compare_digest(_signature(payload, secrets_key).encode(), signature.encode()):
        return None
    item_id, revision, expires_ms = payload.split(".")
    preview = Preview(ItemId(item_id), int(revision), from_ms(int(expires_ms)))
    return preview if now < preview.expires_at else None


def _signature(payload: str, secrets_key: SecretStr) -> str:
    key = hmac.digest(secrets_key.get_secret_value().encode(), _PURPOSE, hashlib.sha256)
    return base64.urlsafe_b64encode(hmac.digest(key, payload.encode(), hashlib.sha256)).rstrip(b"=").decode()
