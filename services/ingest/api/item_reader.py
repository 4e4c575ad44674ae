"""Bytes into an item body, checked against the site and the store's clock."""

from typing import TypeVar

from pydantic import ValidationError

from services.ingest.api.request_body import refusal_of
from services.ingest.contract.item_body import ItemBody
from shared.model.site_file import Site
from shared.store.item_store import ItemStore

Body = TypeVar("Body", bound=ItemBody)


class ItemReader:
    """Reads items as upstream systems send them."""

    def __init__(self, store: ItemStore, site: Site) -> None:
        self._store = store
        self._site = site

    async def read(self, model: type[Body], raw: bytes) -> Body:
        """Return the item. Raises Malformed, or Invalid with everything that is wrong with it."""
        context = {"site": self._site, "now": await self._store.now()}
        try:
            return model.model_validate_json(raw, context=context)
        except ValidationError as error:
            raise refusal_of(error) from error
