"""Hold the outside standards against the example site: `make test-web`."""

import re
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import quote

from rich.console import Console

from tests.web.crawl import Found, crawl
from tests.web.running_site import example_site
from tests.web.standards import (
    Broken,
    axe,
    broken_links,
    feed_readers,
    feeds_of,
    lighthouse,
    nu_html_checker,
    pages_of,
    unlinked,
)

LANGUAGES = ("en", "ru", "ar")
NEVER_THERE = tuple(f"/{lang}/no/such/page/" for lang in LANGUAGES)
SEARCHES = tuple(
    f"/{lang}/search/{query}"
    for lang, word in {"en": "harbour", "ru": "порт", "ar": "الميناء"}.items()
    for query in ("", f"?q={quote(word)}", "?q=nothingiscalledthis")
)
SHOWN_FINDINGS = 40

console = Console(markup=False, highlight=False, soft_wrap=True)


def main() -> int:
    """Run every check over one running site, print a table and what was found; return 1 when anything was."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    missing = [name for name, there in {"chromium": chromium, "java": shutil.which("java")}.items() if not there]
    if missing or chromium is None:
        console.print(f"not installed: {', '.join(missing)}")
        return 1
    with example_site() as site:
        not_there = (*NEVER_THERE, *site.gone)
        found = crawl(site.client, (*not_there, *site.noticed, *SEARCHES))
        pages, feeds = pages_of(found), feeds_of(found)
        singled_out = ["/en/", _an_item(pages)]
        checks: list[tuple[str, Sequence[object], Callable[[], Iterable[Broken]]]] = [
            ("links", found, lambda: broken_links(found, not_there)),
            ("ways to items", site.published, lambda: unlinked(found, site.published)),
            ("feedparser", feeds, lambda: feed_readers(feeds)),
            ("Nu HTML checker", pages, lambda: nu_html_checker(pages)),
            ("axe-core, reflow", pages, lambda: axe(site.base, pages, chromium)),
            ("Lighthouse", singled_out, lambda: lighthouse(site.base, singled_out, chromium)),
        ]
        results = {name: _run(name, len(subjects), check) for name, subjects, check in checks}
    findings = [(name, broken) for name, result in results.items() for broken in result]
    for name, broken in findings[:SHOWN_FINDINGS]:
        console.print(f"{name}: {broken.where}: {broken.what}")
    return 1 if findings else 0


def _run(name: str, subjects: int, check: Callable[[], Iterable[Broken]]) -> list[Broken]:
    started = time.monotonic()
    broken = list(check())
    seconds = time.monotonic() - started
    console.print(f"{name:18} {subjects:5} checked {len(broken):5} found {seconds:7.1f} s")
    return broken


def _an_item(pages: Sequence[Found]) -> str:
    """Return the path of an article of the example that has a picture."""
    articles = (page for page in pages if re.fullmatch(r"/en/news/\d{4}/\d\d/[a-z][^/]+/", page.path))
    return next(article.path for article in articles if b"<figure>" in article.body)


if __name__ == "__main__":
    sys.exit(main())
