"""The console script `hub`: each command is a few lines over what does the work, imported when it runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from hub.commands.parts import load_settings, tell_faults
from hub.settings import Settings

EPILOG = """\b
Settings are environment variables (HUB_PORT, HUB_DATABASE_URL, …), or lines of the file that
HUB_ENV_FILE names; config/production.env.example explains each of them.

\b
To try the hub:    hub run
In production:     hub migrate, then hub serve, hub worker and hub beat
When in doubt:     hub doctor
"""


@click.group(
    epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="coordinoter-hub", prog_name="hub")
def main() -> None:
    """Coordinoter Hub keeps calendars of several providers equal, in both directions."""


@main.command()
@tell_faults
def run() -> None:
    """Run everything on this machine: web, worker, beat, broker, and sandboxes.

    Migrates the database first, prints where the page is and an API key, and stays until ctrl-C. Providers
    whose client id is set (HUB_<PROVIDER>_CLIENT_ID) are the real ones; a sandbox plays each of the others.
    Data, keys and logs are kept in HUB_HOME.
    """
    from hub.processes.embedded import CannotRunError, Embedded

    try:
        Embedded(Settings.load(), click.echo).run()
    except CannotRunError as error:
        raise click.ClickException(str(error)) from error


@main.command()
@tell_faults
def serve() -> None:
    """Serve the pages, the API and the providers' callbacks (gunicorn) on HUB_HOST:HUB_PORT."""
    from hub.commands.start import check_provider_settings
    from hub.processes.web import serve as serve_web

    settings = load_settings()
    check_provider_settings(settings)
    serve_web(settings)


@main.command()
@click.option("--queues", help="Queues to work on, comma separated; all of them if not given.")
@click.option("--processes", type=click.IntRange(1), help="Instead of HUB_WORKER_PROCESSES.")
@tell_faults
def worker(queues: str | None, processes: int | None) -> None:
    """Work on the queues: pull from providers, push to them, keep channels alive.

    Run as many as you like, on any machine that reaches the database and Redis. The queues are inbound
    (pulls), outbound (pushes), bulk (first imports and other long work, in steps), keeping (renewals,
    sweeps) and delivery (webhooks to consumers).
    """
    from hub.processes.tasks import QUEUES, work

    settings = load_settings()
    work(_with_broker(settings), queues or QUEUES, processes or settings.worker_processes)


@main.command()
@tell_faults
def beat() -> None:
    """Wake the workers from time to time, for sweeps and renewals. One is enough, two do no harm."""
    from hub.processes.tasks import beat as run_beat

    run_beat(_with_broker(load_settings()))


def _with_broker(settings: Settings) -> Settings:
    if not settings.redis_url:
        raise click.ClickException(
            "There is no broker: set HUB_REDIS_URL, or use hub run, which starts its own."
        )
    return settings


@main.command()
@tell_faults
def restored() -> None:
    """Say that the database was restored from a backup: run it before the hub is started again.

    Every linked calendar is then listed anew, and what the hub had written after the backup is recognised
    there instead of being doubled. Nothing is written to a calendar before it was listed.
    """
    from hub.commands.restored import adopt_all

    click.echo(f"{adopt_all(load_settings())} links will recognise what is there when the hub starts.")


@main.command()
@click.option("--link", metavar="LINK", help="Look at this link alone.")
@click.option("--apply", is_flag=True, help="Delete what was found; else it is only told.")
@click.option("--restore", metavar="FILE", help="Make again what an earlier run has written to a file.")
@tell_faults
def duplicates(link: str | None, *, apply: bool, restore: str | None) -> None:
    """Find events that the hub has made twice, and delete them on demand. Nobody is mailed.

    Only what carries the hub's own mark, looks the same as another event of its calendar and is no meeting is
    taken for one. What the hub holds as an event is deleted in one run, which the API undoes; the rest is
    written to a file first.
    """
    from pathlib import Path

    from hub.commands import duplicates as tool
    from hub.commands.restored import Nobody
    from hub.wiring import build_ports

    settings = load_settings()
    ports = build_ports(settings, Nobody())
    if restore:
        click.echo(f"{tool.restore(ports, Path(restore))} events were made again.")
        return
    found = []
    for duplicate in tool.find(ports, link):
        content = duplicate.remote.content
        known = f"event {duplicate.event_id}" if duplicate.event_id else "not known to the hub"
        click.echo(f"{duplicate.calendar.name}: {content.title!r}, {content.when.start} ({known})")
        found.append(duplicate)
    if not apply or not found:
        click.echo(f"{len(found)} duplicates. Nothing was deleted.")
        return
    run_id, file = tool.clear(ports, found, Path(settings.home))
    click.echo(f"{len(found)} duplicates were deleted. Undo: POST /v1/runs/{run_id}/undo, and hub duplicates")
    click.echo(f"--restore {file}, where there is such a file.")


@main.command()
@click.option(
    "--down", metavar="REVISION", help="Go back to this revision instead; base is the empty database."
)
@tell_faults
def migrate(down: str | None) -> None:
    """Bring the database to the schema of this version.

    Run it before a new version is started. Going back may drop data of newer versions: back up first.
    """
    from alembic.util import CommandError

    from hub import migrations

    settings = load_settings()
    try:
        if down:
            migrations.downgrade(settings.database_url, down)
        else:
            migrations.upgrade(settings.database_url)
    except CommandError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"The database is at {down or 'the newest revision'}.")


@main.command()
@tell_faults
def plugins() -> None:
    """List the provider plugins: which are loaded, and why one is not."""
    from hub import log
    from hub.providers.manager import load_providers

    log.configure("CRITICAL")  # the table says it
    statuses = load_providers(load_settings()).statuses
    rows = [(status.name, status.distribution, status.state, status.reason or "") for status in statuses]
    _table(("provider", "distribution", "state", "reason"), rows)
    if not rows:
        click.echo("No plugin is installed: install one for each calendar service that you need.")


@main.command()
def fidelity() -> None:
    """Print what becomes of each field of an event at each provider, as Markdown (docs/fidelity.md)."""
    from hub.commands.fidelity import written
    from hub.processes.sandbox import installed

    click.echo(written(point.load().provider() for point in installed()), nl=False)


@main.command()
@click.argument("name", required=False)
@click.option("--port", type=click.IntRange(1, 65535), default=8001, show_default=True, help="Loopback port.")
@click.option("--state", type=click.Path(path_type=Path), help="File to keep its calendars in over restarts.")
@click.option("--durable", is_flag=True, help="Answer only what is in that file: a kill loses nothing.")
@click.option("--announce", type=click.Path(path_type=Path), help="File to write its settings to, as JSON.")
@tell_faults
def sandbox(name: str | None, port: int, state: Path | None, durable: bool, announce: Path | None) -> None:
    """Play provider NAME locally, in the foreground.

    Prints the settings that point a hub at it. Without NAME, lists the providers that can be played.
    """
    from hub.processes.sandbox import NoSuchProviderError, installed, serve

    if name is None:
        for point in installed():
            click.echo(point.name)
        return
    try:
        serve(name, port, state, announce, durable=durable)
    except (NoSuchProviderError, OSError) as error:
        raise click.ClickException(str(error)) from error


@main.command()
@tell_faults
def doctor() -> None:
    """Check settings, database, broker, plugins and the public address; say how to mend what is wrong.

    Ends with exit code 1 if something must be mended.
    """
    from hub import log
    from hub.commands.doctor import examine

    log.configure("CRITICAL")  # the findings say it
    ill = 0
    for finding in examine(load_settings()):
        click.echo(
            f"{click.style('ok  ' if finding.good else 'BAD ', fg='green' if finding.good else 'red')} ",
            nl=False,
        )
        click.echo(f"{finding.what}: {finding.detail}")
        if not finding.good:
            ill += 1
            click.echo(f"     -> {finding.mend}")
    if ill:
        click.echo(f"{ill} to mend.")
        raise SystemExit(1)


@main.group()
def keys() -> None:
    """Make, list and end API keys; make and rotate the keys that encrypt tokens at rest."""


@keys.command("create")
@click.argument("name")
@click.option("--tenant", default="local", show_default=True, help="The application it is for; made if new.")
@click.option("--read-only", is_flag=True, help="Allow reading only.")
@click.option("--days", type=click.IntRange(1), help="End it after so many days.")
@tell_faults
def create_key(name: str, tenant: str, read_only: bool, days: int | None) -> None:
    """Make an API key called NAME and print it. It is shown once: only its digest is kept."""
    from hub.commands import keys as commands

    click.echo(commands.create(load_settings(), name, tenant, read_only, days))


@keys.command("list")
@tell_faults
def list_keys() -> None:
    """List the API keys; the keys themselves cannot be shown again."""
    from hub.commands import keys as commands

    header = ("id", "tenant", "name", "begins", "scopes", "last used", "state")
    _table(header, commands.listing(load_settings()))


@keys.command("revoke")
@click.argument("key_id", metavar="ID")
@tell_faults
def revoke_key(key_id: str) -> None:
    """End the API key ID at once."""
    from hub.commands import keys as commands

    try:
        commands.revoke(load_settings(), key_id)
    except commands.NoSuchKeyError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{key_id} is revoked.")


@keys.group()
def encryption() -> None:
    """The keys of HUB_SECRET_KEYS, that encrypt tokens at rest. The first one encrypts, all decrypt."""


@encryption.command()
@click.argument("key_id", metavar="ID", default="k1")
def generate(key_id: str) -> None:
    """Print a new key called ID, for HUB_SECRET_KEYS."""
    from hub.commands import keys as commands

    try:
        click.echo(commands.generate(key_id))
    except ValueError as error:
        raise click.ClickException(f"An id has up to 32 letters, digits, - or _, not {key_id!r}.") from error


@encryption.command()
@tell_faults
def rotate() -> None:
    """Encrypt all stored tokens with the first key of HUB_SECRET_KEYS.

    \b
    Production: 1. append a new key, restart all processes, so that all can read it
                2. move it to the front, restart, so that all write with it
                3. hub keys encryption rotate
                4. remove the old key, restart
    Embedded (key in HUB_HOME): end the hub, then run this; a new first key is made.
    """
    from hub.commands import keys as commands
    from hub.processes.embedded import CannotRunError

    try:
        key_id, sealed = commands.rotate(load_settings())
    except CannotRunError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{key_id} encrypts; {sealed} grants were encrypted anew.")


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    for row in [header, *rows]:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


if __name__ == "__main__":
    main()
