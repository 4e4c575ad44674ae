"""What the store keeps of a subscription."""

import json

from tests.notify.factories import a_subscription


def test_a_webhooks_record_has_the_fields_it_always_had() -> None:
    record = json.loads(a_subscription("a").model_dump_json())

    assert list(record) == [
        *("id", "kind", "owner", "url", "filter", "ordered", "max_per_second", "sealed_headers", "header_names"),
        *("description", "contact", "secrets", "created_at", "since", "state", "state_since", "state_reason"),
        *("resume_from", "notice_due"),
    ]
