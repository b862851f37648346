"""``neurolens doctor``: what works on this machine, and what to do about the rest."""

import sys

import click

from neurolens.cli.console import Console, add_console
from neurolens.cli.doctor import Finding, examine

REFUTED = 3  # a check ran, and its answer is no


@click.command("doctor")
@click.option("--offline", is_flag=True, help="Ask no server.")
@add_console
@click.pass_context
def command(ctx: click.Context, *, console: Console, offline: bool) -> int:
    r"""Check packages, devices, folders, network and mirror, and run a small analysis.

    Each line says what is there, and what to do about it. The exit status is 0 where all that is
    needed works, and 3 where something that is needed is broken. --quiet prints only what is
    not in order.

    \b
    Examples:
      neurolens doctor
      neurolens doctor --offline
      neurolens doctor --json > doctor.json
    """
    findings = []
    for finding in examine(offline=offline):
        findings.append(finding)
        if not console.as_json and (finding.state != "ok" or not console.quiet):
            click.echo(format_finding(finding), file=sys.stdout)
    works = not any(finding.is_harmful for finding in findings)
    console.answer(
        summarize(findings), {"works": works, "findings": [one.to_dict() for one in findings]}
    )
    return 0 if works else REFUTED


def format_finding(finding: Finding) -> str:
    """Return a finding in a line, and what to do about it in a second."""
    line = f"{finding.state:8} {finding.name}: {finding.text}"
    return f"{line}\n         {finding.advice}" if finding.advice else line


def summarize(findings: list[Finding]) -> str:
    """Return the sentence at the end."""
    harmful = [one.name for one in findings if one.is_harmful]
    faults = [one.name for one in findings if one.state == "fault" and not one.needed]
    missing = sum(one.state == "missing" for one in findings)
    if harmful:
        parts = [f"Needed, and broken: {', '.join(harmful)}."]
    else:
        parts = ["All that is needed works."]
    if faults:
        parts.append(f"Not in order, and not needed by all: {', '.join(faults)}.")
    if missing:
        parts.append(f"{missing} optional parts are not there.")
    return "\n" + " ".join(parts)
