"""Outgoing HTTP to strangers: checked addresses, pooled connections."""
