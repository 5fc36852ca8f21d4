"""The command line: `serve`, an endpoint that speaks AWS, `worker`, processes that work a broker's queues, `copy` from
engine to engine, and `journal`, tools for what is kept in a folder.

Errors of the one who types are a sentence: exit code 2 for what was asked wrongly, 1 for what could not be done.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

from decouple.arns import ACCOUNT, REGION, check_account, check_region
from decouple.copying import command as copying
from decouple.errors import InvalidDescription, NotInstalled, StorageError
from decouple.journal_command import add_journal, run_journal
from decouple.worker import command as worker

if TYPE_CHECKING:
    from decouple.aws.endpoint import Endpoint
    from decouple.aws.world import World
    from decouple.testing.faults import Faults

__all__ = ["main"]

HOST, PORT = "127.0.0.1", 4566
NEEDED = ("uvicorn", "httptools", "botocore")
LEVELS = ("debug", "info", "warning", "error")


def main(given: Sequence[str] | None = None) -> None:
    """Run the command that these arguments name, by default those of the process. Raises SystemExit."""
    parser = parser_of()
    asked = parser.parse_args(given)
    if "run" in asked:
        code, sentence = asked.run(asked)
        if sentence is not None:
            fail(code, sentence)
        raise SystemExit(code)
    if asked.command == "journal":
        run_journal(asked)
    elif asked.command == "serve":
        serve(parser, asked)
    else:
        parser.print_help()


def parser_of() -> argparse.ArgumentParser:
    """What may be typed."""
    parser = argparse.ArgumentParser(prog="decouple", description="Amazon-style queues, topics and functions.")
    parser.add_argument("--version", action=Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="command")
    serve = commands.add_parser("serve", help="answer SQS, SNS, Lambda and more over HTTP", allow_abbrev=False)
    serve.add_argument("--port", type=port_of, default=PORT, help="0 for a free one, which is printed (%(default)s)")
    serve.add_argument("--host", help=f"the address to listen on ({HOST}: this machine only)")
    serve.add_argument("--region", type=named(check_region), default=REGION, help="where none is named (%(default)s)")
    serve.add_argument("--account", type=named(check_account), default=ACCOUNT, help="whose, likewise (%(default)s)")
    serve.add_argument(
        "--config", type=Path, metavar="FILE", help="queues and topics: broker.describe() as JSON or TOML"
    )
    serve.add_argument(
        "--store",
        default="memory://",
        metavar="URL",
        help="where the queues and topics of --account and --region live: file:///folder or sqlite:///file.db outlive it",
    )
    serve.add_argument("--virtual-clock", action="store_true", help="time stands until POST /_decouple/clock moves it")
    serve.add_argument(
        "--strict", action="store_true", help="also AWS's rules of 60 seconds, and queue policies for SNS"
    )
    serve.add_argument(
        "--verify",
        action="append",
        default=[],
        metavar="KEY=SECRET",
        help="refuse what is not signed with one of these; @FILE has one a line",
    )
    serve.add_argument("--faults", metavar="KIND=RATE,...", help="what goes wrong, such as duplicate=0.1,lose_ack=0.05")
    serve.add_argument("--seed", type=int, help="what chance begins with: the same again, the same faults")
    serve.add_argument(
        "--record", type=count_of, default=0, metavar="N", help="keep the newest N changes, for /_decouple/messages"
    )
    serve.add_argument("--log-level", choices=LEVELS, default="warning", help="(%(default)s)")
    worker.add_to(commands)
    copying.add_to(commands)
    add_journal(commands)
    return parser


class Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from decouple.aws.endpoint.pages import version

        print(f"decouple {version()}")
        parser.exit()


def port_of(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 65_536):
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {text!r:.40}")
    return int(text)


def count_of(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 13):
        raise argparse.ArgumentTypeError(f"a number of changes to keep is 0 or more, not {text!r:.40}")
    return int(text)


def named(check: Any) -> Any:
    """A check as argparse wants it."""

    def checked(text: str) -> str:
        try:
            return cast("str", check(text))
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return checked


def serve(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> None:
    """Serve until a signal."""
    logging.basicConfig(level=asked.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if asked.log_level != "debug":  # what is no HTTP is the client's affair, and answered
        logging.getLogger("uvicorn.error").setLevel("ERROR")
    missing = next((name for name in NEEDED if find_spec(name) is None), None)
    if missing:
        install = "pip install 'decouple-messaging[server]'"
        fail(1, str(NotInstalled(missing, purpose="decouple serve", install=install)))
    try:
        secrets, description = secrets_of(asked.verify), described(asked.config)
        faults = None if asked.faults is None else planned(asked.faults)
    except (OSError, ValueError) as error:
        fail(2, str(error))

    from decouple.aws.endpoint import server  # here, because what is typed wrongly needs no server

    try:
        listener = server.bound(asked.host or HOST, asked.port)
    except OSError as error:
        why = str(error.strerror or error).partition(" (while")[0]
        fail(1, f"cannot listen on {asked.host or HOST} port {asked.port}: {why}")
    with listener:
        endpoint = endpoint_of(asked, server.url_of(listener), secrets, description, faults)
        server.serve(endpoint, listener)


def endpoint_of(
    asked: argparse.Namespace,
    url: str,
    secrets: Mapping[str, str],
    description: Mapping[str, Any],
    faults: Faults | None = None,
) -> Endpoint:
    """The application as asked for."""
    from decouple.aws.endpoint import Endpoint
    from decouple.aws.endpoint.control import LOCAL_NAMES
    from decouple.aws.world import World

    def declared(world: World) -> None:
        from decouple.describe import declare  # here, because it takes a fifth of the time in which a server starts

        declare(world.broker(), description, {}, {})

    try:
        world = World(
            clock=virtual_clock() if asked.virtual_clock else None,
            account=asked.account,
            region=asked.region,
            strict=asked.strict,
            endpoint=url,
            faults=faults,
            seed=asked.seed,
            record=asked.record,
            store=asked.store,
        )
        world.broker()  # opens the store now, and not at the first request
    except ValueError as error:  # faults that this clock cannot have, a url that is none
        fail(2, str(error))
    except StorageError as error:
        fail(1, str(error))
    hosts = LOCAL_NAMES if asked.host in (None, *LOCAL_NAMES) else None
    try:
        return Endpoint(world, verify=secrets, hosts=hosts, declare=declared if description else None)
    except (InvalidDescription, NotInstalled) as error:
        fail(2, f"{asked.config}: {error}")


def planned(text: str) -> Faults:
    """The plan of faults. Raises ValueError."""
    from decouple.testing.faults import Faults

    return Faults.parse(text)


def virtual_clock() -> Any:
    from datetime import UTC, datetime

    from decouple.clock import VirtualClock

    return VirtualClock(datetime.now(UTC))


def secrets_of(pairs: Sequence[str]) -> dict[str, str]:
    """Secrets by access key. Raises ValueError, which quotes none, and OSError."""
    lines: list[str] = []
    for pair in pairs:
        lines += Path(pair[1:]).read_text(encoding="utf-8").split() if pair.startswith("@") else [pair]
    split = [line.partition("=") for line in lines]
    if not all(key and secret for key, _, secret in split):
        raise ValueError("--verify takes KEY=SECRET, or @FILE with one such pair a line")
    return {key: secret for key, _, secret in split}


def described(path: Path | None) -> dict[str, Any]:
    """The document in that file, its bodies all text: what comes over the wire is. Raises OSError, ValueError."""
    if path is None:
        return {}
    import json
    import tomllib

    text = path.read_text(encoding="utf-8")
    try:
        document: Any = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: it is not {'TOML' if path.suffix == '.toml' else 'JSON'}: {error}") from None
    if not isinstance(document, dict):
        raise ValueError(f"{path}: a description is an object, not {type(document).__name__}")
    known = cast("dict[str, Any]", document)
    queues = known.get("queues")
    for entry in cast("dict[str, Any]", queues).values() if isinstance(queues, dict) else ():
        if isinstance(entry, dict):
            entry["body"] = "str"
    return known


def fail(code: int, sentence: str) -> NoReturn:
    """One sentence, and the exit code."""
    print(f"decouple: {sentence}", file=sys.stderr)
    raise SystemExit(code)
