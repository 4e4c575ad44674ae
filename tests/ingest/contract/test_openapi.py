"""The descriptions: whole, of this very site, and true."""

from typing import Any

import pytest

from tests.factories import an_item
from tests.ingest_service import Ingest

Json = dict[str, Any]  # Any: OpenAPI's own shape


def references(node: object) -> set[str]:
    if isinstance(node, dict):
        own = {str(node["$ref"])} if "$ref" in node else set()
        return own.union(*map(references, node.values())) if node else own
    if isinstance(node, list):
        return set().union(*map(references, node)) if node else set()
    return set()


def found_at(document: Json, pointer: str) -> object:
    node: Any = document
    for part in pointer.removeprefix("#/").split("/"):
        node = node[part.replace("~1", "/").replace("~0", "~")]
    return node


@pytest.mark.parametrize("path", ["/openapi.json", "/v1/asyncapi.json", "/v1/schemas/item.json"])
async def test_every_reference_of_a_description_leads_somewhere(ingest: Ingest, path: str) -> None:
    document = await ingest.get(path)

    for reference in references(document):
        assert found_at(document, reference), reference


async def test_every_call_is_described_with_its_refusals(ingest: Ingest) -> None:
    document = await ingest.get("/openapi.json")

    calls = {
        f"{method} {path}": call for path, methods in document["paths"].items() for method, call in methods.items()
    }
    assert document["openapi"] == "3.1.0"
    assert {
        "put /v1/items/{source}/{external_id}",
        "get /v1/items/{source}/{external_id}",
        "delete /v1/items/{source}/{external_id}",
        "post /v1/items/{source}/{external_id}/preview",
        "get /v1/items/{source}/{external_id}/revisions",
        "get /v1/items/{source}/{external_id}/status",
        "post /v1/items",
        "get /v1/items",
        "post /v1/items/batch",
        "post /v1/items/validate",
    } <= set(calls)
    for name, call in calls.items():
        assert call["summary"], name
        if name.endswith(".json"):
            continue
        assert "503" in call["responses"], name
        assert ("security" in call) == ("401" in call["responses"]), name
        assert ("requestBody" in call) == (name.split()[0] in {"put", "post", "delete"}), name


async def test_the_examples_are_taken_in(ingest: Ingest) -> None:
    document = await ingest.get("/openapi.json")
    schemas = document["components"]["schemas"]

    (item,) = schemas["ItemBody"]["examples"]
    (identified,) = schemas["IdentifiedItemBody"]["examples"]
    put = await ingest.send("a", item)
    posted = await ingest.http.post("/v1/items", json={**identified, "translation_set": None})
    withdrawn = [await ingest.withdraw("a", **how) for how in schemas["WithdrawalBody"]["examples"]]

    assert (put.status_code, posted.status_code) == (201, 201)
    assert {response.status_code for response in withdrawn} == {200}


async def test_the_schema_of_an_item_knows_the_site(ingest: Ingest) -> None:
    schema = await ingest.get("/v1/schemas/item.json")

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["properties"]["lang"]["enum"] == ["en", "ru", "ar"]
    assert schema["properties"]["section"]["enum"] == ["news", "documents", "documents/orders"]
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == {"lang", "section", "title", "body"}
    assert set(an_item()) <= set(schema["properties"])


async def test_the_description_of_events_names_both_streams(ingest: Ingest) -> None:
    document = await ingest.get("/v1/asyncapi.json")

    assert document["asyncapi"] == "3.0.0"
    assert {document["channels"][name]["address"] for name in ("items", "pages")} == {"{site}:items", "{site}:pages"}
    sent = document["components"]["messages"]["ItemEvent"]["payload"]["properties"]
    await ingest.put("a", an_item())
    (event,) = await ingest.events()
    assert set(event) == set(sent) - {"left"}  # release 0.1 sent it
