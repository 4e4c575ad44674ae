"""What people change about a site between two starts of render."""

import shutil
from pathlib import Path

from tests.factories import SITE_TOML

SLIP = '{% extends "shipped/item.html" %}\n{% block content %}\n{{ page.card.titel.x }}\n{% endblock %}\n'
"""An item page that asks for a word that is none, in line 3."""


def with_template(folder: Path, name: str, text: str) -> None:
    """Give the site of the folder a theme with this template."""
    template = folder / "theme" / "templates" / name
    template.parent.mkdir(parents=True, exist_ok=True)
    template.write_text(text, encoding="utf-8")
    site_file = folder / "site.toml"
    if 'theme = "theme"' not in site_file.read_text(encoding="utf-8"):
        site_file.write_text('theme = "theme"\n' + site_file.read_text(encoding="utf-8"), encoding="utf-8")


def without_theme(folder: Path) -> None:
    """Put the site file and theme of the folder back as they were."""
    shutil.rmtree(folder / "theme", ignore_errors=True)
    (folder / "site.toml").write_text(SITE_TOML, encoding="utf-8")


def renamed(folder: Path, title: str) -> None:
    """Give the site of the folder another title."""
    (folder / "site.toml").write_text(SITE_TOML.replace("Office of the Harbour", title), encoding="utf-8")
