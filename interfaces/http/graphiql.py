"""GraphiQL, served from local files; nothing is ever loaded from elsewhere.

Its files are not part of the project: `fetch_graphiql` gets the pinned versions through npm and
checks them against the hashes below. Without them the page says how to get them.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.responses import HTMLResponse, Response

STATIC = Path(__file__).parent / "static"
VENDOR = STATIC / "vendor"
ASSETS_PATH = "/graphql/assets"

NPM_SECONDS = 60.0
FETCH_COMMAND = "counterfoil fetch-graphiql"


@dataclass(frozen=True)
class PinnedFile:
    """path: in the package. sha256: of the file, in hexadecimal."""

    path: str
    sha256: str

    @property
    def name(self) -> str:
        return Path(self.path).name


@dataclass(frozen=True)
class PinnedPackage:
    """sha512: of the package's archive, in hexadecimal."""

    name: str
    version: str
    sha512: str
    files: tuple[PinnedFile, ...]

    @property
    def specifier(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def archive(self) -> str:
        return f"{self.name}-{self.version}.tgz"


PACKAGES = (
    PinnedPackage(
        "react",
        "18.3.1",
        "c12fa1020252851d0a844bcf240adfb8f54dd7e1f3d6dd18ea7e632eb1906e46"
        "f8bab80f13fd11bdefb590c075bffa16807826e1621c57e8bb176a53563fb689",
        (
            PinnedFile(
                "umd/react.production.min.js",
                "d949f1c3687aedadcedac85261865f29b17cd273997e7f6b2bfc53b2f9d4c4dd",
            ),
        ),
    ),
    PinnedPackage(
        "react-dom",
        "18.3.1",
        "e66e2740aa7ead945bd3d2cd1f9f463380714e1f76e75ff295b2886e97bb4e91"
        "b17c9fbd92fe812e42c15c88e3b296e06e720136a948db7b519d3593d2c9d423",
        (
            PinnedFile(
                "umd/react-dom.production.min.js",
                "35f4f974f4b2bcd44da73963347f8952e341f83909e4498227d4e26b98f66f0d",
            ),
        ),
    ),
    PinnedPackage(
        "graphiql",
        "3.8.3",
        "72e3c362d5d5295f3a3eee4f1c15fae3639d8bfb95104db2d49c6ae6b18efd0c"
        "b51b6951a7b659edafd3df4473c61b8b496a3dcd46f3ab43f7538f7ffc7d1483",
        (
            PinnedFile(
                "graphiql.min.js",
                "22faab94067b695e5f7959619fbe686ebcc8955002a0c97d986bcbba4ad4bc2c",
            ),
            PinnedFile(
                "graphiql.min.css",
                "b1868247f8e0502cd869e581f5f3cb55b334862e7f51b1d6cbace11059b9adc2",
            ),
        ),
    ),
)


@dataclass(frozen=True)
class FetchOutcome:
    """message: what came of it, and what to do if GraphiQL is not there."""

    fetched: bool
    message: str


class _NotFetched(Exception):
    """A clause: why."""


# --- the page ------------------------------------------------------------------------

# Editors set styles on elements as they go: the only thing that has to be inline.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
# Paths are relative, so that the page also works under a proxy's prefix.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Counterfoil GraphiQL</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="graphql/assets/vendor/graphiql.min.css">
<link rel="stylesheet" href="graphql/assets/page.css">
</head>
<body>
<div id="graphiql">Loading</div>
<script src="graphql/assets/vendor/react.production.min.js"></script>
<script src="graphql/assets/vendor/react-dom.production.min.js"></script>
<script src="graphql/assets/vendor/graphiql.min.js"></script>
<script src="graphql/assets/page.js"></script>
</body>
</html>
"""
_PAGE_WITHOUT = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Counterfoil GraphQL</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="graphql/assets/page.css">
</head>
<body class="without">
<h1>The ledger answers here</h1>
<p>Operations are sent by <code>POST /graphql</code> with the header
<code>Authorization: Bearer &lt;key&gt;</code>.</p>
<p>GraphiQL, the page to write them on, is not installed. With npm and a network at hand:</p>
<pre>{FETCH_COMMAND}</pre>
<p>Then load this page again.</p>
</body>
</html>
"""


def page() -> Response:
    """Return GraphiQL's page, or the one that says how to get it."""
    return HTMLResponse(_PAGE if is_complete(VENDOR) else _PAGE_WITHOUT, headers=_HEADERS)


def is_complete(vendor: Path) -> bool:
    """Whether all files are there and are those that were pinned."""
    return all(
        _has_hash(vendor / file.name, file.sha256) for package in PACKAGES for file in package.files
    )


def _has_hash(path: Path, sha256: str) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    return _sha256(path, status.st_mtime_ns, status.st_size) == sha256


@cache
def _sha256(path: Path, _changed_ns: int, _size: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- getting it ----------------------------------------------------------------------


def fetch_graphiql(target: Path = VENDOR) -> FetchOutcome:
    """Put GraphiQL's files into `target` by `npm pack`, checked; never raises.

    Gives up after NPM_SECONDS. What is there already and right is kept.
    """
    if is_complete(target):
        return FetchOutcome(fetched=True, message="GraphiQL is there.")
    try:
        with tempfile.TemporaryDirectory() as scratch:
            _pack(Path(scratch))
            contents = _checked_contents(Path(scratch))
        _write(contents, target)
    except _NotFetched as failure:
        told = f"GraphiQL was not fetched: {failure}. The rest works; later: {FETCH_COMMAND}"
        return FetchOutcome(fetched=False, message=told)
    return FetchOutcome(fetched=True, message=f"GraphiQL {PACKAGES[-1].version} is installed.")


def _pack(scratch: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise _NotFetched("npm is not installed")
    specifiers = [package.specifier for package in PACKAGES]
    options = ["--ignore-scripts", "--fetch-retries=1", "--fetch-timeout=20000"]
    try:
        subprocess.run(
            [npm, "pack", *options, *specifiers],
            cwd=scratch,
            check=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=NPM_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise _NotFetched("npm did not answer in time") from None
    except (subprocess.CalledProcessError, OSError):
        raise _NotFetched("npm cannot reach its registry, or failed") from None


def _checked_contents(scratch: Path) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    for package in PACKAGES:
        archive = scratch / package.archive
        if not archive.is_file():
            raise _NotFetched(f"npm gave no {package.archive}")
        if hashlib.sha512(archive.read_bytes()).hexdigest() != package.sha512:
            raise _NotFetched(f"{package.specifier} is not what was pinned")
        with tarfile.open(archive) as members:
            for file in package.files:
                contents[file.name] = _member(members, file)
    return contents


def _member(members: tarfile.TarFile, file: PinnedFile) -> bytes:
    try:
        member = members.extractfile(f"package/{file.path}")
    except KeyError:
        member = None
    octets = member.read() if member is not None else b""
    if hashlib.sha256(octets).hexdigest() != file.sha256:
        raise _NotFetched(f"{file.path} is not what was pinned")
    return octets


def _write(contents: dict[str, bytes], target: Path) -> None:
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name, octets in contents.items():
            draft = target / f".{name}"
            draft.write_bytes(octets)
            draft.replace(target / name)
    except OSError as failure:
        raise _NotFetched(f"{target} cannot be written ({failure.strerror})") from None


def main() -> int:
    outcome = fetch_graphiql()
    sys.stdout.write(f"{outcome.message}\n")
    return 0 if outcome.fetched else 1


if __name__ == "__main__":
    sys.exit(main())
