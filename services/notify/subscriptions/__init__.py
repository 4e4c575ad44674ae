"""Subscriptions of endpoints: the API, the rules, and the store."""
