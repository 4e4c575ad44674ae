"""Every address of a site that a reader or a machine can come to by its links, sitemaps and feeds."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urldefrag, urljoin, urlsplit

import httpx
from lxml import etree, html

# The example has some 300 addresses: so many more mean links that never end.
MAX_ADDRESSES = 3_000
# Where machines begin, and what only a typing reader comes to.
ENTRANCES = ("/", "/robots.txt", "/sitemap.xml", "/news-sitemap.xml")
# Services beside the site, with pages of their own.
_NOT_THE_SITE = ("/v1/", "/hub", "/docs", "/console", "/openapi.json")


@dataclass(frozen=True)
class Found:
    """An address, what it answered, and where it was linked from."""

    path: str
    linked_from: str
    status: int
    media_type: str
    body: bytes


def crawl(client: httpx.Client, entrances: tuple[str, ...]) -> list[Found]:
    """Return every address of the site, each once; redirects lead on and are not in it."""
    waiting = dict.fromkeys((*ENTRANCES, *entrances), "entrance")
    seen = set(waiting)
    found = []
    while waiting:
        path, linked_from = waiting.popitem()
        response = client.get(path)
        if response.is_redirect:
            links = [response.headers["location"]]
        else:
            media_type = response.headers.get("content-type", "").partition(";")[0]
            found.append(Found(path, linked_from, response.status_code, media_type, response.content))
            links = list(links_of(found[-1]))
        for link in links:
            there = _path_on_site(client, path, link)
            if there is not None and there not in seen:
                seen.add(there)
                waiting[there] = path
        if len(seen) > MAX_ADDRESSES:
            raise RuntimeError(f"more than {MAX_ADDRESSES} addresses, the last {path} linked from {linked_from}")
    return sorted(found, key=lambda one: one.path)


def links_of(found: Found) -> Iterator[str]:
    """Yield every address that a page, sitemap, feed or robots.txt names."""
    if found.media_type == "text/html":
        for element in html.document_fromstring(found.body).iter():
            yield from (link for attribute in ("href", "src") if (link := element.get(attribute)))
    elif found.media_type.endswith("xml") and found.media_type != "image/svg+xml":
        tree = etree.fromstring(found.body)
        yield from (str(text) for text in tree.itertext("{*}loc"))
        yield from (str(link.get("href")) for link in tree.iter("{http://www.w3.org/2005/Atom}link"))
    elif found.path == "/robots.txt":
        yield from (line.partition(":")[2].strip() for line in found.body.decode().splitlines() if "itemap:" in line)


def _path_on_site(client: httpx.Client, path: str, link: str) -> str | None:
    url = urlsplit(urldefrag(urljoin(str(client.base_url.join(path)), link)).url)
    if (url.scheme, url.netloc) != (client.base_url.scheme, client.base_url.netloc.decode()):
        return None
    there = url.path + (f"?{url.query}" if url.query else "")
    return None if there.startswith(_NOT_THE_SITE) else there
