"""Rendering of the console's pages: templates, static files, and the headers of every answer."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse, Response

from services.notify.console.sessions import FlashMessage, Operator
from shared.model.clock import from_ms, iso, span
from shared.model.events import PUBLIC_TYPES

_PACKAGE = __name__.rpartition(".")[0]
_MEDIA_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: browsers would then send forms with `Origin: null`.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Vary": "Accept, Cookie",
}
NAVIGATION = (
    ("overview", "/console", "Overview"),
    ("items", "/console/items", "Items"),
    ("subscriptions", "/console/subscriptions", "Subscriptions"),
    ("dead-letters", "/console/dead-letters", "Dead letters"),
)


@dataclass(frozen=True)
class View:
    """The content of a page: its template, its part of the console, its title and its values."""

    template: str
    part: str
    title: str
    values: Mapping[str, object] = field(default_factory=dict)


class ConsolePages:
    """Turns views into answers. All values are escaped: titles, answers and reasons come from outside."""

    def __init__(self, base_url: str) -> None:
        self._static = _static_files()
        self._environment = Environment(
            loader=PackageLoader(_PACKAGE, "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {"moment": moment, "since_1970": from_ms, "span": span, "number": number}
        self._environment.globals |= {
            "navigation": NAVIGATION,
            "site": base_url,
            "item_types": PUBLIC_TYPES,
            "static": {name: f"/console/static/{name}?v={file.etag}" for name, file in self._static.items()},
        }

    def page(
        self, view: View, operator: Operator, message: FlashMessage | None = None, *, status: int = 200
    ) -> Response:
        """Return the whole page."""
        values = {**_frame(view, operator), "message": message}
        return self._answer(f"{view.template}.html", values, status)

    def live(self, view: View, operator: Operator) -> str:
        """Return the part of the page that a live stream replaces."""
        return self._environment.get_template(f"{view.template}_live.html").render(_frame(view, operator))

    def sign_in(self, csrf: str, then: str, problem: str | None = None, *, status: int = 200) -> Response:
        """Return the form that asks for a key."""
        values = {"title": "Sign in", "csrf": csrf, "then": then, "problem": problem}
        return self._answer("sign_in.html", values, status)

    def problem(self, status: int, title: str, detail: str) -> Response:
        """Return a page that names the problem."""
        return self._answer("problem.html", {"title": title, "detail": detail, "status": status}, status)

    def static_file(self, name: str) -> Response | None:
        """Return a style sheet, script or picture. Its address changes with its content."""
        file = self._static.get(name)
        if file is None:
            return None
        kept = {"Cache-Control": "public, max-age=31536000, immutable", "ETag": f'"{file.etag}"'}
        return Response(file.content, headers=_HEADERS | kept, media_type=file.media_type)

    def _answer(self, template: str, values: Mapping[str, object], status: int) -> Response:
        return HTMLResponse(self._environment.get_template(template).render(values), status, headers=_HEADERS)


@dataclass(frozen=True)
class _StaticFile:
    content: bytes
    media_type: str
    etag: str


def _static_files() -> dict[str, _StaticFile]:
    found = {}
    for file in files(_PACKAGE).joinpath("static").iterdir():
        content = file.read_bytes()
        kind = file.name.rpartition(".")[2]
        found[file.name] = _StaticFile(content, _MEDIA_TYPES[kind], hashlib.sha256(content).hexdigest()[:16])
    return found


def _frame(view: View, operator: Operator) -> dict[str, object]:
    return {
        **view.values,
        "title": view.title,
        "part": view.part,
        "csrf": operator.csrf,
        "key_name": operator.key.name,
    }


def moment(when: datetime | str | None) -> Markup:
    """Return a moment in UTC to the second, with the exact moment for machines."""
    if when is None:
        return Markup("&mdash;")
    known = datetime.fromisoformat(when) if isinstance(when, str) else when
    exact = iso(known)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        exact, exact, known.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    )


def number(count: int) -> Markup:
    """Return a count with narrow no-break spaces between its thousands."""
    return escape(f"{count:,}".replace(",", "\u202f"))
