"""Items of release 0.1 keep their hash: fields that were added later wake nobody."""

import pytest

from services.ingest.contract.item_body import ItemBody, body_for
from shared.model.clock import from_ms
from shared.model.ids import item_id
from shared.model.items import Revision
from shared.model.kinds.section_kinds import SECTION_KINDS
from tests.kept_store import SENT_ITEMS, kept_hashes


@pytest.mark.parametrize("name", [name for name, sent in SENT_ITEMS.items() if "published_at" in sent])
def test_an_item_has_the_hash_that_release_0_1_gave_it(name: str) -> None:
    body = body_for(ItemBody, SECTION_KINDS).model_validate(SENT_ITEMS[name])

    content = body.model_dump(exclude={"source", "external_id"})
    revision = Revision(**content, kind_data=body.kind_data, number=1, accepted_at=from_ms(0))

    assert revision.content_sha256 == kept_hashes()[item_id("press", name)]
