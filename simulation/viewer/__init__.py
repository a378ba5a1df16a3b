"""See every drive in a browser: a small server, and the page that it serves."""
