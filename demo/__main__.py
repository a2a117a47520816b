"""`python -m demo run`, `python -m demo airflow` and `python -m demo seed`."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from pathlib import Path

from rich.console import Console

from demo.run import DemoFailedError, run_demo
from demo.seeding import DATABASE_VARIABLE, seed
from demo.standalone import run_airflow


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m demo")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, about in (
        ("run", "run the DAG on the demo catalogue and compare with what is planted"),
        ("airflow", "start Airflow with its web interface on the demo catalogue"),
    ):
        command = commands.add_parser(name, help=about)
        command.add_argument("--source", choices=("sqlite", "mysql"), default="sqlite")
        if name == "airflow":
            command.add_argument("--port", type=int, default=0, help="0: any free port")
    command = commands.add_parser(
        "seed", help=f"fill the database that {DATABASE_VARIABLE} names, and draw its pictures"
    )
    command.add_argument("--folder", type=Path, required=True, help="where the pictures go")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    # A terminated demo stops its servers like an interrupted one.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    console = Console(highlight=False, soft_wrap=True)
    try:
        if arguments.command == "run":
            run_demo(arguments.source, console)
        elif arguments.command == "seed":
            seed(arguments.folder, os.environ, console)
        else:
            run_airflow(arguments.source, arguments.port, console)
    except DemoFailedError as error:
        console.print(str(error), markup=False, style="red")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
