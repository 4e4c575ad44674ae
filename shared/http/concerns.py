"""
What may be wrong with the store and the pipeline: one table of concerns, each with its rule and its remedy.

`clarion doctor`, `clarion status` and the console show the concerns that are found now. deploy/alerts.yml wakes people
by the same names, metrics and thresholds; a test compares them.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from shared.http.store_numbers import StoreNumbers
from shared.model.clock import span
from shared.store.layout.number import NEWEST_LAYOUT

Measured = TypeVar("Measured")

_COMPARISONS = {">": operator.gt, "<": operator.lt, "==": operator.eq}


@dataclass(frozen=True)
class Concern(Generic[Measured]):
    """Something that somebody should look at, with the rule that finds it."""

    name: str
    """The name of the alert."""
    subject: str
    """What `clarion doctor` calls the part that is concerned."""
    severity: Literal["page", "ticket"]
    """`page`: wake somebody. `ticket`: somebody looks at it in the morning."""
    metric: str
    measure: Callable[[Measured], float]
    threshold: str
    """When the measure is one to look at, as the alert spells it: `> 60`."""
    problem: str
    """What is wrong, in a sentence; `{span}`, `{count}` or `{share}` stands for the measure."""
    todo: str
    details: Callable[[Measured], Sequence[str]] = lambda _: ()
    """What is concerned, by name, and why."""

    def is_found(self, measured: Measured) -> bool:
        """Whether the rule holds now."""
        comparison, limit = self.threshold.split()
        return bool(_COMPARISONS[comparison](self.measure(measured), float(limit)))

    def sentence(self, measured: Measured) -> str:
        """Return the problem with the measure in it."""
        value = self.measure(measured)
        told = self.problem.format(span=span(value), count=f"{value:.0f}", share=f"{value:.0%}")
        return "; ".join((told, *self.details(measured)))


def concerns_of(numbers: StoreNumbers) -> Sequence[Concern[StoreNumbers]]:
    """Return the concerns that are found now, the worst first."""
    return [concern for concern in CONCERNS if concern.is_found(numbers)]


def _fullness(numbers: StoreNumbers) -> float:
    limit = numbers.server.memory_limit_bytes
    return numbers.server.memory_bytes / limit if limit else 0.0


def _oldest(stream: str) -> Callable[[StoreNumbers], float]:
    return lambda numbers: max((group.oldest_seconds for group in numbers.groups if group.stream == stream), default=0)


_SEE_DEAD_LETTERS = "clarion dead-letters shows them with their reasons; clarion replay sends them again"

CONCERNS: tuple[Concern[StoreNumbers], ...] = (
    Concern(
        name="StoreNotDurable",
        subject="durability",
        severity="page",
        metric="clarion_store_append_only",
        measure=lambda numbers: numbers.server.append_only,
        threshold="== 0",
        problem="The store writes no append-only file: what is accepted does not survive its restart.",
        todo="deploy/redis.conf shows what is needed",
    ),
    Concern(
        name="StoreWriteFailing",
        subject="store's disk",
        severity="page",
        metric="clarion_store_last_write_ok",
        measure=lambda numbers: numbers.server.last_write_ok,
        threshold="== 0",
        problem="The store could not write its append-only file, and refuses items.",
        todo="see to the store's disk; it takes writes again by itself",
    ),
    Concern(
        name="StoreNearlyFull",
        subject="memory",
        severity="page",
        metric="clarion_store_memory_bytes",
        measure=_fullness,
        threshold="> 0.85",
        problem="The store's memory is nearly full ({share}); at 100% it refuses items (507).",
        todo="raise maxmemory (CLARION_STORE_MEMORY), or shorten CLARION_LOG_RETENTION",
    ),
    Concern(
        name="PagesLate",
        subject="render",
        severity="page",
        metric='clarion_stream_oldest_seconds{stream="items"}',
        measure=_oldest("items"),
        threshold="> 60",
        problem="An event has waited {span} to be rendered: is a render service running?",
        todo="look at the log of render; more replicas help if it works",
    ),
    Concern(
        name="ItemsNotShown",
        subject="backlog",
        severity="page",
        metric="clarion_unshown_oldest_seconds",
        measure=lambda numbers: numbers.unshown.oldest_seconds,
        threshold="> 300",
        problem="A public revision has waited {span}, and readers do not see it.",
        todo="look at the log of render, and at clarion dead-letters: an event that was given up shows nothing",
    ),
    Concern(
        name="OutputRefusesFiles",
        subject="pages",
        severity="page",
        metric="clarion_output_refuses_files",
        measure=lambda numbers: numbers.output_refuses_files,
        threshold="== 1",
        problem="The volume that holds the site takes no files: new pages wait, and withdrawn ones are removed.",
        todo="make room on the volume, or mend it: render goes on by itself",
    ),
    Concern(
        name="AnnouncementsLate",
        subject="notify",
        severity="page",
        metric='clarion_stream_oldest_seconds{stream="pages"}',
        measure=_oldest("pages"),
        threshold="> 60",
        problem="An event has waited {span} to be fanned out: is a notify service running?",
        todo="look at the log of notify; more replicas help if it works",
    ),
    Concern(
        name="DeliveriesLate",
        subject="deliveries",
        severity="page",
        metric="clarion_deliveries_overdue_seconds",
        measure=lambda numbers: numbers.queue.overdue_seconds,
        threshold="> 60",
        problem="Deliveries have been due for {span}: is a notify service running?",
        todo="look at the log of notify; more replicas help if it works",
    ),
    Concern(
        name="EventsGivenUp",
        subject="dead letters",
        severity="page",
        metric='clarion_dead_letters_kept{kind="events"}',
        measure=lambda numbers: numbers.dead_letters,
        threshold="> 0",
        problem="Events given up: {count}",
        todo=_SEE_DEAD_LETTERS,
    ),
    Concern(
        name="ItemsHeld",
        subject="held items",
        severity="ticket",
        metric="clarion_items_held",
        measure=lambda numbers: numbers.held,
        threshold="> 0",
        problem="Items held at their moment, because the site file has not their language or section: {count}",
        todo="put the language or section back into the site file, or send the items again with another",
    ),
    Concern(
        name="StoreRewriteFailing",
        subject="store's disk",
        severity="ticket",
        metric="clarion_store_last_rewrite_ok",
        measure=lambda numbers: numbers.server.last_rewrite_ok,
        threshold="== 0",
        problem="The store could not write its append-only file anew; the file grows meanwhile.",
        todo="free memory and disk (a rewrite needs both for a while), and set vm.overcommit_memory=1 on its host",
    ),
    Concern(
        name="StoreNotMigrated",
        subject="layout",
        severity="ticket",
        metric="clarion_store_layout",
        measure=lambda numbers: numbers.layout,
        threshold=f"< {NEWEST_LAYOUT}",
        problem="The store has layout {count}, and the release after this one cannot read it.",
        todo="clarion migrate, beside publishing, once you are sure not to go back to the release before",
    ),
    Concern(
        name="ItemsUnrenderable",
        subject="rendering",
        severity="ticket",
        metric="clarion_unrenderable_items",
        measure=lambda numbers: numbers.unshown.unrenderable,
        threshold="> 0",
        problem="Items with a public revision that cannot be rendered, so that readers keep what they see: {count}",
        todo="correct the item and send it again, or correct the theme and restart render, which tries the item again",
        details=lambda numbers: numbers.vetoed,
    ),
    Concern(
        name="EditionRefused",
        subject="edition",
        severity="ticket",
        metric="clarion_refused_editions",
        measure=lambda numbers: len(numbers.refused_editions),
        threshold="> 0",
        problem="Site files, themes or releases that a render was started with and that were refused: {count}",
        todo="correct the file that is named and restart render; the site goes on with the edition before",
        details=lambda numbers: numbers.refused_editions,
    ),
    Concern(
        name="DeliveriesGivenUp",
        subject="dead letters",
        severity="ticket",
        metric='clarion_dead_letters_kept{kind="deliveries"}',
        measure=lambda numbers: numbers.queue.dead_letters,
        threshold="> 0",
        problem="Deliveries given up: {count}",
        todo=_SEE_DEAD_LETTERS,
    ),
    Concern(
        name="EndpointsDisabled",
        subject="endpoints",
        severity="ticket",
        metric='clarion_endpoints{state="disabled"}',
        measure=lambda numbers: numbers.queue.endpoints.get("disabled", 0),
        threshold="> 0",
        problem="Endpoints disabled: {count}",
        todo="see at the console why, and resume the subscriptions once their endpoints answer",
    ),
)

DISK_NEARLY_FULL: Concern[float] = Concern(
    name="DiskNearlyFull",
    subject="disk",
    severity="page",
    metric="clarion_disk_free_bytes",
    measure=float,
    threshold="< 0.1",
    problem="The disk that holds the site has {share} left.",
    todo="make room where CLARION_OUTPUT_DIR lies, or move it; a rebuild fills it again",
)
"""The only concern that the store's numbers do not show: it is measured as the free share of the disk."""
