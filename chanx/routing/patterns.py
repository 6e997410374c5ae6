"""Parameters in the patterns of routes, by the import path of chanx 2.x."""

from chanx.compat import patterns
from chanx.compat.patterns import extract_path_parameters, get_pattern_string_and_params

DJANGO_PARAM_PATTERN = patterns.DJANGO_PARAM_PATTERN
REGEX_PARAM_PATTERN = patterns.REGEX_PARAM_PATTERN
STARLETTE_PARAM_PATTERN = patterns.STARLETTE_PARAM_PATTERN

__all__ = ["extract_path_parameters", "get_pattern_string_and_params"]
