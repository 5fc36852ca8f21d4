"""Bringing queues and their messages from one broker to another, such as from a journal to a database: `decouple copy`."""
