"""Articles: news, speeches, stories. Their items carry nothing beside the text."""

from shared.model.kinds.kind import Node, SectionKind, StructuredDataSource


def _structured_data(source: StructuredDataSource) -> Node:
    revision = source.revision
    return {
        "@type": "NewsArticle",
        "headline": source.title,
        "author": [{"@type": "Person", "name": author} for author in revision.authors] or source.publisher,
        "keywords": list(revision.tags),
        "correction": revision.change_note,
    }


ARTICLE = SectionKind("article", _structured_data)
