"""Messages of the chat."""
