"""A browser viewer of drives: the server and its page."""
