"""Official documents: orders, letters, statements. Their items carry a number and who signed them when."""

from shared.model.items import DocumentData
from shared.model.kinds.kind import Node, SectionKind, StructuredDataSource


def _structured_data(source: StructuredDataSource) -> Node:
    node: dict[str, object] = {
        "@type": "Legislation",
        "name": source.title,
        "legislationType": source.section,
        "legislationResponsible": source.publisher,
        "keywords": list(source.revision.tags),
    }
    if document := source.revision.document:
        node["legislationIdentifier"] = document.number
        node["legislationDate"] = document.signed_on.isoformat() if document.signed_on else None
        node["legislationPassedBy"] = {"@type": "Person", "name": document.signed_by} if document.signed_by else None
    return node


DOCUMENT = SectionKind(
    "document",
    _structured_data,
    data=DocumentData,
    labels={"number": "Number", "signed_on": "Signed on", "signed_by": "Signed by"},
    css_class="document",
)
