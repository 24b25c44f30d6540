"""`counterfoil doctor`: what is set wrong, and what it costs."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

import click

from interfaces.cli.opening import settings_for_a_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from interfaces.doctor.finding import Finding

_COLOURS = {"ok": "green", "note": "cyan", "slow": "yellow", "wrong": "red"}
_WIDTH = 96


@click.command(short_help="Say what is set wrong, and what it costs.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
@click.option("--quiet", is_flag=True, help="Only what is slow or wrong.")
def doctor(as_json: bool, quiet: bool) -> None:
    """Examine the database's settings, the ledger in it and this machine. Changes nothing.

    wrong: acknowledged charges may be lost, tenants may not be kept apart, or something does
    not do its work. slow: it costs speed. With one or more of these the exit code is 1.

    \b
    Examples:
      counterfoil doctor
      COUNTERFOIL_DATABASE_URL=postgresql://... counterfoil doctor --json
    """
    from interfaces.doctor.examination import examine

    settings = settings_for_a_command()

    def tell(told: str) -> None:
        if not (quiet or as_json):
            click.secho(told, err=True, dim=True)

    findings = list(examine(settings, tell))
    bad = [finding for finding in findings if finding.level in ("slow", "wrong")]
    if as_json:
        click.echo(_as_json(findings, healthy=not bad))
    else:
        for finding in bad if quiet else findings:
            _tell(finding)
        click.echo(_summary(findings))
    if bad:
        raise SystemExit(1)


def _as_json(findings: Sequence[Finding], *, healthy: bool) -> str:
    checks = [
        {
            "check": each.check,
            "level": each.level,
            "found": each.found,
            "says": each.says,
            "remedy": each.remedy,
        }
        for each in findings
    ]
    return json.dumps({"healthy": healthy, "checks": checks}, indent=2)


def _tell(finding: Finding) -> None:
    level = click.style(f"{finding.level:<5}", fg=_COLOURS[finding.level])
    click.echo(f"{level}  {finding.check}: {finding.found}")
    if finding.level != "ok":
        for text in (finding.says, finding.remedy and f"-> {finding.remedy}"):
            if text:
                click.echo(textwrap.indent(textwrap.fill(text, _WIDTH - 7), " " * 7))


def _summary(findings: Sequence[Finding]) -> str:
    counts = {level: sum(each.level == level for each in findings) for level in _COLOURS}
    return ", ".join(f"{count} {level}" for level, count in counts.items() if count)
