"""AsyncAPI 3.0 documents from compiled channels: <https://www.asyncapi.com/docs/reference/specification/v3.0.0>."""

from chanx.asyncapi.build import Documented, document
from chanx.asyncapi.options import DocumentOptions, Servers
from chanx.asyncapi.serve import routes
from chanx.asyncapi.served import Served
from chanx.asyncapi.text import to_json, to_yaml
from chanx.asyncapi.walk import walk

__all__ = ["DocumentOptions", "Documented", "Served", "Servers", "document", "routes", "to_json", "to_yaml", "walk"]
