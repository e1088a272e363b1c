"""Our own keys of a request's ASGI scope: what a lane tells the access log."""

PROTOCOL = "modelcast.protocol"
"""As the metrics name it."""
ROWS = "modelcast.rows"
"""How many rows the request held, where it could be read."""
