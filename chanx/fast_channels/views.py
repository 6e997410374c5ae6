"""Endpoints that show an application's AsyncAPI document."""

from chanx.compat.docs_endpoints import asyncapi_docs, asyncapi_spec_json, asyncapi_spec_yaml

__all__ = ["asyncapi_docs", "asyncapi_spec_json", "asyncapi_spec_yaml"]
