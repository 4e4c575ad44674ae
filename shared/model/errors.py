"""
One tree of errors: the caller is wrong (Refused), someone else is down (Unavailable), or we are wrong (Broken).

`shared.http.errors` turns them into answers; `shared.store.streams` retries the entry or buries it.
"""

from dataclasses import dataclass
from http import HTTPStatus


@dataclass(frozen=True)
class FieldError:
    """One thing wrong with a request: where (a JSON Pointer, RFC 6901) and what."""

    pointer: str
    detail: str


class ClarionError(Exception):
    """The base of all errors that Clarion raises."""


class Refused(ClarionError):
    """The caller is wrong, and nothing was written. The phrase of the HTTP status is the title, unless one is given."""

    status = 400
    title = ""

    def __init__(
        self,
        detail: str,
        *,
        errors: tuple[FieldError, ...] = (),
        headers: dict[str, str] | None = None,
        members: dict[str, str] | None = None,
    ) -> None:
        """`members` stand in the problem beside the standard ones (RFC 9457, section 3.2)."""
        super().__init__(detail)
        self.title = self.title or HTTPStatus(self.status).phrase.capitalize()
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}
        self.members = members or {}


class Malformed(Refused):
    """The body is not JSON in UTF-8."""

    title = "Not JSON"


class Unauthorized(Refused):
    """The key is missing or unknown."""

    status = 401

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer"})


class Forbidden(Refused):
    """The key is known, and lacks the right."""

    status = 403


class NotFound(Refused):
    """There is nothing of this name, or the key may not see it."""

    status = 404


# A batch of render takes less than a second, and an erasure waits for one.
_ERASED_WITHIN_SECONDS = 2


class Conflict(Refused):
    """Something else has taken the name, path or place."""

    status = 409


class BeingErased(Conflict):
    """The item is being erased; what is sent now would be lost with it."""

    title = "Being erased"

    def __init__(self, detail: str) -> None:
        members = {"type": "urn:clarion:problem:being-erased"}
        super().__init__(detail, headers={"Retry-After": str(_ERASED_WITHIN_SECONDS)}, members=members)


class Expired(Refused):
    """It was here, and is no longer kept."""

    status = 410


class PreconditionFailed(Refused):
    """The item is at another revision than If-Match names."""

    status = 412


class TooLarge(Refused):
    """The body is over the limit."""

    status = 413
    title = "Content too large"


class UnsupportedMediaType(Refused):
    """This address does not take bodies of this type."""

    status = 415


class Invalid(Refused):
    """The body is JSON and breaks the rules; `errors` lists every wrong field."""

    status = 422
    title = "Unprocessable content"


class TooManyRequests(Refused):
    """The key has used up its requests for now."""

    status = 429


class Unavailable(ClarionError):
    """Someone else is down: the store, the disk, a peer. Try again later."""


class StoreFull(Unavailable):
    """The store has no room left and refuses writes (maxmemory with noeviction)."""


class EditionSuperseded(Unavailable):
    """Another edition of the site is current: whoever renders with this one writes nothing any more."""


class EditionBroken(Unavailable):
    """The current edition cannot render what it could when it was tried: no item is at fault."""


class EditionRefused(ClarionError):
    """An edition of the site did not pass its trial, and there is none to go on with; the message says where."""


class Broken(ClarionError):
    """We are wrong: one of our own rules does not hold."""


class UnusableSiteFile(ClarionError):
    """The site file cannot be used; the message names the key and what to do."""
