"""Finds the routes of consumers, by the import path of chanx 2.x."""

from chanx.compat.discovery import RouteDiscovery, RouteInfo, traverse_middleware_stack

__all__ = ["RouteDiscovery", "RouteInfo", "traverse_middleware_stack"]
