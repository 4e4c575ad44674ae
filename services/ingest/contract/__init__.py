"""What clients send and receive, and how it is described to them."""
