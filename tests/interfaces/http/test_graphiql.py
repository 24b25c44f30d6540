"""GraphiQL: fetched by pinned hash or not at all, served from local files."""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import tarfile
from pathlib import Path

import pytest

from interfaces.http import graphiql
from interfaces.http.graphiql import PinnedFile, PinnedPackage, fetch_graphiql, is_complete, page

CONTENT = b"window.GraphiQL = 1;"


def archive_of(files: dict[str, bytes]) -> bytes:
    octets = io.BytesIO()
    with tarfile.open(fileobj=octets, mode="w:gz") as members:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            members.addfile(member, io.BytesIO(content))
    return octets.getvalue()


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program named npm that gives out `archive`, and a single pinned package."""
    programs = tmp_path / "programs"
    programs.mkdir()
    archive = tmp_path / "archive"
    archive.write_bytes(archive_of({"package/dist/page.min.js": CONTENT}))
    program = programs / "npm"
    program.write_text(
        '#!/bin/sh\nset -eu\n[ "$1" = pack ]\n'
        f'for last; do :; done\n[ "$last" = graphiql@1.2.3 ]\ncp "{archive}" graphiql-1.2.3.tgz\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    pinned = PinnedPackage(
        "graphiql",
        "1.2.3",
        hashlib.sha512(archive.read_bytes()).hexdigest(),
        (PinnedFile("dist/page.min.js", hashlib.sha256(CONTENT).hexdigest()),),
    )
    monkeypatch.setattr(graphiql, "PACKAGES", (pinned,))
    return archive


def test_the_pinned_files_are_fetched_once(npm: Path, tmp_path: Path) -> None:
    # given
    target = tmp_path / "vendor"
    # when
    outcome = fetch_graphiql(target)
    npm.unlink()
    again = fetch_graphiql(target)
    # then
    assert outcome.fetched, outcome.message
    assert (target / "page.min.js").read_bytes() == CONTENT
    assert is_complete(target)
    assert again.fetched


@pytest.mark.usefixtures("npm")
def test_a_file_that_was_changed_is_fetched_again(tmp_path: Path) -> None:
    # given
    fetch_graphiql(tmp_path)
    (tmp_path / "page.min.js").write_bytes(CONTENT + b" // more")
    assert not is_complete(tmp_path)
    # when
    outcome = fetch_graphiql(tmp_path)
    # then
    assert outcome.fetched
    assert (tmp_path / "page.min.js").read_bytes() == CONTENT


def test_an_archive_that_is_not_the_pinned_one_is_refused(npm: Path, tmp_path: Path) -> None:
    # given
    npm.write_bytes(archive_of({"package/dist/page.min.js": b"window.stolen = 1;"}))
    # when
    outcome = fetch_graphiql(tmp_path / "vendor")
    # then
    assert not outcome.fetched
    assert "graphiql@1.2.3 is not what was pinned" in outcome.message
    assert not (tmp_path / "vendor").exists()


def test_a_failing_npm_stops_nothing(npm: Path, tmp_path: Path) -> None:
    npm.unlink()

    outcome = fetch_graphiql(tmp_path / "vendor")

    assert not outcome.fetched
    assert outcome.message == (
        "GraphiQL was not fetched: npm cannot reach its registry, or failed. "
        "The rest works; later: counterfoil fetch-graphiql"
    )


def test_without_npm_nothing_stops_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    outcome = fetch_graphiql(tmp_path / "vendor")

    assert not outcome.fetched
    assert "npm is not installed" in outcome.message


@pytest.mark.usefixtures("npm")
def test_a_target_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    outcome = fetch_graphiql(tmp_path / "file" / "vendor")

    assert not outcome.fetched
    assert "cannot be written" in outcome.message


@pytest.mark.usefixtures("npm")
def test_the_page_says_how_to_get_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    monkeypatch.setattr(graphiql, "VENDOR", tmp_path)
    # when
    without = bytes(page().body).decode()
    fetch_graphiql(tmp_path)
    complete = bytes(page().body).decode()
    # then
    assert "counterfoil fetch-graphiql" in without
    assert "<script" not in without
    assert "graphql/assets/page.js" in complete


def test_pages_and_script_name_no_other_host() -> None:
    texts = [path.read_text() for path in graphiql.STATIC.iterdir() if path.is_file()]
    texts += [graphiql._PAGE, graphiql._PAGE_WITHOUT, graphiql._POLICY]

    assert len(texts) == 5
    for text in texts:
        assert not re.search(r"(https?:)?//[a-z]", text), text
    # All that runs is in files: the policy forbids the rest.
    assert not re.search(r"<script>|<style>| on[a-z]+=|javascript:", graphiql._PAGE)


def test_every_pin_is_a_whole_hash() -> None:
    for package in graphiql.PACKAGES:
        assert re.fullmatch(r"[0-9a-f]{128}", package.sha512)
        for file in package.files:
            assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
