"""The files that a theme consists of: templates, static files and catalogues, shipped ones under an institution's."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from services.render.text.language import CATALOGUE, SHIPPED_LOCALES, Catalogue, read_catalogue

_HERE = Path(__file__).parent
_SHIPPED = {"templates": _HERE / "templates", "static": _HERE / "static", "locales": SHIPPED_LOCALES}
_CSS_URL = re.compile(r"""url\((["']?)([^"')]+)\1\)""")


class ThemeFiles:
    """
    All files as they were when the theme was loaded.

    A theme's folder has the three folders `templates`, `static` and `locales`; a file there stands in for the shipped
    one of the same name, except that catalogues are laid over each other, entry by entry.
    """

    def __init__(self, theme_dir: Path | None) -> None:
        self._shipped = _read(_SHIPPED)
        self._own = _read({name: theme_dir / name for name in _SHIPPED}) if theme_dir is not None else {}
        merged = {**self._shipped, **self._own}
        self.templates = _texts("templates", merged)
        self.shipped_templates = _texts("templates", self._shipped)
        self._static = _below("static", merged)
        self._static_paths = {name: self._static_path(name, data) for name, data in self._static.items()}

    @property
    def fingerprint(self) -> str:
        """The same for two themes of the same files."""
        return _fingerprint(self._shipped, self._own)

    @property
    def shipped_fingerprint(self) -> str:
        """The same for two releases that ship the same files."""
        return _fingerprint(self._shipped)

    @property
    def catalogues(self) -> Mapping[str, Catalogue]:
        """Every catalogue by its language tag."""
        merged: dict[str, dict[tuple[str, str], str]] = {}
        for layer in (self._shipped, self._own):
            for name, data in _below("locales", layer).items():
                language, _, file = name.partition("/")
                if file == CATALOGUE:
                    merged.setdefault(language, {}).update(read_catalogue(data))
        return merged

    @property
    def static_names(self) -> frozenset[str]:
        return frozenset(self._static)

    def static_path(self, name: str) -> str:
        """Return where the site serves a static file: a path that changes with its content."""
        return self._static_paths[name]

    def static_files(self) -> Mapping[str, bytes]:
        """Return every static file by its path on the site."""
        return {self._static_paths[name]: self._served(name, data) for name, data in self._static.items()}

    def _static_path(self, name: str, data: bytes) -> str:
        path = PurePosixPath(name)
        version = hashlib.sha256(self._with_versions(name, data)).hexdigest()[:8]
        return f"/static/{path.with_suffix('')}.{version}{path.suffix}"

    def _with_versions(self, name: str, data: bytes) -> bytes:
        """Return what a file's version is made of: a style sheet's includes the files that it may name."""
        if not name.endswith(".css"):
            return data
        others = (hashlib.sha256(other).digest() for file, other in sorted(self._static.items()) if file != name)
        return data + b"".join(others)

    def _served(self, name: str, data: bytes) -> bytes:
        if not name.endswith(".css"):
            return data
        return _CSS_URL.sub(self._versioned_url, data.decode()).encode()

    def _versioned_url(self, match: re.Match[str]) -> str:
        path = self._static_paths.get(match[2])
        return f'url("{path}")' if path else match[0]


def _read(folders: Mapping[str, Path]) -> Mapping[str, bytes]:
    """Return the folders' files by their paths, which begin with the folder's name."""
    return {
        f"{name}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for name, folder in folders.items()
        for path in sorted(folder.rglob("*"))
        # Kubernetes mounts a folder with copies of its files in folders that begin with two dots.
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }


def _fingerprint(*layers: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for layer in layers:
        for name, data in sorted(layer.items()):
            digest.update(f"{name}\0{len(data)}\0".encode() + data)
        digest.update(b"\0")
    return digest.hexdigest()


def _below(folder: str, files: Mapping[str, bytes]) -> Mapping[str, bytes]:
    prefix = f"{folder}/"
    return {name.removeprefix(prefix): data for name, data in files.items() if name.startswith(prefix)}


def _texts(folder: str, files: Mapping[str, bytes]) -> Mapping[str, str]:
    return {name: data.decode() for name, data in _below(folder, files).items()}
