"""The OpenAPI 3.1 document of the HTTP interface, with examples, and the JSON Schema of an item."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from services.ingest.contract.item_body import IdentifiedItemBody, ItemBody, PreviewBody, WithdrawalBody, body_for
from shared.model.site_file import Site

# Any, everywhere below: OpenAPI's own shape.
Json = dict[str, Any]

_REF = "#/components/schemas/{model}"
_RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "string"}}}
_TITLES = {
    400: "The body is not JSON in UTF-8",
    401: "No key, or none that is known",
    403: "The key does not open this",
    404: "There is no such item",
    409: "What was asked for is taken by another item",
    412: "The item is not at the revision that If-Match names",
    413: "Over 1 MiB",
    415: "Not the media type that this address takes",
    422: "The request breaks rules; `errors` lists every one",
    429: "The key has used up its requests for now",
    503: "The store is away: not known to be written, repeat the same request",
    507: "The store is full",
}
_HEADERS = {
    "If-Match": "The revision that you saw: the item must still be at it.",
    "Idempotency-Key": "A name for this request: sent again within 24 hours, it is answered again and not done again.",
}
_PROBLEM: Json = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457: what was wrong.",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "A JSON Pointer (RFC 6901) into the body."},
                    "detail": {"type": "string"},
                },
            },
        },
    },
    "examples": [
        {
            "type": "about:blank",
            "title": "Unprocessable content",
            "status": 422,
            "detail": "the body breaks the rules listed in errors",
            "errors": [{"pointer": "/images/0/alt", "detail": "Field required"}],
        }
    ],
}


def problems(*statuses: int) -> dict[int | str, Json]:
    """Return the description of these refusals."""
    content = {"application/problem+json": {"schema": {"$ref": _REF.format(model="Problem")}}}
    return {
        status: {
            "description": _TITLES[status],
            "content": content,
            **({"headers": _RETRY_AFTER} if status in (429, 503) else {}),
        }
        for status in statuses
    }


def documented_body(model: type[BaseModel], *headers: str, required: bool = True) -> Json:
    """Describe a body that is read raw: FastAPI's own reading costs a quarter of the throughput."""
    schema = {"$ref": _REF.format(model=model.__name__)}
    parameters = [
        {"name": name, "in": "header", "required": False, "description": _HEADERS[name], "schema": {"type": "string"}}
        for name in headers
    ]
    return {
        "requestBody": {"required": required, "content": {"application/json": {"schema": schema}}},
        "parameters": parameters,
    }


def item_schema(site: Site) -> Json:
    """Return the JSON Schema of an item as PUT takes it, for this site's languages and sections."""
    schema = body_for(ItemBody, site.kinds).model_json_schema(ref_template="#/$defs/{model}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_for_site(schema, site),
        "examples": [_example(site)],
    }


def describe(app: FastAPI, site: Site, base_url: str) -> None:
    """Make `app` describe itself as a whole: bodies that are read raw, and an item of this very site."""

    def openapi() -> Json:
        if app.openapi_schema is None:
            app.openapi_schema = _description(app, site, base_url)
        return app.openapi_schema

    # FastAPI's documented way to change its description is to replace the method.
    app.openapi = openapi  # type: ignore[method-assign]


def _description(app: FastAPI, site: Site, base_url: str) -> Json:
    description = get_openapi(
        title=app.title, version=app.version, openapi_version="3.1.0", description=app.description, routes=app.routes
    )
    components = description.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    bodies = (body_for(ItemBody, site.kinds), body_for(IdentifiedItemBody, site.kinds), WithdrawalBody, PreviewBody)
    _, sent = models_json_schema([(model, "validation") for model in bodies], ref_template=_REF)
    schemas.update(sent["$defs"])
    schemas["Problem"] = _PROBLEM
    for model in ("ItemBody", "IdentifiedItemBody"):
        schemas[model] = _for_site(schemas[model], site)
    schemas["ItemBody"]["examples"] = [_example(site)]
    schemas["IdentifiedItemBody"]["examples"] = [{"source": "press", "external_id": "2026-114", **_example(site)}]
    schemas["WithdrawalBody"]["examples"] = [
        {"mode": "gone"},
        {"mode": "redirect", "to": f"/{site.languages[0]}/{site.sections[0].path}/"},
        {"mode": "notice", "notice": "This statement was replaced on 23 May."},
    ]
    for path in description["paths"].values():
        for call in path.values():
            # FastAPI's own form of a refused query is never sent: ours is a problem.
            unprocessable = call["responses"].get("422", {}).get("content", {})
            unprocessable.pop("application/json", None)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    description["servers"] = [{"url": base_url}]
    return description


def _for_site(schema: Json, site: Site) -> Json:
    properties = schema["properties"]
    known = {"lang": list(site.languages), "section": list(site.section_at)}
    return {
        **schema,
        "properties": {
            **properties,
            **{name: {**properties[name], "enum": values} for name, values in known.items()},
        },
    }


def _example(site: Site) -> Json:
    return {
        "lang": site.languages[0],
        "section": site.sections[0].path,
        "title": "The harbour opens on Monday",
        "summary": "After two years of work, ships may enter again.",
        "body": "The harbour opens on **Monday** at nine.\n\nEverybody is invited.",
        "body_format": "markdown",
        "tags": ["harbour"],
        "translation_set": "harbour-opening",
        "authors": ["Press Service"],
        "images": [{"url": "https://www.example.org/harbour.jpg", "alt": "The new quay", "width": 1600, "height": 900}],
    }
