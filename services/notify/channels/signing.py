"""Sign webhooks (Standard Webhooks): `v1` (HMAC-SHA256) and `v1a` (ed25519), with several secrets at a time."""

import base64
import binascii
import hmac
import secrets
from collections.abc import Sequence
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SYMMETRIC_PREFIX = "whsec_"
ASYMMETRIC_PREFIX = "whsk_"
MIN_SECRET_BYTES = 24
MAX_SECRET_BYTES = 64
_SEED_BYTES = 32


class SigningKey(Protocol):
    """A secret that is ready to sign."""

    def sign(self, content: bytes) -> str:
        """Return one signature, with its scheme before it."""


class _SymmetricKey:
    def __init__(self, key: bytes) -> None:
        self._key = key

    def sign(self, content: bytes) -> str:
        return "v1," + base64.b64encode(hmac.digest(self._key, content, "sha256")).decode()


class _AsymmetricKey:
    def __init__(self, key: bytes) -> None:
        # The key is the seed and, after it, the public key, which is computed from the seed.
        self._key = Ed25519PrivateKey.from_private_bytes(key[:_SEED_BYTES])

    def sign(self, content: bytes) -> str:
        return "v1a," + base64.b64encode(self._key.sign(content)).decode()


def new_secret() -> str:
    """Return a fresh symmetric secret."""
    return SYMMETRIC_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def signing_key(secret: str) -> SigningKey:
    """Return the key that `secret` spells. Raises ValueError, whose message says what is wrong with it."""
    if secret.startswith(SYMMETRIC_PREFIX):
        key = _decoded(secret.removeprefix(SYMMETRIC_PREFIX))
        if not MIN_SECRET_BYTES <= len(key) <= MAX_SECRET_BYTES:
            raise ValueError(f"a whsec_ secret has {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes, this has {len(key)}")
        return _SymmetricKey(key)
    if secret.startswith(ASYMMETRIC_PREFIX):
        key = _decoded(secret.removeprefix(ASYMMETRIC_PREFIX))
        if len(key) != 2 * _SEED_BYTES:
            raise ValueError(f"a whsk_ secret has {2 * _SEED_BYTES} bytes, this has {len(key)}")
        return _AsymmetricKey(key)
    raise ValueError("a secret begins with whsec_ or whsk_")


def signature_header(keys: Sequence[SigningKey], webhook_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of `webhook-signature`: one signature for each key, separated by spaces."""
    content = f"{webhook_id}.{timestamp}.".encode() + body
    return " ".join(key.sign(content) for key in keys)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError("what follows the prefix of a secret is base64") from error
