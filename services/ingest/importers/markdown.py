"""A folder of Markdown files with front matter, YAML between `---` or TOML between `+++`."""

import tomllib
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

from services.ingest.importers import base
from services.ingest.importers.base import Defaults, Importer, RefusedEntry, SkippedEntry, SourceEntry
from shared.model.kinds.section_kinds import SECTION_KINDS

# What other tools call a field of ours.
_OTHER_NAMES = {"date": "published_at", "description": "summary", "author": "authors", "language": "lang"}
_FIELDS = frozenset(
    {
        *("lang", "section", "title", "summary", "published_at", "publish_at", "tags", "slug", "translation_set"),
        *("update_type", "change_note", "authors", "place", "images", "attachments"),
        *(kind.name for kind in SECTION_KINDS if kind.data),
    }
)


def read(folder: Path, defaults: Defaults) -> Iterator[SourceEntry]:
    """Yield the files of the folder and those below it, by name; the path is the identity."""
    for file in sorted(folder.rglob("*.md")):
        name = file.relative_to(folder).with_suffix("").as_posix()
        try:
            yield _file(file.read_text(encoding="utf-8"), name, defaults)
        except ValueError as error:
            yield RefusedEntry(f"{name}.md", " ".join(str(error).split()))


IMPORTER = Importer(
    name="markdown",
    help="a folder of Markdown files with front matter",
    read=read,
    reads_folders=True,
)


def _file(text: str, name: str, defaults: Defaults) -> SourceEntry:
    front, body = _front_and_body(text)
    front = {_OTHER_NAMES.get(key, key): value for key, value in front.items()}
    if front.get("draft"):
        return SkippedEntry(f"{name}.md", "is a draft")
    fields: dict[str, object] = {key: _plain(value) for key, value in front.items() if key in _FIELDS}
    for several in ("authors", "tags"):
        if isinstance(fields.get(several), str):
            fields[several] = [fields[several]]
    if isinstance(names := fields.get("tags"), list):
        fields["tags"] = base.tags([str(name) for name in names])
    if "title" not in fields:
        first, _, rest = body.lstrip().partition("\n")
        if first.startswith("# "):
            fields["title"], body = first.removeprefix("# ").strip(), rest
    identity = str(front.get("external_id") or front.get("id") or name.replace("/", ":"))
    return base.item_entry(
        f"{name}.md", defaults, identity, {**fields, "body": body.strip(), "body_format": "markdown"}
    )


def _front_and_body(text: str) -> tuple[Mapping[str, Any], str]:  # Any: whatever the front matter says
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    fence = text[:3]
    if fence not in ("---", "+++") or not text.startswith(f"{fence}\n"):
        return {}, text
    front, closing, body = text[4:].partition(f"\n{fence}\n")
    if not closing:
        raise ValueError(f"the front matter has no closing {fence}")
    fields = (tomllib.loads(front) if fence == "+++" else _yaml(front)) or {}
    if not isinstance(fields, dict):
        raise ValueError("the front matter holds no fields")  # noqa: TRY004 - the file's fault, like the others here
    return fields, body


def _yaml(text: str) -> Any:  # Any: see above
    import yaml  # type: ignore[import-untyped]  # noqa: PLC0415 - it has no types; other commands start faster

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _plain(value: object) -> object:
    """Return what JSON can say: YAML and TOML have moments of their own, and take a year in a title for a number."""
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, datetime):
        return base.moment(value.isoformat())
    if isinstance(value, date):
        return f"{value.isoformat()}T00:00:00+00:00"
    if isinstance(value, dict):
        return {key: one.isoformat() if isinstance(one, date) else one for key, one in value.items()}
    return value
