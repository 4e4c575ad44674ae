"""A kind of section is one module: the kind below is known nowhere else, and works from site file to page."""

import json
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Annotated

import pytest
from lxml import html
from pydantic import BaseModel, Field
from redis.asyncio import Redis

from services.ingest.publishing.withdrawal import withdrawn_content
from shared.model.ids import item_id
from shared.model.kinds.kind import Node, SectionKind, StructuredDataSource
from shared.model.kinds.section_kinds import SECTION_KINDS
from shared.runtime.settings import Settings
from tests.factories import an_item
from tests.ingest_service import Ingest, running_ingest
from tests.render.newsroom import Press, a_press
from tests.render.presentation_samples import found, text_of


class _Tender(BaseModel):
    reference: Annotated[str, Field(max_length=20)] | None = None
    closes_on: date | None = None


def _structured_data(source: StructuredDataSource) -> Node:
    tender = _Tender.model_validate(source.revision.data_of("tender") or {})
    return {"@type": "Demand", "name": source.title, "sku": tender.reference}


TENDER = SectionKind(
    "tender",
    _structured_data,
    data=_Tender,
    labels={"reference": "Reference", "closes_on": "Closes on"},
    css_class="tender",
)

KINDS = (*SECTION_KINDS, TENDER)
ITEM = an_item(section="tenders", tender={"reference": "T <7>", "closes_on": "2026-07-01"})


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings of a site that has a section of the kind."""
    with settings.site_file.open("a", encoding="utf-8") as file:
        file.write('\n[[sections]]\npath = "tenders"\nkind = "tender"\n')
        file.write('name = { en = "Tenders", ru = "Закупки", ar = "مناقصات" }\n')
    return settings


@pytest.fixture
async def ingest(settings: Settings, redis: Redis) -> AsyncIterator[Ingest]:
    async with running_ingest(settings, redis, KINDS) as running:
        yield running


@pytest.fixture
async def press(settings: Settings, redis: Redis) -> Press:
    return await a_press(redis, settings, kinds=KINDS)


async def test_the_page_shows_the_facts_and_the_structured_data_of_the_kind(ingest: Ingest, press: Press) -> None:
    receipt = await ingest.put("t7", ITEM)
    await press.render()

    tree = html.document_fromstring(press.text(ingest.path(receipt)))
    (data,) = found(tree, "//script[@type = 'application/ld+json']/text()")
    assert text_of(found(tree, "//article[@class = 'item tender']//dl")[0]) == "Reference T <7> Closes on 1 July 2026"
    node = json.loads(data)["@graph"][0]
    assert (node["@type"], node["name"], node["sku"]) == ("Demand", "The harbour opens", "T <7>")


async def test_incremental_equals_full(ingest: Ingest, press: Press, tmp_path: Path) -> None:
    await press.rendering.rebuild.run()
    await ingest.put("t7", ITEM)
    await press.render()

    assert not await press.differences(tmp_path / "rebuilt")


async def test_what_was_sent_is_answered_and_sent_back_it_changes_nothing(ingest: Ingest) -> None:
    await ingest.put("t7", ITEM)

    item = (await ingest.get("/v1/items/press/t7"))["item"]
    again = await ingest.put("t7", item)

    assert item["tender"] == ITEM["tender"]
    assert not again["changed"]


async def test_another_value_is_another_revision(ingest: Ingest) -> None:
    first = await ingest.put("t7", ITEM)

    second = await ingest.put("t7", {**ITEM, "tender": {"reference": "T <8>"}})

    assert (first["revision"], second["revision"]) == (1, 2)


async def test_what_breaks_the_kind_s_rules_is_refused_with_all_of_it(ingest: Ingest) -> None:
    tender = {"reference": "two\nlines", "closes_on": "soon", "extra": 1}

    answer = await ingest.send("t7", an_item(section="tenders", title=..., tender=tender))

    pointers = [error["pointer"] for error in answer.json()["errors"]]
    assert pointers == ["/title", "/tender/reference", "/tender/closes_on", "/tender/extra"]


async def test_the_schema_of_an_item_describes_the_kind_s_data(ingest: Ingest) -> None:
    schema = await ingest.get("/v1/schemas/item.json")

    assert set(schema["$defs"]["TenderBody"]["properties"]) == {"reference", "closes_on"}
    assert set(schema["$defs"]["DocumentBody"]["properties"]) == {"number", "signed_on", "signed_by"}


async def test_an_erasure_leaves_nothing_of_the_kind_s_data(ingest: Ingest) -> None:
    await ingest.put("t7", ITEM)
    revision = withdrawn_content(await ingest.store.find(item_id("press", "t7")), erased=True)

    assert revision is not None
    assert revision.data_of("tender") is None
