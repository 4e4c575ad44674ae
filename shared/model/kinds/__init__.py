"""Kinds of sections: what their items carry beside the text, and what pages and machines are told of it."""
