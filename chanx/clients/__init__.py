"""Typed clients in Python, generated from an AsyncAPI document, and what they stand on: the extra `client`."""

from chanx.clients.base import Client, Model
from chanx.clients.load import SchemaError, load
from chanx.clients.resume import Place
from chanx.clients.write import generate, write

__all__ = ["Client", "Model", "Place", "SchemaError", "generate", "load", "write"]
