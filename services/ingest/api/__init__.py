"""The HTTP API: routes, authentication and rate limits."""
