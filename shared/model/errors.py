"""
The one tree of errors: the caller is wrong, someone else is down, or we are wrong.

`shared.http.errors` turns them into answers, `streams` into acknowledge, retry or bury.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class FieldError:
    """One thing wrong with a request: where (a JSON Pointer, RFC 6901) and what."""

    pointer: str
    detail: str


class ClarionError(Exception):
    """Anything Clarion raises on purpose."""


class Refused(ClarionError):
    """The caller is wrong; nothing was written. `status` is the HTTP status that says so."""

    status = 400
    title = "Bad request"

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
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}
        self.members = members or {}


class Malformed(Refused):
    """The body is not JSON in UTF-8."""

    title = "Not JSON"


class Unauthorized(Refused):
    """There is no key, or none that we know."""

    status = 401
    title = "Unauthorized"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer"})


class Forbidden(Refused):
    """The key is known and does not open this."""

    status = 403
    title = "Forbidden"


class NotFound(Refused):
    """There is nothing under this name, or nothing that this key may see."""

    status = 404
    title = "Not found"


class Conflict(Refused):
    """What was asked for is taken by something else."""

    status = 409
    title = "Conflict"


class Expired(Refused):
    """What was asked for is no longer kept."""

    status = 410
    title = "Gone"


class PreconditionFailed(Refused):
    """The item is not at the revision that If-Match names."""

    status = 412
    title = "Precondition failed"


class TooLarge(Refused):
    """The body is over the limit."""

    status = 413
    title = "Content too large"


class UnsupportedMediaType(Refused):
    """The body is of a type that this address does not take."""

    status = 415
    title = "Unsupported media type"


class Invalid(Refused):
    """The body is JSON and breaks the rules; `errors` lists every field that does."""

    status = 422
    title = "Unprocessable content"


class TooManyRequests(Refused):
    """The key has used up its requests for now."""

    status = 429
    title = "Too many requests"


class Unavailable(ClarionError):
    """Someone else is down: the store, the disk, a peer. Trying again later is right."""


class StoreFull(Unavailable):
    """The store has no room left and refuses writes (maxmemory with noeviction)."""


class Broken(ClarionError):
    """We are wrong: a rule of ours did not hold."""


class UnusableSiteFile(ClarionError):
    """The site file cannot be used; the message names the key and what to do."""
