"""Where a template broke: its name and line, as whoever wrote the theme knows them."""

import traceback
from collections.abc import Mapping

from jinja2 import FunctionLoader, TemplateSyntaxError

_MARK = "template "


def template_loader(templates: Mapping[str, str], prefix: str = "") -> FunctionLoader:
    """Return a loader of the templates, whose names then stand in tracebacks."""

    def load(name: str) -> tuple[str, str, None] | None:
        return (templates[name], f"{_MARK}{prefix}{name}", None) if name in templates else None

    return FunctionLoader(load)


def described(fault: BaseException) -> str:
    """Return what went wrong, and in which template and line if it was one."""
    told = f"{type(fault).__name__}: {fault}"
    place = _place(fault)
    return f"{told} ({place})" if place else told


def _place(fault: BaseException) -> str | None:
    if isinstance(fault, TemplateSyntaxError) and fault.name:
        return f"{fault.name} line {fault.lineno}"
    frames = traceback.extract_tb(fault.__traceback__)
    inside = [frame for frame in frames if frame.filename.startswith(_MARK)]
    return f"{inside[-1].filename.removeprefix(_MARK)} line {inside[-1].lineno}" if inside else None
