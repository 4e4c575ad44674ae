"""The AsyncAPI 3.0 document: the two streams inside, and what subscribers receive."""

from typing import Any

from shared.model.events import ITEM_LEFT, PUBLIC_TYPES, ItemEvent
from shared.store import keys

# Any: AsyncAPI's own shape.
Json = dict[str, Any]

_DATA: Json = {
    "type": "object",
    "required": ["event_id", "item", "url", "api_url", "feeds"],
    "properties": {
        "event_id": {"type": "string"},
        "item": {
            "type": "object",
            "required": ["id", "source", "external_id", "lang", "section", "revision", "title", "content_sha256"],
            "properties": {
                "id": {"type": "string"},
                "source": {"type": "string"},
                "external_id": {"type": "string"},
                "lang": {"type": "string"},
                "section": {"type": "string"},
                "revision": {"type": "integer"},
                "title": {"type": "string"},
                "summary": {"type": ["string", "null"]},
                "tags": {"type": "array", "items": {"type": "string"}},
                "published_at": {"type": ["string", "null"], "format": "date-time"},
                "update_type": {"enum": ["major", "minor"]},
                "change_note": {"type": ["string", "null"]},
                "content_sha256": {"type": "string"},
                "translation_set": {"type": ["string", "null"]},
            },
        },
        "url": {"type": "string", "format": "uri"},
        "api_url": {"type": "string", "format": "uri"},
        "feeds": {"type": "array", "items": {"type": "string", "format": "uri"}},
        "left": {"enum": ["lang", "section", "tags"], "description": "Of item.left.v1: by what it left the filter."},
    },
}
_PAGES_ENTRY: Json = {
    "type": "object",
    "description": "`body` is what every subscriber is told, to the byte; empty for feeds.changed.v1.",
    "required": ["id", "type", "occurred_at", "trace_id", "body", "feeds"],
    "properties": {
        "id": {"type": "string"},
        "type": {"enum": [*PUBLIC_TYPES, "feeds.changed.v1"]},
        "occurred_at": {"type": "string", "format": "date-time"},
        "trace_id": {"type": "string"},
        "body": {"type": "string", "contentMediaType": "application/json"},
        "feeds": {"type": "string", "contentMediaType": "application/json"},
        "was": {"type": "string", "contentMediaType": "application/json"},
        "moved_body": {"type": "string", "contentMediaType": "application/json"},
    },
}


def asyncapi(base_url: str) -> Json:
    """Return the document."""
    webhook = {
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"enum": [*PUBLIC_TYPES, ITEM_LEFT]},
            "timestamp": {"type": "string", "format": "date-time"},
            "data": {"$ref": "#/components/schemas/EventData"},
        },
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Clarion events",
            "version": "1",
            "description": (
                "Facts, in the past tense, versioned in their type. Consumers ignore fields that they do not know. "
                "Webhooks follow Standard Webhooks: the headers webhook-id, webhook-timestamp, webhook-signature."
            ),
        },
        "channels": {
            "items": _channel(keys.ITEMS_STREAM, "From ingest to render: an accepted revision is public.", "ItemEvent"),
            "pages": _channel(keys.PAGES_STREAM, "From render to notify: its pages can be read.", "PagesEntry"),
            "webhooks": _channel(None, "What a subscriber's endpoint receives, as POST.", "Webhook"),
            "events": _channel(f"{base_url}/v1/events/stream", "The same, as Server-Sent Events.", "Webhook"),
        },
        "operations": {
            "announceItem": {"action": "send", "channel": {"$ref": "#/channels/items"}},
            "announcePages": {"action": "send", "channel": {"$ref": "#/channels/pages"}},
            "tellSubscribers": {"action": "send", "channel": {"$ref": "#/channels/webhooks"}},
            "streamEvents": {"action": "send", "channel": {"$ref": "#/channels/events"}},
        },
        "components": {
            "messages": {
                "ItemEvent": {"payload": _item_event()},
                "PagesEntry": {"payload": _PAGES_ENTRY},
                "Webhook": {"contentType": "application/json", "payload": webhook},
            },
            "schemas": {"EventData": _DATA},
        },
    }


def _channel(address: str | None, description: str, message: str) -> Json:
    return {
        "address": address,
        "description": description,
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
    }


def _item_event() -> Json:
    schema = ItemEvent.model_json_schema(ref_template="#/components/messages/ItemEvent/payload/$defs/{model}")
    schema["description"] = "The fields of an entry, each as text; `left` is JSON."
    return schema
