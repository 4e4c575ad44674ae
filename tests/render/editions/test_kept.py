"""The copies of the last editions, on the volume."""

from pathlib import Path

from services.render.editions.files import Code, EditionFiles, draft_of
from services.render.editions.kept import KeptEditions
from services.render.output.volume import Output
from tests.factories import some_settings


def test_a_copy_that_a_power_cut_has_torn_is_made_again(tmp_path: Path) -> None:
    settings = some_settings(tmp_path, "redis://127.0.0.1:1")
    output, code = Output(settings.output_dir), Code()
    draft = draft_of(EditionFiles.of(settings, code), code)
    kept = KeptEditions(output, code)
    assert kept.keep(draft)
    (output.editions_folder / draft.fingerprint / "site.toml").write_bytes(b"")

    is_kept = kept.keep(draft)

    assert is_kept
    found = kept.read(draft.fingerprint)
    assert found is not None
    assert found.fingerprint == draft.fingerprint
