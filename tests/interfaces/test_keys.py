"""Secrets and keys: made once, kept to their owner, recognised without being compared."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from pydantic import SecretStr

from interfaces.keys.api_key import hint, is_well_formed, new_api_key
from interfaces.keys.keyring import (
    Keyring,
    Scope,
    SetOfKeys,
    admin_key,
    key_digest,
    open_keyring,
)
from interfaces.keys.private_file import PrivateFileError, read_or_create
from interfaces.keys.secret import derived_secret, server_secret
from interfaces.settings import Settings

TENANT = "6f1c0a3e-0000-4000-8000-000000000001"


def settings_in(directory: Path) -> Settings:
    return Settings(data_dir=directory, admin_key=None, secret=None)


# --- files ---------------------------------------------------------------------------


def test_a_private_file_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    # given
    path = tmp_path / "secret"
    # when
    first = read_or_create(path, lambda: "one")
    second = read_or_create(path, lambda: "two")
    # then
    assert (first, second) == ("one", "one")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


def test_of_many_that_make_it_at_once_all_get_the_first(tmp_path: Path) -> None:
    # given
    path, together = tmp_path / "secret", Barrier(16)

    def make(number: int) -> str:
        together.wait()
        return read_or_create(path, lambda: f"made by {number}")

    # when
    with ThreadPoolExecutor(16) as pool:
        texts = set(pool.map(make, range(16)))
    # then
    assert texts == {path.read_text().strip()}


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("open to all")
    path.chmod(0o640)

    with pytest.raises(PrivateFileError, match=r"mode 0640\); chmod 600"):
        read_or_create(path, lambda: "new")


def test_an_empty_file_is_not_taken_for_a_secret(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.touch(0o600)

    with pytest.raises(PrivateFileError, match="is empty"):
        read_or_create(path, lambda: "new")


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PrivateFileError, match="nowhere/secret: No such file or directory"):
        read_or_create(tmp_path / "nowhere" / "secret", lambda: "new")


# --- the server's secret -------------------------------------------------------------


def test_the_secret_is_made_once_and_kept(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data")

    secret = server_secret(settings)

    assert len(secret) == 32
    assert server_secret(settings) == secret
    assert stat.S_IMODE((tmp_path / "data" / "secret").stat().st_mode) == 0o600


def test_a_given_secret_leaves_no_file(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path / "data", secret=SecretStr("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
    )

    assert server_secret(settings) == b"0123456789abcdef0123456789abcdef"
    assert not (tmp_path / "data").exists()


def test_a_spoilt_secret_is_refused_and_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("c2hvcnQ=")
    path.chmod(0o600)

    with pytest.raises(PrivateFileError, match="not 32 bytes in base64"):
        server_secret(settings_in(tmp_path))
    assert path.read_text() == "c2hvcnQ="


def test_derived_secrets_follow_rfc_5869() -> None:
    # HKDF-SHA256 with the salt "counterfoil", as computed by another implementation.
    secret = bytes(range(32))

    assert derived_secret(secret, "api key pepper").hex() == (
        "1ef63d056d973f563a7e3ef9096fb584b6e0ca189f069184de697e9b22871533"
    )
    assert derived_secret(secret, "leaf salts", 80).hex() == (
        "457dbe59d72461ac793aae3464b5f12c2b49e02da676b719b8b7c5927b219a18"
        "48f843b7c32404d8627191fbc5e29abcef34f4969c800ed5df4de122921b9c63"
        "3a3ddd3858d63123783687561a8aa016"
    )


# --- keys ----------------------------------------------------------------------------


def test_a_new_key_has_our_form_and_is_no_other() -> None:
    keys = {new_api_key() for _ in range(1_000)}

    assert len(keys) == 1_000
    for key in keys:
        assert len(key) == 57
        assert key.startswith("cf_live_")
        assert is_well_formed(key)


def test_a_mistyped_key_shows_itself() -> None:
    key = new_api_key()
    for place in range(len("cf_live_"), len(key)):
        other = "a" if key[place] != "a" else "b"
        assert not is_well_formed(key[:place] + other + key[place + 1 :])
    assert not is_well_formed(key[:-1])
    assert not is_well_formed(key + "0")


def test_of_a_key_only_its_prefix_and_four_characters_show() -> None:
    key = new_api_key()

    assert hint(key) == key[:12]
    assert hint("a-key-of-16-chars") == ""


def test_the_admin_key_is_made_once_and_kept(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)

    key = admin_key(settings)

    assert is_well_formed(key)
    assert admin_key(settings) == key
    assert stat.S_IMODE((tmp_path / "admin-key").stat().st_mode) == 0o600


def test_the_keyring_knows_the_administrator(tmp_path: Path) -> None:
    # given
    settings = settings_in(tmp_path)
    keyring = open_keyring(settings, TENANT)
    # when
    digest = keyring.digest(admin_key(settings))
    # then
    assert digest is not None
    identity = keyring.find(digest)
    assert identity is not None
    assert (identity.tenant_id, identity.name) == (TENANT, "admin")
    assert identity.scopes == frozenset(Scope)
    assert identity.introspection


def test_a_given_admin_key_is_the_key(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, admin_key=SecretStr("a-key-of-16-chars"))
    keyring = open_keyring(settings, TENANT)

    digest = keyring.digest("a-key-of-16-chars")

    assert digest is not None
    assert keyring.find(digest) is not None
    assert not (tmp_path / "admin-key").exists()


@pytest.mark.parametrize(
    "key", ["", "short", "x" * 257, "a-key-of-16-charS", "a-key-of-16-chars ", "ключ" * 10]
)
def test_another_key_is_nobodys(tmp_path: Path, key: str) -> None:
    settings = Settings(data_dir=tmp_path, admin_key=SecretStr("a-key-of-16-chars"))
    keyring = open_keyring(settings, TENANT)

    digest = keyring.digest(key)

    assert digest is None or keyring.find(digest) is None


def test_a_digest_is_worth_nothing_under_another_pepper(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, admin_key=SecretStr("a-key-of-16-chars"))
    keyring = open_keyring(settings, TENANT)

    assert keyring.find(key_digest(b"another pepper", "a-key-of-16-chars")) is None


def test_stores_are_asked_in_order(tmp_path: Path) -> None:
    # given
    settings = settings_in(tmp_path)
    first = open_keyring(settings, TENANT)
    digest = first.digest(admin_key(settings))
    assert digest is not None
    identity = first.find(digest)
    assert identity is not None
    # when
    keyring = Keyring(b"pepper", [SetOfKeys([]), SetOfKeys([(b"digest", identity)])])
    # then
    assert keyring.find(b"digest") == identity
    assert keyring.find(b"other") is None
