"""Subscriptions to webhooks: the API, the rules, the store and the signing secrets."""
