"""Descriptions for machines: the JSON Schema of an item, and the AsyncAPI document of the events."""

from fastapi import APIRouter

from services.ingest.contract.asyncapi import asyncapi
from services.ingest.contract.openapi import item_schema
from shared.model.site_file import Site


def schemas_router(site: Site, base_url: str) -> APIRouter:
    """Return `/v1/schemas/item.json` and `/v1/asyncapi.json`, for this very site."""
    router = APIRouter(prefix="/v1", tags=["descriptions"])
    item = {"$id": f"{base_url}/v1/schemas/item.json", **item_schema(site)}
    events = asyncapi(base_url)

    @router.get("/schemas/item.json", summary="The JSON Schema of an item as PUT takes it")
    async def item_json() -> dict[str, object]:
        return item

    @router.get("/asyncapi.json", summary="The AsyncAPI document of the events")
    async def asyncapi_json() -> dict[str, object]:
        return events

    return router
