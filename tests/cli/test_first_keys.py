import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from services.cli.first_keys import FIRST_KEYS, make_first_keys
from shared.runtime.settings import Settings


def test_the_first_start_makes_keys_that_settings_take(tmp_path: Path) -> None:
    made = make_first_keys(tmp_path)

    settings = Settings(_secrets_dir=tmp_path)
    assert made == list(FIRST_KEYS)
    assert settings.bootstrap_key is not None
    assert settings.secrets_key is not None
    assert settings.bootstrap_key.get_secret_value() != settings.secrets_key.get_secret_value()
    assert min(len(key.get_secret_value()) for key in (settings.bootstrap_key, settings.secrets_key)) >= 32


def test_a_key_is_for_its_owner_only(tmp_path: Path) -> None:
    make_first_keys(tmp_path)

    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in FIRST_KEYS} == {0o400}


def test_a_later_start_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "clarion_secrets_key").write_text("chosen by the operator")

    made = make_first_keys(tmp_path)
    again = make_first_keys(tmp_path)

    assert (made, again) == (["clarion_bootstrap_key"], [])
    assert (tmp_path / "clarion_secrets_key").read_text() == "chosen by the operator"


def test_two_first_starts_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as starts:
        made = list(starts.map(lambda _: make_first_keys(tmp_path), range(8)))

    assert sorted(name for names in made for name in names) == sorted(FIRST_KEYS)
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(FIRST_KEYS)
