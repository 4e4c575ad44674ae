"""From an entry of the log to its webhook deliveries, attempts, retries, dead letters and replays."""
