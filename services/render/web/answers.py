"""Pages that are rendered for each request: errors, withdrawn items, search results."""

from fastapi import Response

from services.render.output.volume import Output
from services.render.pages.edition import Edition
from services.render.web.includes import compose

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' https:; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
}


class SiteAnswers:
    """Makes responses that no file of the volume holds."""

    def __init__(self, output: Output, edition: Edition) -> None:
        self._output = output
        self._languages = edition.site.languages
        self._theme = edition.theme

    def html(self, status: int, page: bytes) -> Response:
        """Return the page with its fragments in place."""
        # An embargoed item may appear at the path at any moment, so no cache may keep the 404.
        headers = {**SECURITY_HEADERS, "Cache-Control": "no-store", "Content-Type": "text/html; charset=utf-8"}
        return Response(compose(self._output, page), status, headers=headers)

    def not_found(self, path: str) -> Response:
        """Return the 404 page, in the language of the path."""
        return self.html(404, self._theme.not_found_page(self.language_of(path)))

    def language_of(self, path: str) -> str:
        """Return the language that a path begins with, or the site's first."""
        first = path.lstrip("/").partition("/")[0]
        return first if first in self._languages else self._languages[0]
