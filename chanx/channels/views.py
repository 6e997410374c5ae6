"""Views of Django that show the project's AsyncAPI document."""

from chanx.compat.views import AsyncAPIDocsView, AsyncAPISchemaView, generate_asyncapi_schema

__all__ = ["AsyncAPIDocsView", "AsyncAPISchemaView", "generate_asyncapi_schema"]
