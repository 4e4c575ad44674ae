"""JSON-LD: what a page says to machines that read pages rather than feeds (schema.org)."""

import json
from collections.abc import Sequence
from urllib.parse import urljoin

from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from services.render.theme.view_models import ItemPage, PageLink, Translation, in_language, section_name
from shared.model.items import PublicItem
from shared.model.kinds.kind import Node, StructuredDataSource
from shared.model.site_file import Site


def item_json_ld(item: PublicItem, page: ItemPage, site: Site, base_url: str) -> Markup:
    """Return the item as its section's kind describes it, and the way to it through the sections."""
    publisher = _publisher(site, page.card.lang, base_url)
    section = section_name(site, item.revision.section, item.revision.lang)
    source = StructuredDataSource(item.revision, page.card.title, section, publisher)
    url = base_url + item.path
    node: Node = {
        **page.card.section_kind.structured_data(source),
        "@id": url,
        "url": url,
        "mainEntityOfPage": url,
        "inLanguage": page.card.lang,
        "description": " ".join(page.card.excerpt.split()),
        "datePublished": page.card.moment,
        "dateModified": page.modified if item.revision.number > 1 else page.card.moment,
        "publisher": publisher,
        "image": [urljoin(url, image.url) for image in page.images],
        "workTranslation": [_translation(one, base_url) for one in page.translations],
        "encoding": [
            {"@type": "MediaObject", "contentUrl": urljoin(url, one.url), "encodingFormat": one.media_type}
            for one in page.downloads
        ],
    }
    return _script([_without_empty(node), _breadcrumbs(page.crumbs, page.card.title, base_url)])


def _publisher(site: Site, lang: str, base_url: str) -> Node:
    organisation = site.organisation
    if organisation is None:
        return {"@type": "Organization", "name": in_language(site.title, lang, site), "url": f"{base_url}/"}
    logo = urljoin(f"{base_url}/", organisation.logo) if organisation.logo else None
    name = in_language(organisation.name, lang, site)
    return _without_empty(
        {"@type": "Organization", "name": name, "url": organisation.url or f"{base_url}/", "logo": logo}
    )


def _translation(translation: Translation, base_url: str) -> Node:
    return {
        "@type": "CreativeWork",
        "@id": base_url + translation.path,
        "name": translation.title,
        "inLanguage": translation.lang,
    }


def _breadcrumbs(places: Sequence[PageLink], title: str, base_url: str) -> Node:
    steps: list[Node] = [
        {"@type": "ListItem", "position": position, "name": place.name, "item": base_url + place.path}
        for position, place in enumerate(places, start=1)
    ]
    last = {"@type": "ListItem", "position": len(steps) + 1, "name": title}
    return {"@type": "BreadcrumbList", "itemListElement": [*steps, last]}


def _without_empty(node: Node) -> Node:
    return {name: value for name, value in node.items() if value is not None and value not in ([], "")}


def _script(graph: Sequence[Node]) -> Markup:
    """Return JSON in which no `<`, `>` or `&` is left to end the script element with, or to be read by an include."""
    document = {"@context": "https://schema.org", "@graph": list(graph)}
    return htmlsafe_json_dumps(document, dumps=_dumps)


def _dumps(document: object, **_: object) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
