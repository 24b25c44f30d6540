"""Where a file is to be had: its path, and what a link to it says."""

from __future__ import annotations

from interfaces.exports.making import Made
from interfaces.exports.request import ExportRequest

PATH = "/v1/exports/"
MANIFEST = ".manifest.json"
SHA256 = "sha256"


def path_and_query(request: ExportRequest, made: Made) -> tuple[str, dict[str, str]]:
    """Return the path of a file, and what is asked of it."""
    return f"{PATH}{made.name}", {**request.said(), SHA256: made.sha256}
