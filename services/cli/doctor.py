"""The checks of `clarion doctor`: each says what it found and what to do about it."""

import fcntl
import os
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path
from shutil import disk_usage
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.cli.findings import Finding, Verdict, erasures, given_up, held, history
from services.ingest.publishing.durability import WeakStore, require_durable_store
from services.render.output.exchange import can_exchange
from shared.http.api_keys import KeyRing
from shared.http.concerns import DISK_NEARLY_FULL, concerns_of
from shared.http.store_numbers import StoreNumbers, StoreWatch
from shared.model.errors import UnusableSiteFile
from shared.model.site_file import load_site
from shared.runtime.settings import Settings
from shared.store import keys
from shared.store.redis_client import on_masters

_OLDEST_VERSION = (7, 0)
# Receivers of webhooks refuse a signature that is 5 minutes off. Every time service keeps clocks within 2 seconds.
_CLOCKS_APART_SECONDS = 2
_SHORTEST_KEY = 32
_PAGE_BYTES = 16_384
# Cloud providers hand credentials to every process of the machine that asks here.
_METADATA = IPv4Address("169.254.169.254")
_LOOPBACK = IPv4Address("127.0.0.1")


async def examine(settings: Settings, redis: Redis) -> list[Finding]:
    """Check everything and return the findings. A cause stands before its effects."""
    found = [*_address(settings), _site_file(settings), *_output(settings.output_dir), *_egress(settings)]
    try:
        numbers = await StoreWatch(redis).read()
    except (RedisError, OSError) as error:
        todo = "start it, or correct CLARION_REDIS_URL; without it nothing else can be looked at"
        return [*found, Finding("store", "trouble", f"does not answer: {error}", todo)]
    found += [_version(numbers), *_store_and_pipeline(numbers)]
    found += [
        await check(settings, redis)
        for check in (history, held, erasures, given_up, _durability, _clock, _shards, _admin_keys)
    ]
    return [*found, _replicas(settings, numbers), _secrets_key(settings)]


def _address(settings: Settings) -> Iterable[Finding]:
    parts = urlsplit(settings.base_url)
    is_local = parts.hostname in ("127.0.0.1", "::1", "localhost")
    if is_local:
        todo = "set CLARION_BASE_URL to the address that readers use; the whole site is rewritten for it"
        yield Finding("address", "warning", f"{settings.base_url} is readable on this machine only", todo)
    elif parts.scheme != "https":
        todo = "put something that ends TLS in front, and set CLARION_BASE_URL to https://…"
        yield Finding("address", "warning", f"{settings.base_url} is not encrypted", todo)
    else:
        yield Finding("address", "ok", settings.base_url)


def _site_file(settings: Settings) -> Finding:
    try:
        site = load_site(settings.site_file)
    except UnusableSiteFile as error:
        return Finding("site file", "trouble", str(error), "correct the file; services do not start with it")
    languages = ", ".join(site.languages)
    return Finding("site file", "ok", f"{settings.site_file}: {len(site.sections)} sections in {languages}")


def _output(folder: Path) -> Iterable[Finding]:
    if not folder.is_dir():
        yield Finding("output", "warning", f"{folder} is not there", "only render needs it: ask there")
        return
    usage = disk_usage(folder)
    free = usage.free / usage.total
    room = f"{usage.free / 2**30:.1f} GiB free ({free:.0%})"
    if DISK_NEARLY_FULL.is_found(free):
        yield Finding("disk", "trouble", room, DISK_NEARLY_FULL.todo)
    else:
        yield Finding("disk", "ok", room)
    if os.access(folder, os.W_OK):
        yield _locks(folder)
    else:
        yield Finding("output", "ok", f"{folder}, read-only here")


def _locks(folder: Path) -> Finding:
    """Take one lock twice. Replicas of render rely on flock, and some network file systems only pretend to have it."""
    try:
        with tempfile.NamedTemporaryFile(prefix=".doctor-", dir=folder) as first, Path(first.name).open() as second:
            first.write(bytes(_PAGE_BYTES))
            first.flush()
            os.fsync(first.fileno())
            fcntl.flock(first, fcntl.LOCK_EX)
            try:
                fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                how = "exchanges names" if can_exchange(folder) else "renames, which is slower than exchanging names"
                return Finding("output", "ok", f"{folder} takes files, keeps locks and {how}")
    except OSError as error:
        todo = "make room or mend the volume: until then pages wait, and render goes on by itself"
        return Finding("output", "trouble", f"{folder} takes no files: {error.strerror}", todo)
    todo = "use a file system with real locks (local disk, NFSv4, CephFS), or a single replica of render"
    return Finding("output", "trouble", f"{folder} gives one lock to two", todo)


def _egress(settings: Settings) -> Iterable[Finding]:
    allowed = ", ".join(map(str, settings.egress_allow))
    if not allowed:
        yield Finding("callbacks", "ok", "reach the public internet only")
    elif _may_reach(settings, _METADATA):
        todo = f"name smaller networks in CLARION_EGRESS_ALLOW: {_METADATA} hands out the credentials of cloud machines"
        yield Finding("callbacks", "trouble", f"may reach {allowed}", todo)
    elif _may_reach(settings, _LOOPBACK):
        todo = "take loopback out of CLARION_EGRESS_ALLOW, unless subscribers live on this machine"
        yield Finding("callbacks", "warning", f"may reach {allowed}", todo)
    else:
        yield Finding("callbacks", "ok", f"may also reach {allowed}")


def _may_reach(settings: Settings, address: IPv4Address) -> bool:
    return any(address in network for network in settings.egress_allow if network.version == address.version)


def _version(numbers: StoreNumbers) -> Finding:
    version = numbers.server.version
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST_VERSION:
        return Finding("store", "trouble", f"version {version}", "use Redis or Valkey 7.0 or later")
    return Finding("store", "ok", f"version {version}")


def _store_and_pipeline(numbers: StoreNumbers) -> Iterable[Finding]:
    server, queue = numbers.server, numbers.queue
    # The first concern of a subject is the worst one.
    found = {concern.subject: concern for concern in reversed(concerns_of(numbers))}

    def finding(subject: str, state: str) -> Finding:
        concern = found.get(subject)
        if concern is None:
            return Finding(subject, "ok", state)
        verdict: Verdict = "trouble" if concern.severity == "page" else "warning"
        return Finding(subject, verdict, concern.sentence(numbers), concern.todo)

    used = f"{server.memory_bytes / 2**20:.0f} MiB"
    if server.memory_limit_bytes:
        yield finding("memory", f"{used}, {server.memory_bytes / server.memory_limit_bytes:.0%} of the limit")
    else:
        todo = "set maxmemory below what the machine has: then a full store refuses items instead of being killed"
        yield Finding("memory", "warning", f"{used} of no limit", todo)
    yield finding("store's disk", f"{server.file_bytes / 2**20:.1f} MiB written")
    yield finding("layout", f"layout {numbers.layout}, the newest that this release knows")
    yield finding("backlog", f"{numbers.unshown.waiting} public items are not shown yet")
    yield finding("rendering", "every public item can be rendered")
    yield finding("edition", "no site file, theme or release was refused")
    waiting = {group.group: group.lag + group.pending for group in numbers.groups}
    for stream, service in (("items", "render"), ("pages", "notify")):
        if service in waiting:
            yield finding(service, f"{waiting[service]} entries of {stream} wait")
        else:
            yield Finding(service, "warning", f"has never read {stream}", f"start it: clarion serve {service}")
    yield finding("pages", "render can write them")
    yield finding("deliveries", f"{queue.waiting} wait")
    yield finding("endpoints", f"{queue.endpoints['active']} active")
    # A dead letter is kept for 30 days, whether somebody has looked at it or not: so it is a warning here.
    letters = numbers.dead_letters + queue.dead_letters
    todo = found["dead letters"].todo if letters else ""
    yield Finding("dead letters", "warning" if letters else "ok", str(letters), todo)


async def _durability(settings: Settings, redis: Redis) -> Finding:
    if settings.allow_weak_durability:
        todo = "take CLARION_ALLOW_WEAK_DURABILITY away, unless the store's provider promises durability otherwise"
        return Finding("durability", "warning", "not asked for", todo)
    try:
        await require_durable_store(redis, settings)
    except WeakStore as error:
        return Finding("durability", "trouble", str(error), "deploy/redis.conf shows what is needed")
    return Finding("durability", "ok", "every write is on disk before its answer; nothing is evicted")


async def _clock(_: Settings, redis: Redis) -> Finding:
    now = datetime.now(UTC).timestamp()
    times = await on_masters(redis, "TIME")
    apart = max(abs(int(seconds) + int(microseconds) / 1_000_000 - now) for seconds, microseconds in times)
    if apart > _CLOCKS_APART_SECONDS:
        todo = "run a time service (chrony) on both machines: embargoes go by the store's clock, signatures by this one"
        return Finding("clock", "trouble", f"{apart:.1f} s apart from the store's", todo)
    return Finding("clock", "ok", f"{apart * 1000:.0f} ms apart from the store's")


async def _shards(settings: Settings, redis: Redis) -> Finding:
    fixed = await redis.get(keys.SHARDS)
    if fixed is None:
        return Finding("delivery shards", "ok", f"{settings.shards}, from the first start of notify on")
    if int(fixed) != settings.shards:
        todo = f"set CLARION_SHARDS={int(fixed)}; the number was fixed at the first start"
        return Finding("delivery shards", "trouble", f"{int(fixed)} in the store, {settings.shards} asked for", todo)
    return Finding("delivery shards", "ok", str(settings.shards))


async def _admin_keys(settings: Settings, redis: Redis) -> Finding:
    known = await KeyRing(redis, settings).list()
    has_admin = any(key.is_admin for key in known)
    if settings.bootstrap_key is None and not has_admin:
        todo = "set CLARION_BOOTSTRAP_KEY (32 characters or more) and create keys with it"
        return Finding("keys", "trouble", "nobody can do anything: there is no admin key", todo)
    if settings.bootstrap_key is not None and has_admin:
        todo = "take CLARION_BOOTSTRAP_KEY away: an admin key of the store can be revoked, this one cannot"
        return Finding("keys", "warning", f"{len(known)} in the store, and the bootstrap key", todo)
    return Finding("keys", "ok", f"{len(known)} in the store" + (", and the bootstrap key" if not has_admin else ""))


def _replicas(settings: Settings, numbers: StoreNumbers) -> Finding:
    connected, wanted = numbers.server.replicas, settings.wait_replicas
    if connected < wanted:
        todo = "connect replicas to the store, or lower CLARION_WAIT_REPLICAS: until then every item is answered 503"
        return Finding("replicas", "trouble", f"{connected} connected, {wanted} waited for", todo)
    return Finding("replicas", "ok", f"{connected} connected, {wanted} waited for")


def _secrets_key(settings: Settings) -> Finding:
    key = settings.secrets_key.get_secret_value() if settings.secrets_key else ""
    if not key:
        return Finding("secrets key", "trouble", "not set", "set CLARION_SECRETS_KEY; notify does not start without it")
    if len(key) < _SHORTEST_KEY:
        todo = "new installations should take 32 characters or more; what is sealed opens with the old key only"
        return Finding("secrets key", "warning", f"{len(key)} characters", todo)
    return Finding("secrets key", "ok", "set")
