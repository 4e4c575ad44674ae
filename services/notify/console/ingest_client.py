"""The console's client of ingest: over HTTP, with the operator's own key, because a service imports no other."""

from urllib.parse import quote

import httpx
import structlog

from services.notify.console.sessions import Operator
from shared.model.errors import Refused, Unavailable

log = structlog.get_logger()

_PATIENCE_SECONDS = 10


class IngestRefused(Refused):
    """Ingest refused a request of the console, with this reason."""

    status = 409
    title = "Refused by ingest"


class IngestClient:
    """The part of ingest's API that the console uses."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def withdraw(self, operator: Operator, *, source: str, external_id: str, withdrawal: dict[str, str]) -> None:
        """Withdraw the item. Raises IngestRefused, or Unavailable when ingest does not answer."""
        path = f"/v1/items/{quote(source, safe='')}/{quote(external_id, safe='')}"
        headers = {"Authorization": f"Bearer {operator.secret}"}
        try:
            answer = await self._http.request("DELETE", path, json=withdrawal, headers=headers)
        except httpx.HTTPError as error:
            log.warning("console.ingest_unreachable", reason=repr(error))
            raise Unavailable(
                "ingest does not answer: is it running, and is CLARION_INGEST_URL its address?"
            ) from error
        if answer.is_error:
            raise IngestRefused(_reason(answer))


def open_ingest(url: str) -> httpx.AsyncClient:
    """Return a client for ingest at this address. Close it with `aclose`."""
    return httpx.AsyncClient(base_url=url, timeout=_PATIENCE_SECONDS, follow_redirects=False, trust_env=False)


def _reason(answer: httpx.Response) -> str:
    """Return the detail of the problem, with the wrong fields."""
    try:
        problem = answer.json()
        fields = [f"{error['pointer']}: {error['detail']}" for error in problem.get("errors", ())]
        return "; ".join([str(problem.get("detail") or problem["title"]), *fields])
    except (ValueError, KeyError, TypeError):
        return f"ingest answered {answer.status_code}"
