"""From an event of the items stream to the pages it affects and their announcement."""
