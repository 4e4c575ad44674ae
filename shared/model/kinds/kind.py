"""What a kind of section says of itself. Each kind is one module, and `section_kinds.py` lists them all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from pydantic import BaseModel

from shared.model.items import Revision

Node = Mapping[str, object]
"""A node of schema.org's, as JSON: whatever its type wants."""


Fact = tuple[str, str | date]
"""A line of an item's data: its label in English, as catalogues know it, and its value."""


@dataclass(frozen=True)
class StructuredDataSource:
    """What a kind's structured data is made of."""

    revision: Revision
    title: str
    """In one line."""
    section: str
    """What readers call the item's section."""
    publisher: Node


@dataclass(frozen=True, eq=False)
class SectionKind:
    """A kind of section."""

    name: str
    """As the site file writes it, and under which an item is sent with the kind's data."""
    structured_data: Callable[[StructuredDataSource], Node]
    """Returns the schema.org type of an item, with what only that type says. Empty values and None are left out."""
    data: type[BaseModel] | None = None
    """What an item carries for the kind: texts of one line, numbers and dates, with their limits."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """The label of each field that pages show, in their order."""
    template: str = "facts.html"
    """The template that shows the data on an item's page."""
    css_class: str = ""
    """What tells the page's article from that of other kinds."""

    def facts(self, revision: Revision) -> Sequence[Fact]:
        """Return what pages show of the kind's data, where the item carries it."""
        carried = revision.data_of(self.name)
        if self.data is None or carried is None:
            return ()
        data = self.data.model_validate(carried)
        values = ((label, getattr(data, name)) for name, label in self.labels.items())
        return [
            (label, value if isinstance(value, date) else str(value))
            for label, value in values
            if value not in (None, "")
        ]
