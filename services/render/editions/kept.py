"""The last accepted editions, kept on the volume: a render whose own was refused goes on with the current one."""

import os
import shutil
import tempfile
from pathlib import Path

import structlog
from pydantic import BaseModel, ValidationError

from services.render.editions.files import Code, EditionDraft, EditionFiles, draft_of
from services.render.output.volume import Output
from shared.model.errors import UnusableSiteFile

log = structlog.get_logger()

_KEPT = 3
_ABOUT = "edition.json"
_UNFINISHED = ".new-"
_SITE_FILE = "site.toml"


class _About(BaseModel):
    base_url: str
    rsscloud: bool


class KeptEditions:
    """Copies of site file, theme and standing pages, in a folder for each edition. Media stay where they are."""

    def __init__(self, output: Output, code: Code) -> None:
        self._folder = output.editions_folder
        self._media = output.root / "media"
        self._code = code

    def keep(self, draft: EditionDraft) -> bool:
        """Keep the edition, as the newest of three; return whether the copy is the edition."""
        for left_behind in self._folder.glob(f"{_UNFINISHED}*"):  # by a process that was killed
            shutil.rmtree(left_behind, ignore_errors=True)
        place = self._folder / draft.fingerprint
        if self.read(draft.fingerprint) is None:
            # Copies are not synced: a power cut may have torn one.
            shutil.rmtree(place, ignore_errors=True)
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._folder, prefix=_UNFINISHED) as unfinished:
                copy = Path(unfinished) / "edition"
                _copy(draft, copy)
                copy.replace(place)
        os.utime(place)
        for old in sorted(self._folder.glob("[!.]*"), key=lambda one: one.stat().st_mtime_ns)[:-_KEPT]:
            shutil.rmtree(old, ignore_errors=True)
        return self.read(draft.fingerprint) is not None

    def read(self, fingerprint: str) -> EditionDraft | None:
        """Return the edition, or None where it is not kept, or is one of another release."""
        place = self._folder / fingerprint
        try:
            about = _About.model_validate_json((place / _ABOUT).read_text(encoding="utf-8"))
            theme, pages = place / "theme", place / "pages"
            files = EditionFiles(
                site_file=place / _SITE_FILE,
                theme=theme if theme.is_dir() else None,
                pages=pages if pages.is_dir() else None,
                media=self._media,
                base_url=about.base_url,
                rsscloud=about.rsscloud,
            )
            draft = draft_of(files, self._code)
        except (OSError, ValueError, ValidationError, UnusableSiteFile) as error:
            log.info("edition.not_kept", fingerprint=fingerprint, reason=repr(error))
            return None
        return draft if draft.fingerprint == fingerprint else None


def _copy(draft: EditionDraft, place: Path) -> None:
    place.mkdir()
    files = draft.files
    shutil.copyfile(files.site_file, place / _SITE_FILE)
    for name, folder in (("theme", files.theme), ("pages", files.pages)):
        if folder is not None:
            shutil.copytree(folder, place / name, copy_function=shutil.copyfile, ignore=shutil.ignore_patterns(".*"))
    about = _About(base_url=files.base_url, rsscloud=files.rsscloud)
    (place / _ABOUT).write_text(about.model_dump_json(), encoding="utf-8")
