"""Match events with subscriptions: the facts of an event, and filters that are compiled for speed."""

from dataclasses import dataclass

from pydantic_core import from_json

from services.notify.model.subscription import Filter, Subscription
from shared.model.events import FEEDS_CHANGED, AnnouncedEvent, LoggedEvent
from shared.model.ids import LogId, SubscriptionId
from shared.model.stream_id import StreamId


@dataclass(frozen=True)
class Facts:
    """The facts of an event that filters compare."""

    type: str
    lang: str
    section: str
    source: str
    tags: frozenset[str]


@dataclass(frozen=True)
class Candidate:
    """An entry of the log with its facts; an entry without facts matches no subscription."""

    log_id: LogId
    position: StreamId
    event: AnnouncedEvent | None = None
    facts: Facts | None = None


class CompiledFilter:
    """A filter in a form that compares quickly."""

    def __init__(self, wanted: Filter) -> None:
        self._types = frozenset(wanted.types)
        self._langs = frozenset(wanted.langs)
        self._sources = frozenset(wanted.sources)
        self._tags = frozenset(wanted.tags)
        self._sections = wanted.sections
        self._below = tuple(f"{section}/" for section in wanted.sections)

    def matches(self, facts: Facts) -> bool:
        return (
            (not self._types or facts.type in self._types)
            and (not self._langs or facts.lang in self._langs)
            and (not self._sources or facts.source in self._sources)
            and (not self._tags or not self._tags.isdisjoint(facts.tags))
            and (not self._sections or facts.section in self._sections or facts.section.startswith(self._below))
        )


def candidate(logged: LoggedEvent) -> Candidate:
    """Return the entry with its facts. Raises ValueError or KeyError for a body that render did not write."""
    event = logged.event
    if event.type == FEEDS_CHANGED:
        return Candidate(logged.log_id, StreamId.parse(logged.log_id), event)
    item = from_json(event.body)["data"]["item"]
    facts = Facts(event.type, item["lang"], item["section"], item["source"], frozenset(item.get("tags") or ()))
    return Candidate(logged.log_id, StreamId.parse(logged.log_id), event, facts)


@dataclass(frozen=True)
class Listener:
    """A subscription with its compiled filter."""

    id: SubscriptionId
    filter: CompiledFilter
    since: StreamId

    @classmethod
    def of(cls, subscription: Subscription) -> "Listener":
        return cls(subscription.id, CompiledFilter(subscription.filter), StreamId.parse(subscription.since))

    def wants(self, entry: Candidate) -> bool:
        """Whether the entry matches, and is newer than the subscription."""
        return entry.facts is not None and entry.position > self.since and self.filter.matches(entry.facts)
