"""Routes of consumers, by the import path of chanx 0.12; and what finds them, by that of 2.x."""

from chanx.compat.discovery import RouteDiscovery, RouteInfo, traverse_middleware_stack
from chanx.compat.patterns import extract_path_parameters, get_pattern_string_and_params
from chanx.compat.urls import include, path, re_path

__all__ = ["include", "path", "re_path", "RouteDiscovery", "RouteInfo", "traverse_middleware_stack",
           "extract_path_parameters", "get_pattern_string_and_params"]  # fmt: skip
