"""Things that tests need, with everything that does not matter already filled in."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.runtime.settings import Settings

ADMIN_KEY = "test-admin-key-0123456789-0123456789"
SECRETS_KEY = "test-secrets-key-0123456789-0123456789"

SITE_TOML = """
title = { en = "Office of the Harbour", ru = "Портовая служба", ar = "مكتب الميناء" }
timezone = "Asia/Baku"
languages = ["en", "ru", "ar"]

[[sections]]
path = "news"
kind = "article"
name = { en = "News", ru = "Новости", ar = "الأخبار" }

[[sections]]
path = "documents"
kind = "document"
latest = true
name = { en = "Documents", ru = "Документы", ar = "الوثائق" }

[[sections]]
path = "documents/orders"
kind = "document"
name = { en = "Orders", ru = "Распоряжения", ar = "الأوامر" }
"""


def a_site_file(folder: Path) -> Path:
    """Write a site file into the folder and return its path."""
    file = folder / "site.toml"
    file.write_text(SITE_TOML, encoding="utf-8")
    return file


def some_settings(folder: Path, redis_url: str, **changes: Any) -> Settings:  # Any: the settings' own types
    """Return settings for a test that owns the folder."""
    chosen = {
        "redis_url": redis_url,
        "site_file": a_site_file(folder),
        "output_dir": folder / "output",
        "base_url": "http://127.0.0.1:8000",
        "bootstrap_key": ADMIN_KEY,
        "secrets_key": SECRETS_KEY,
        "egress_allow": "127.0.0.0/8",
        **changes,
    }
    return Settings(**chosen)


def an_item(**changes: object) -> dict[str, object]:
    """Return an item as an upstream system sends it to PUT."""
    item: dict[str, object] = {
        "lang": "en",
        "section": "news",
        "title": "The harbour opens",
        "body": "The harbour opens on Monday.\n\nEverybody is invited.",
        "published_at": "2026-05-22T14:47:00+04:00",
    }
    return {name: value for name, value in {**item, **changes}.items() if value is not ...}


def as_json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
