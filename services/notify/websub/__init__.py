"""The WebSub hub, and rssCloud."""
