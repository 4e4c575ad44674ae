"""What all services mean by an item, an event, a listing and a path: values and rules, no input or output."""
