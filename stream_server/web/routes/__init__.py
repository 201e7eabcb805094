"""One module per resource of the HTTP and websocket interface."""
