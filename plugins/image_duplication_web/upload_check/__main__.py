"""The upload check as a service of its own, and the API keys of those who may use it.

python -m image_duplication_web.upload_check            serve, by the settings `upload_service`
python -m image_duplication_web.upload_check key NAME   make a key, and print it once
"""

from __future__ import annotations

import argparse
import math
import sys
from typing import Any

import uvicorn

from image_duplication.errors import ImageDuplicationError
from image_duplication.settings import Settings, load_settings
from image_duplication_web.upload_check.app import create_service_app
from image_duplication_web.upload_check.connections import BoundedHeadProtocol
from image_duplication_web.upload_check.keys import add_key, keys_path

_USAGE_ERROR = 2
_KEEP_ALIVE_S = 30


def main() -> int:
    """Do what the command line says; the exit code."""
    arguments = _parse(sys.argv[1:])
    try:
        if arguments.command == "key":
            _make_key(arguments.name)
        else:
            _serve(load_settings(_overrides(arguments)))
    except ImageDuplicationError as error:
        print(error, file=sys.stderr)
        return _USAGE_ERROR
    return 0


def _parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m image_duplication_web.upload_check",
        description="Serves the upload check. Defaults are those of the settings.",
    )
    parser.add_argument("--host")
    parser.add_argument("--port", type=int, help="0: any that is free")
    parser.add_argument("--processes", type=int, help="workers that decode and judge; 0: all cores")
    commands = parser.add_subparsers(dest="command")
    key = commands.add_parser("key", help="make an API key and print it, once")
    key.add_argument("name", help="of whoever gets it; limits count by name")
    return parser.parse_args(words)


def _overrides(arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    service = {"host": arguments.host, "port": arguments.port}
    upload = {"processes": arguments.processes}
    return {
        "upload_service": {name: value for name, value in service.items() if value is not None},
        "upload": {name: value for name, value in upload.items() if value is not None},
    }


def _make_key(name: str) -> None:
    path = keys_path(load_settings())
    key = add_key(path, name)
    print(f"The key of {name}; only its hash is kept, in {path}:", file=sys.stderr)
    print(key)


def _serve(settings: Settings) -> None:
    service = settings.upload_service
    uvicorn.run(
        create_service_app(settings),
        host=service.host,
        port=service.port,
        http=BoundedHeadProtocol,
        access_log=False,  # /metrics counts
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=math.ceil(settings.upload.total_time_s),
    )


if __name__ == "__main__":
    sys.exit(main())
