"""What tests do with the command line: run a command, and listen as `clarion listen` does."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator

from typer import Typer
from typer.testing import CliRunner, Result

from services.cli.app import app
from services.cli.listen import Behaviour, ReceivedRequest, receiver
from shared.runtime.settings import Settings
from tests.factories import ADMIN_KEY


async def run(settings: Settings | None, *arguments: str, commands: Typer = app) -> Result:
    """Run a command in a thread, as the services run in this one; the environment is that of their machine."""
    environment = {}
    if settings is not None:
        environment = {
            "CLARION_BASE_URL": settings.base_url,
            "CLARION_KEY": ADMIN_KEY,
            "CLARION_REDIS_URL": settings.redis_url,
        }
    return await asyncio.to_thread(CliRunner().invoke, commands, list(arguments), env=environment)


def answered(result: Result) -> dict[str, object]:
    # The service's log lines may stand before it: it runs in this very process.
    answer: dict[str, object] = json.loads(result.stdout.splitlines()[-1])
    return answer


@contextlib.contextmanager
def listening(secrets: list[str], behaviour: Behaviour) -> Iterator[tuple[str, list[ReceivedRequest]]]:
    arrived: list[ReceivedRequest] = []
    with receiver("127.0.0.1", 0, secrets, behaviour, arrived.append) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", arrived
        server.shutdown()
        thread.join()
