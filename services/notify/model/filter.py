"""Match events with subscriptions: the facts of an event, and filters that are compiled for speed."""

from dataclasses import dataclass
from functools import cached_property

from pydantic_core import from_json

from services.notify.model.subscription import Filter, Subscription
from shared.model.events import FEEDS_CHANGED, ITEM_LEFT, AnnouncedEvent, LeftBy, LoggedEvent
from shared.model.ids import LogId, SubscriptionId
from shared.model.stream_id import StreamId

_LOG_BEGAN = StreamId(0)


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
    was: Facts | None = None
    """What the item's event before this one told, where that differs."""
    was_position: StreamId = _LOG_BEGAN

    @cached_property
    def plain(self) -> "Hearing":
        """How a subscription hears of it that nothing has moved for."""
        return Hearing(self.facts.type if self.facts is not None else "")


@dataclass(frozen=True)
class Hearing:
    """Under which type a subscription hears of an event; and by what the item left its filter, if it did."""

    event_type: str
    left: LeftBy | None = None


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
        # Asked for each event and subscription, so without calls: one call costs as much as the rest.
        return (
            (not self._types or facts.type in self._types)
            and (not self._langs or facts.lang in self._langs)
            and (not self._sources or facts.source in self._sources)
            and (not self._tags or not self._tags.isdisjoint(facts.tags))
            and (not self._sections or facts.section in self._sections or facts.section.startswith(self._below))
        )

    def wants_type(self, event_type: str) -> bool:
        return not self._types or event_type in self._types

    def missed_by(self, facts: Facts) -> LeftBy:
        """Return by what the filter does not cover the facts."""
        if self._langs and facts.lang not in self._langs:
            return "lang"
        if self._tags and self._tags.isdisjoint(facts.tags):
            return "tags" if self._covers_section(facts) else "section"
        return "section"

    def _covers_section(self, facts: Facts) -> bool:
        return not self._sections or facts.section in self._sections or facts.section.startswith(self._below)

    def covers(self, facts: Facts) -> bool:
        """Whether the facts match, whatever the type."""
        return (
            (not self._langs or facts.lang in self._langs)
            and (not self._sources or facts.source in self._sources)
            and (not self._tags or not self._tags.isdisjoint(facts.tags))
            and self._covers_section(facts)
        )


def candidate(logged: LoggedEvent) -> Candidate:
    """Return the entry with its facts. Raises ValueError or KeyError for a body that render did not write."""
    event, position = logged.event, StreamId.parse(logged.log_id)
    if not event.body and not event.moved_body:
        return Candidate(logged.log_id, position, event)
    item = from_json(event.body or event.moved_body)["data"]["item"]
    facts = Facts(event.type, item["lang"], item["section"], item["source"], frozenset(item.get("tags") or ()))
    if not event.was:
        return Candidate(logged.log_id, position, event, facts if event.body else None)
    told = from_json(event.was)
    was = Facts(event.type, told["lang"], told["section"], facts.source, frozenset(told["tags"]))
    if was == facts:
        return Candidate(logged.log_id, position, event, facts if event.body else None)
    return Candidate(logged.log_id, position, event, facts, was, StreamId.parse(told["log_id"]))


def hearing(wanted: CompiledFilter, entry: Candidate, since: StreamId) -> Hearing | None:
    """
    Return how a subscription hears of an event, or None where it does not: a rule without state.

    Where the item left the filter, and the event before came after `since`, the subscription is told so instead. Where
    the item came in, it is published for this subscription.
    """
    facts, was = entry.facts, entry.was
    if facts is None or entry.position <= since:
        return None
    if was is None:
        return Hearing(facts.type) if wanted.matches(facts) else None
    left: LeftBy | None = None
    event_type = facts.type
    if wanted.covers(facts):
        if not wanted.covers(was) and facts.type != "item.withdrawn.v1":
            event_type = "item.published.v1"
    elif wanted.covers(was) and entry.was_position > since:
        event_type, left = ITEM_LEFT, wanted.missed_by(facts)
    else:
        return None
    if event_type == FEEDS_CHANGED or not wanted.wants_type(event_type):
        return None
    return Hearing(event_type, left)


@dataclass(frozen=True)
class Listener:
    """A subscription with its compiled filter."""

    id: SubscriptionId
    filter: CompiledFilter
    since: StreamId

    @classmethod
    def of(cls, subscription: Subscription) -> "Listener":
        return cls(subscription.id, CompiledFilter(subscription.filter), StreamId.parse(subscription.since))

    def hears(self, entry: Candidate) -> Hearing | None:
        """Return how this subscription hears of the entry, or None where it does not."""
        if entry.facts is None or entry.position <= self.since:
            return None
        if entry.was is None:
            return entry.plain if self.filter.matches(entry.facts) else None
        return hearing(self.filter, entry, self.since)
