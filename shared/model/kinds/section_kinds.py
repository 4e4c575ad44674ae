"""The kinds that a section of the site file may have."""

from shared.model.kinds.article import ARTICLE
from shared.model.kinds.document import DOCUMENT
from shared.model.kinds.kind import SectionKind

SECTION_KINDS: tuple[SectionKind, ...] = (ARTICLE, DOCUMENT)
