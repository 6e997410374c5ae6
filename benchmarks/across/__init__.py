"""What `python -m benchmarks redis` runs: servers, a publisher and clients, each in a process of its own.

A server's module, whose name the others are given, offers `app`, the ASGI application, and `publishing()`, an
asynchronous context manager that gives a coroutine function, which publishes a message from outside of the servers.
"""
