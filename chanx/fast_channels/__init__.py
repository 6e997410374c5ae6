"""Import paths of chanx 2.x without Django, which pass names on."""

from chanx.compat.docs_endpoints import asyncapi_docs, asyncapi_spec_json, asyncapi_spec_yaml

__all__ = ["asyncapi_docs", "asyncapi_spec_json", "asyncapi_spec_yaml"]
