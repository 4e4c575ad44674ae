"""What bringing pages up to date did to the volume."""

import hashlib
from dataclasses import dataclass, field

from shared.runtime.metrics import pages_total


@dataclass
class Written:
    """The files that were looked at."""

    sha256: dict[str, str] = field(default_factory=dict)
    """Of those that pages have: what each one's bytes hash to, by its path."""
    changed: set[str] = field(default_factory=set)
    """The paths of those that are new, different or gone."""

    @property
    def there(self) -> set[str]:
        """The paths of those that pages have."""
        return set(self.sha256)

    def put(self, path: str, content: bytes, *, is_changed: bool) -> None:
        """Note a file that a page has."""
        pages_total.labels("written" if is_changed else "unchanged").inc()
        self.sha256[path] = hashlib.sha256(content).hexdigest()
        if is_changed:
            self.changed.add(path)

    def remove(self, path: str, *, was_there: bool) -> None:
        """Note a file that no page has."""
        self.sha256.pop(path, None)
        if was_there:
            pages_total.labels("removed").inc()
            self.changed.add(path)
