"""What `clarion doctor` finds, and what it says to do."""

from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from services.cli.doctor import examine
from services.cli.findings import Finding
from services.dev.embedded_store import embedded_redis
from services.ingest.contract.item_body import ItemBody
from services.ingest.publishing.publisher import Publisher
from services.ingest.publishing.rules import Actor
from shared.http.api_keys import ApiKey, KeyRing
from shared.model.ids import ItemId
from shared.model.site_file import load_site
from shared.runtime.settings import Settings
from shared.store import keys
from shared.store.history import begin_next_epoch
from shared.store.item_store import ItemStore
from shared.store.item_writer import ItemWriter
from shared.store.redis_client import connect
from tests.factories import an_item, some_settings


async def test_a_sound_installation_has_no_trouble(redis: Redis, store_url: str, tmp_path: Path) -> None:
    settings = _settings(tmp_path, store_url)

    findings = await examine(settings, redis)

    assert [finding for finding in findings if finding.verdict == "trouble"] == []
    assert _of(findings, "address").verdict == "ok"
    assert _of(findings, "durability").verdict == "ok"
    assert "takes files, keeps locks and" in _of(findings, "output").found


async def test_what_is_well_needs_nothing_done_and_what_is_not_does(
    redis: Redis, store_url: str, tmp_path: Path
) -> None:
    findings = await examine(_settings(tmp_path, store_url, base_url="http://127.0.0.1:8000", shards=2), redis)

    assert {finding.verdict for finding in findings} >= {"ok", "warning"}
    assert [finding for finding in findings if bool(finding.todo) == (finding.verdict == "ok")] == []


async def test_a_render_that_can_write_no_files_is_named(redis: Redis, store_url: str, tmp_path: Path) -> None:
    await redis.set(keys.OUTPUT_TROUBLE, "the output volume takes no files: No space left on device")

    finding = _of(await examine(_settings(tmp_path, store_url), redis), "pages")

    assert finding.verdict == "trouble"
    assert "takes no files" in finding.found


async def test_another_history_of_the_store_is_named(redis: Redis, store_url: str, tmp_path: Path) -> None:
    calm = _of(await examine(_settings(tmp_path, store_url), redis), "history")
    await begin_next_epoch(redis, "older")

    finding = _of(await examine(_settings(tmp_path, store_url), redis), "history")

    assert (calm.verdict, calm.found) == ("ok", "epoch 0")
    assert finding.verdict == "warning"
    assert finding.found.startswith("epoch 1 since ")


async def test_items_that_are_held_are_named(redis: Redis, store_url: str, tmp_path: Path) -> None:
    settings = _settings(tmp_path, store_url)
    site, store = load_site(settings.site_file), ItemStore(redis)
    publisher = Publisher(store, ItemWriter(redis), site, settings.base_url)
    body = ItemBody.model_validate(an_item(publish_at="2999-01-01T00:00:00Z"))
    receipt = await publisher.publish("press", "a", body, Actor("test", "t"))
    item = await store.get(ItemId(receipt.id))
    assert item is not None
    await store.hold(item)

    finding = _of(await examine(settings, redis), "held items")

    assert finding.verdict == "warning"
    assert "press/a (en, news)" in finding.found


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"base_url": "http://news.example"}, ("address", "warning", "TLS"), id="no encryption"),
        pytest.param({"base_url": "http://127.0.0.1"}, ("address", "warning", "CLARION_BASE_URL"), id="one machine's"),
        pytest.param({"site_file": "/none.toml"}, ("site file", "trouble", "correct"), id="no site file"),
        pytest.param({"output_dir": "/none"}, ("output", "warning", "render"), id="no output"),
        pytest.param({"egress_allow": "169.254.0.0/16"}, ("callbacks", "trouble", "credentials"), id="cloud metadata"),
        pytest.param({"egress_allow": "127.0.0.0/8"}, ("callbacks", "warning", "loopback"), id="loopback"),
        pytest.param({"allow_weak_durability": True}, ("durability", "warning", "WEAK"), id="durability not asked for"),
        pytest.param({"wait_replicas": 1}, ("replicas", "trouble", "503"), id="replicas that are not there"),
        pytest.param({"secrets_key": None}, ("secrets key", "trouble", "CLARION_SECRETS_KEY"), id="no secrets key"),
        pytest.param({"secrets_key": "short"}, ("secrets key", "warning", "32"), id="a short secrets key"),
        pytest.param({"bootstrap_key": None}, ("keys", "trouble", "CLARION_BOOTSTRAP_KEY"), id="nobody has a key"),
    ],
)
async def test_a_setting_that_cannot_be_right_is_found(
    redis: Redis,
    store_url: str,
    tmp_path: Path,
    changes: dict[str, Any],  # Any: the settings' own types
    expected: tuple[str, str, str],
) -> None:
    what, verdict, todo = expected

    findings = await examine(_settings(tmp_path, store_url, **changes), redis)

    assert _of(findings, what).verdict == verdict
    assert todo in _of(findings, what).todo


async def test_a_store_that_does_not_answer_ends_the_examination(tmp_path: Path) -> None:
    away = connect("redis://127.0.0.1:1/0")

    findings = await examine(_settings(tmp_path, "redis://127.0.0.1:1/0"), away)

    await away.aclose()
    assert (findings[-1].what, findings[-1].verdict) == ("store", "trouble")
    assert "CLARION_REDIS_URL" in findings[-1].todo


async def test_a_store_that_may_lose_or_evict_is_found(tmp_path: Path) -> None:
    with embedded_redis(tmp_path / "store") as server:
        redis = connect(server.url)
        await redis.config_set("appendfsync", "everysec")

        findings = await examine(_settings(tmp_path, server.url), redis)

        await redis.aclose()
    assert _of(findings, "durability").verdict == "trouble"
    assert "appendfsync is everysec, must be always" in _of(findings, "durability").found


async def test_a_nearly_full_store_is_found(tmp_path: Path) -> None:
    with embedded_redis(tmp_path / "store") as server:
        redis = connect(server.url)
        used = int((await redis.info("memory"))["used_memory"])
        await redis.config_set("maxmemory", used + used // 20)

        findings = await examine(_settings(tmp_path, server.url), redis)

        await redis.aclose()
    assert (_of(findings, "memory").verdict, "CLARION_STORE_MEMORY" in _of(findings, "memory").todo) == (
        "trouble",
        True,
    )


async def test_another_number_of_shards_than_the_first_start_fixed_is_found(
    redis: Redis, store_url: str, tmp_path: Path
) -> None:
    await redis.set(keys.SHARDS, 4)

    findings = await examine(_settings(tmp_path, store_url, shards=8), redis)

    assert _of(findings, "delivery shards").verdict == "trouble"
    assert "CLARION_SHARDS=4" in _of(findings, "delivery shards").todo


async def test_a_consumer_that_is_late_is_found(redis: Redis, store_url: str, tmp_path: Path) -> None:
    seconds, _ = await redis.time()
    await redis.xgroup_create(keys.ITEMS_STREAM, "render", id="0", mkstream=True)
    await redis.xadd(keys.ITEMS_STREAM, {"told": "long ago"}, id=f"{(int(seconds) - 600) * 1000}-0")

    findings = await examine(_settings(tmp_path, store_url), redis)

    assert (_of(findings, "render").verdict, _of(findings, "notify").verdict) == ("trouble", "warning")


async def test_dead_letters_are_told_of(redis: Redis, store_url: str, tmp_path: Path) -> None:
    await redis.xadd(keys.DEAD_LETTERS, {"reason": "tried"})

    findings = await examine(_settings(tmp_path, store_url), redis)

    assert (_of(findings, "dead letters").verdict, _of(findings, "dead letters").found) == ("warning", "1")


async def test_the_bootstrap_key_is_to_go_once_another_admin_is_there(
    redis: Redis, store_url: str, tmp_path: Path
) -> None:
    settings = _settings(tmp_path, store_url)
    await KeyRing(redis, settings).create(ApiKey(name="operator", scopes=frozenset({"admin"})))

    findings = await examine(settings, redis)

    assert (_of(findings, "keys").verdict, "take CLARION_BOOTSTRAP_KEY away" in _of(findings, "keys").todo) == (
        "warning",
        True,
    )


def _settings(folder: Path, redis_url: str, **changes: Any) -> Settings:  # Any: the settings' own types
    (folder / "output").mkdir(exist_ok=True)
    return some_settings(folder, redis_url, **{"base_url": "https://news.example", "egress_allow": "", **changes})


def _of(findings: list[Finding], what: str) -> Finding:
    return next(finding for finding in findings if finding.what == what)
