"""Open the viewer: replay drives in a browser, compare planners, inspect lost metrics.

    python scripts/view.py results/first
    python scripts/view.py results/first results/second     # compare two runs
    python scripts/view.py --data demo/worlds               # logged scenarios without drives
    python scripts/view.py results/first --data ~/nuplan    # the data set was moved
    python scripts/view.py failures --notes failures/notes  # with notes of a search or a generator

The server accepts connections from this machine only. From another machine use a tunnel:
ssh -L 8421:localhost:8421 HOST.
"""

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import uvicorn
from command_line import CommonArguments, console, run
from tyro.conf import Positional, UseAppendAction

from driving.nuplan.filters import ScenarioFilter
from simulation.viewer.server import LOCAL_HOSTS, make_app
from simulation.viewer.sources import open_sources

DEFAULT_PORT = 8421


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Sources and address of the viewer."""

    results: Positional[tuple[Path, ...]] = ()
    """Results folders of scripts/benchmark.py."""
    data: Path | None = None
    """nuPlan data root of the results, if it was moved; without results, the scenarios to list."""
    maps: Path | None = None
    """Maps folder, if it is not part of the data root."""
    notes: Path | None = None
    """Folder of notes about the scenarios; by default notes/ of the results folder and of the data root."""
    filter: Path | None = None
    """Filter file of the devkit for the scenarios of --data."""
    port: int | None = None
    """Port of the server; default 8421, or a free port if 8421 is taken."""
    host: str = "127.0.0.1"
    """Address of the server. Any other address than the default opens all data to the network, without a password."""
    allow_host: Annotated[UseAppendAction[tuple[str, ...]], None] = ()
    """Further host names that requests may carry, for --host."""


def main(arguments: Arguments) -> None:
    """Serve until interrupted."""
    chosen = None if arguments.filter is None else ScenarioFilter.from_yaml(arguments.filter)
    sources = open_sources(arguments.results, arguments.data, arguments.maps, chosen, notes=arguments.notes)
    app = make_app(sources, (*LOCAL_HOSTS, arguments.host, *arguments.allow_host))
    listener = listen(arguments.host, arguments.port)
    port = listener.getsockname()[1]
    console.print(f"http://{arguments.host}:{port}/", highlight=False, soft_wrap=True)
    if not arguments.quiet:
        console.print("Stop with Ctrl-C.", style="dim")
    level = "info" if arguments.verbose else "warning"
    server = uvicorn.Server(uvicorn.Config(app, log_level=level, access_log=arguments.verbose))
    server.run(sockets=[listener])


def listen(host: str, port: int | None) -> socket.socket:
    """A listening socket.

    Raises:
        OSError: When the port is taken, or this machine has no such address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for wanted in (DEFAULT_PORT, 0) if port is None else (port,):
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, wanted))
        except OSError as error:
            listener.close()
            if port is not None or wanted == 0:
                raise OSError(f"Cannot listen on {host}:{wanted}: {error.strerror}. Name another --port.") from error
        else:
            listener.listen(128)
            return listener
    raise AssertionError("port 0 binds a free port")


if __name__ == "__main__":
    run(Arguments, main, __doc__)
