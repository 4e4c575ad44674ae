"""Who is at the console."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.clarion import Clarion
from tests.notify.console.operators import ConsoleOperator
from tests.waiting import PATIENCE_SECONDS


@pytest.fixture
async def visitor(clarion: Clarion) -> AsyncIterator[ConsoleOperator]:
    """Somebody who has not signed in."""
    address = clarion.settings.base_url
    async with httpx.AsyncClient(base_url=address, headers={"Origin": address}, timeout=PATIENCE_SECONDS) as http:
        yield ConsoleOperator(http)


@pytest.fixture
async def operator(visitor: ConsoleOperator) -> ConsoleOperator:
    """Somebody who has signed in with an admin key."""
    assert (await visitor.sign_in()).status_code == httpx.codes.SEE_OTHER
    return visitor
