"""Encrypt secrets in the store with a key that is not in the store."""

import base64
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

from shared.model.errors import ClarionError

_NONCE_BYTES = 12


class MissingSecretsKey(ClarionError):
    """CLARION_SECRETS_KEY is not set: without it the secrets of subscriptions cannot be kept."""


class UnreadableSecret(ClarionError):
    """A secret in the store was sealed under another CLARION_SECRETS_KEY, or for another subscription."""


class SecretBox:
    """Seals a text for one owner: a secret that was sealed for one subscription opens for no other."""

    def __init__(self, secrets_key: SecretStr | None) -> None:
        if secrets_key is None or not secrets_key.get_secret_value():
            raise MissingSecretsKey(
                "set CLARION_SECRETS_KEY to a long random text, and keep it: it opens what it sealed"
            )
        key = HKDF(SHA256(), length=32, salt=None, info=b"clarion notify").derive(
            secrets_key.get_secret_value().encode()
        )
        self._cipher = AESGCM(key)

    def seal(self, text: str, owner: str) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, text.encode(), owner.encode())).decode()

    def open(self, sealed: str, owner: str) -> str:
        """Return the text. Raises UnreadableSecret."""
        raw = base64.b64decode(sealed)
        try:
            return self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], owner.encode()).decode()
        except InvalidTag as error:
            raise UnreadableSecret(
                f"the secret of {owner} does not open: is CLARION_SECRETS_KEY the old one?"
            ) from error
