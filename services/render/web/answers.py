"""Pages that are made when they are asked for: errors, what was withdrawn, search results."""

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
    """Answers that no file holds."""

    def __init__(self, output: Output, edition: Edition) -> None:
        self._output = output
        self._languages = edition.site.languages
        self._theme = edition.theme

    def html(self, status: int, page: bytes) -> Response:
        """Return the page, its fragments in place."""
        # A path may be waiting for its moment: the answer that nothing is there must not outlive that.
        headers = {**SECURITY_HEADERS, "Cache-Control": "no-store", "Content-Type": "text/html; charset=utf-8"}
        return Response(compose(self._output, page), status, headers=headers)

    def not_found(self, path: str) -> Response:
        """Return the answer that there is nothing at a path."""
        return self.html(404, self._theme.not_found_page(self.language_of(path)))

    def language_of(self, path: str) -> str:
        """Return the language that a path begins with, or the site's first."""
        first = path.lstrip("/").partition("/")[0]
        return first if first in self._languages else self._languages[0]
