"""What bringing pages up to date did to the volume."""

from dataclasses import dataclass, field

from shared.metrics import pages_total


@dataclass
class Written:
    """The files that were looked at."""

    there: set[str] = field(default_factory=set)
    """The paths of those that pages have."""
    changed: set[str] = field(default_factory=set)
    """The paths of those that are new, different or gone."""

    def put(self, path: str, *, is_changed: bool) -> None:
        """Note a file that a page has."""
        pages_total.labels("written" if is_changed else "unchanged").inc()
        self.there.add(path)
        if is_changed:
            self.changed.add(path)

    def remove(self, path: str, *, was_there: bool) -> None:
        """Note a file that no page has."""
        self.there.discard(path)
        if was_there:
            pages_total.labels("removed").inc()
            self.changed.add(path)
