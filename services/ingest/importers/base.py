"""What importers find, and the defaults that they fill in."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_EXTERNAL_ID = re.compile(r"[A-Za-z0-9._~:@+-]{1,200}")


@dataclass(frozen=True)
class Defaults:
    """What an import says where its source does not."""

    source: str
    lang: str | None = None
    section: str | None = None
    sections: Mapping[str, str] = field(default_factory=dict)
    """A category or tag of the source to a section of the site."""

    def section_for(self, categories: list[str]) -> str | None:
        """Return the section of the first category that has one, else the default."""
        return next((self.sections[one] for one in categories if one in self.sections), self.section)


@dataclass(frozen=True)
class FoundItem:
    """An item as PUT takes it, identity included, and where it was found."""

    origin: str
    item: Mapping[str, object]


@dataclass(frozen=True)
class Unreadable:
    """Something that is no item, and why."""

    origin: str
    reason: str


@dataclass(frozen=True)
class Skipped:
    """Something that is not to be published, such as a draft."""

    origin: str
    reason: str


Found = FoundItem | Unreadable | Skipped


def found_item(origin: str, defaults: Defaults, identity: str, fields: Mapping[str, object]) -> FoundItem:
    """Return the item with the defaults filled in; fields that are None or empty are left out."""
    chosen = {name: value for name, value in fields.items() if value not in (None, "", [], {})}
    base: dict[str, object] = {"source": defaults.source, "external_id": external_id(identity)}
    if defaults.lang:
        base["lang"] = defaults.lang
    if defaults.section:
        base["section"] = defaults.section
    return FoundItem(origin, {**base, **chosen})


def external_id(identity: str) -> str:
    """Return the identity as an external id: as it is where it may be one, else a fingerprint of it."""
    identity = identity.strip()
    if _EXTERNAL_ID.fullmatch(identity):
        return identity
    return hashlib.sha256(identity.encode()).hexdigest()[:40]
