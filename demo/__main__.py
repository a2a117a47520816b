"""`python -m demo run` and `python -m demo airflow`."""

from __future__ import annotations

import argparse
import logging
import signal
import sys

from rich.console import Console

from demo.run import DemoFailedError, run_demo
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
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    # A terminated demo stops its servers like an interrupted one.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    console = Console(highlight=False, soft_wrap=True)
    try:
        if arguments.command == "run":
            run_demo(arguments.source, console)
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
