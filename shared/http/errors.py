"""The one place where exceptions become HTTP answers: problem details (RFC 9457)."""

from collections.abc import Mapping
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from redis.exceptions import OutOfMemoryError, RedisError
from starlette.exceptions import HTTPException

from shared.model.errors import FieldError, Invalid, Refused, StoreFull, Unavailable

log = structlog.get_logger()

_MEDIA_TYPE = "application/problem+json"
_RETRY_AFTER_SECONDS = 1


def _problem(
    status: int, title: str, detail: str | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    return JSONResponse(problem_content(status, title, detail), status, headers=headers, media_type=_MEDIA_TYPE)


def problem_content(
    status: int, title: str, detail: str | None = None, errors: tuple[FieldError, ...] = ()
) -> dict[str, object]:
    """Return the members of a problem in the form of RFC 9457, with every wrong field in `errors`."""
    content: dict[str, object] = {"type": "about:blank", "title": title, "status": status}
    if detail:
        content["detail"] = detail
    if errors:
        content["errors"] = [{"pointer": error.pointer, "detail": error.detail} for error in errors]
    return content


def field_errors(error: ValidationError | RequestValidationError) -> tuple[FieldError, ...]:
    """Return the errors that pydantic found, with JSON Pointers (RFC 6901) into the body."""
    # FastAPI puts "body", "query" or "path" in front of the location; pydantic by itself does not.
    start = 1 if isinstance(error, RequestValidationError) else 0
    return tuple(
        FieldError(_pointer(found["loc"][start:]), _in_words(found["type"], found["msg"])) for found in error.errors()
    )


def _pointer(location: tuple[int | str, ...]) -> str:
    parts = [str(part).replace("~", "~0").replace("/", "~1") for part in location]
    return "".join(f"/{part}" for part in parts)


def _in_words(kind: str, message: str) -> str:
    return "unknown field" if kind == "extra_forbidden" else message.removeprefix("Value error, ")


def _refusal(error: Refused) -> JSONResponse:
    content = problem_content(error.status, error.title, error.detail, error.errors) | error.members
    return JSONResponse(content, error.status, headers=error.headers, media_type=_MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Make `app` answer every exception as a problem."""

    @app.exception_handler(Refused)
    async def _refused(_: Request, error: Refused) -> Response:
        return _refusal(error)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> Response:
        return _refusal(Invalid("the request breaks the rules", errors=field_errors(error)))

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> Response:
        return _problem(error.status_code, HTTPStatus(error.status_code).phrase, error.detail, error.headers)

    @app.exception_handler(StoreFull)
    @app.exception_handler(OutOfMemoryError)
    async def _full(_: Request, __: Exception) -> Response:
        return _problem(507, "Insufficient storage", "the store is full and takes no writes")

    @app.exception_handler(Unavailable)
    @app.exception_handler(RedisError)
    @app.exception_handler(OSError)
    async def _away(request: Request, error: Exception) -> Response:
        log.warning("request.unavailable", path=request.url.path, reason=repr(error))
        detail = "the store is away; whether this was written is not known: repeat the same request"
        return _problem(503, "Service unavailable", detail, {"Retry-After": str(_RETRY_AFTER_SECONDS)})

    @app.exception_handler(Exception)
    async def _broken(request: Request, error: Exception) -> Response:
        log.error("request.broken", path=request.url.path, exc_info=error)
        return _problem(500, "Internal server error", "this is our mistake; the logs have the reason")
