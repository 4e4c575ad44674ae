"""A replica of render: works with the current edition of the site, and changes to another one while it runs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import structlog
from fastapi import FastAPI
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.types import Receive, Scope, Send

from services.render.editions.current import Editions, TriedEdition
from services.render.output.sync import SyncMark
from services.render.output.volume import Output
from services.render.pages.edition import Edition
from services.render.pipeline.vetoed import SecondTry
from services.render.rebuild.on_demand import RebuildOnDemand
from services.render.web.answers import SiteAnswers
from services.render.web.previews import previews_router
from services.render.wiring import Rendering, assemble
from shared.http import errors
from shared.model.errors import EditionBroken, EditionSuperseded, Unavailable
from shared.runtime.background import background, end_process_if_failed, repeated, set_within
from shared.runtime.settings import Settings
from shared.store import keys
from shared.store.item_store import ItemStore
from shared.store.replication import Replication
from shared.store.streams import Entry, Handle, StreamConsumer

log = structlog.get_logger()

_LOOK_EVERY_SECONDS = 1
_LOOK_AT_HISTORY_SECONDS = 5
_TRY_AGAIN_SECONDS = 5


class Replica:
    """
    Takes events while it has the current edition.

    It looks every second which edition is current. In the moments between, the volume refuses it the pages (see
    `EditionGuard`); the batch in hand is then tried again with the new edition.
    """

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self._redis = redis
        self._settings = settings
        self._output = Output(settings.output_dir)
        self._editions = Editions(redis, self._output, settings)
        self._rendering: Rendering | None = None
        # One for all editions: a batch that waits for it goes on whichever edition finds the volume whole.
        self._sync_mark = SyncMark(redis, self._output, self._check, self._rewrite)
        self._routes = FastAPI(openapi_url=None)
        self._stream: StreamConsumer | None = None
        self._stopping = asyncio.Event()
        self._has_begun = asyncio.Event()

    async def site(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a reader's request with the routes of the edition (ASGI)."""
        await self._routes(scope, receive, send)

    @property
    def is_well(self) -> bool:
        """Whether the replica takes events, or was left without an edition by a newer release and serves pages only."""
        return self._stream is None or self._stream.healthy

    @property
    def trouble(self) -> str:
        """Why the replica shows nothing new: it has never had an edition, or the volume takes no files; else empty."""
        if self._rendering is None:
            # Not the reason itself: it names files, and whoever asks /readyz may read it.
            return "no edition of the site can be used: clarion doctor says why"
        return self._rendering.volume_trouble.reason if self._stream is not None else ""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work while the block runs; leaving it waits for the batch in hand, up to the grace."""
        first = await self._first_edition()
        work = asyncio.create_task(self._work(first))
        work.add_done_callback(lambda _: self._has_begun.set())
        await self._has_begun.wait()
        try:
            if work.done():
                await work  # it could not begin, and raises why
            work.add_done_callback(end_process_if_failed)
            yield
        finally:
            self._stopping.set()
            await work
            await self._editions.leave()

    async def _first_edition(self) -> TriedEdition | None:
        try:
            return await self._editions.current()
        except OSError as error:  # the volume's, which is waited for
            log.warning("edition.unknown", reason=repr(error))
            return None

    async def _work(self, current: TriedEdition | None) -> None:
        while not self._stopping.is_set():
            if current is None:
                self._has_begun.set()
                current = await self._other_than(None)
                continue
            async with contextlib.AsyncExitStack() as consuming:
                while current is not None and (rendering := await self._take_up(current)) is not None:
                    if self._stream is None:
                        self._stream = self._new_stream()
                        await consuming.enter_async_context(self._stream.running())
                    async with self._at_work(current.edition, rendering):
                        self._has_begun.set()
                        current = await self._other_than(current)
            self._stream = None

    async def _other_than(self, known: TriedEdition | None) -> TriedEdition | None:
        """Return the current edition once it is another one, or when the replica stops."""
        while not self._stopping.is_set():
            await set_within(self._stopping, _LOOK_EVERY_SECONDS)
            try:
                current = await self._editions.current()
            except (RedisError, OSError) as error:
                log.warning("edition.unknown", reason=repr(error))
                continue
            if current is not known:
                return current
        return known

    async def _take_up(self, current: TriedEdition) -> Rendering | None:
        """Render with the edition from now on, once store and volume are of one history; None where it stops before."""
        rendering = assemble(
            self._redis,
            current.edition,
            self._output,
            trial=current.trial,
            purge_urls=self._settings.purge_urls,
            receipts_kept=self._settings.log_retention,
        )
        while not self._stopping.is_set():
            try:
                await rendering.history.settle()
            except (Unavailable, RedisError, OSError) as error:
                log.warning("history.unread", reason=repr(error))
                self._has_begun.set()
                await set_within(self._stopping, _LOOK_EVERY_SECONDS)
            else:
                self._rendering = rendering
                self._routes = self._routes_of(current, rendering)
                return rendering
        return None

    @contextlib.asynccontextmanager
    async def _at_work(self, edition: Edition, rendering: Rendering) -> AsyncIterator[None]:
        second_try = SecondTry(self._redis, edition.record.number)

        async def whole() -> None:
            await rendering.rebuild.run_if_needed()
            await second_try.run()

        async with background(
            _while_current(lambda: self._sync_mark.run(whole)),
            _while_current(lambda: RebuildOnDemand(self._redis, rendering.rebuild, self._output).run()),
            repeated(rendering.history.look, _LOOK_AT_HISTORY_SECONDS, "history.unread"),
            _while_current(rendering.ticker.run),
            rendering.rebuild.sweep_unfinished(),
        ):
            yield

    def _routes_of(self, current: TriedEdition, rendering: Rendering) -> FastAPI:
        app = FastAPI(title="Clarion site", openapi_url=None)
        errors.install(app)
        answers = SiteAnswers(self._output, current.edition)
        previews = previews_router(ItemStore(self._redis), current.edition, answers, self._settings.secrets_key)
        for router in (previews, *rendering.routes):
            app.include_router(router)
        return app

    def _new_stream(self) -> StreamConsumer:
        settings = self._settings
        return StreamConsumer(
            settings.redis_url,
            keys.ITEMS_STREAM,
            keys.RENDER_GROUP,
            shown_once_replicated(
                self._sync_mark.guarding(self._on_item_events), Replication(self._redis, settings.wait_replicas)
            ),
            self._bury,
            claim_after=settings.claim_after,
        )

    async def _on_item_events(self, entries: Sequence[Entry]) -> None:
        await self._taken_up.handle(entries)

    async def _bury(self, entry: Entry, reason: str) -> None:
        await self._taken_up.consumer.bury(entry, reason)

    async def _check(self, entries: Sequence[Entry]) -> None:
        await self._taken_up.consumer.check(entries)

    async def _rewrite(self, paths: Sequence[str]) -> None:
        await self._taken_up.rebuild.rewrite(paths)

    @property
    def _taken_up(self) -> Rendering:
        if self._rendering is None:
            raise EditionSuperseded("this replica has no edition to render with")
        return self._rendering


async def _while_current(work: Callable[[], Awaitable[None]]) -> None:
    """Do the work of an edition, and end it where another edition has become current."""
    while True:
        try:
            return await work()
        except EditionSuperseded:
            return None
        except EditionBroken as error:
            log.error("edition.broken", reason=str(error))  # noqa: TRY400 - it was logged with its trace where it was met
        await asyncio.sleep(_TRY_AGAIN_SECONDS)


def shown_once_replicated(handle: Handle, replication: Replication) -> Handle:
    """Return `handle` behind a wait for the replicas: a failover must not take back what readers have seen."""

    async def handle_replicated(entries: Sequence[Entry]) -> None:
        await replication.confirm()
        await handle(entries)

    return handle_replicated
