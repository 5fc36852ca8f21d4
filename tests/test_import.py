"""The import: light, because every program and every test run pays for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import decouple

HEAVY = (
    "asyncio",
    "attr",
    "attrs",
    "concurrent.futures",
    "dataclasses",
    "decimal",
    "inspect",
    "json",
    "logging",
    "typing_extensions",
)
ADDED = "import sys; before = set(sys.modules); import decouple; print(*(set(sys.modules) - before))"


def printed(program: str) -> list[str]:
    """The words a program prints, in an interpreter that starts nothing by itself."""
    root = str(Path(decouple.__file__).parent.parent)
    program = f"import sys; sys.path[:0] = [{root!r}, *{sys.path!r}]\n{program}"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_importing_decouple_imports_nothing_heavy() -> None:
    assert set(printed(ADDED)).isdisjoint(HEAVY)


def test_a_queue_of_text_needs_no_codecs_or_policies_and_a_typed_queue_of_a_dataclass_no_attrs() -> None:
    program = """
from decouple import Queue
Queue("text").send("order 7")
print(*(name in sys.modules for name in ("decouple.codecs", "json", "decouple.core.policy")))
from dataclasses import dataclass
@dataclass
class Order:
    id: int
orders = Queue("orders", body=Order)
orders.send(Order(7))
print(orders.receive()[0].body.id, "attr" in sys.modules)
"""

    assert printed(program) == ["False", "False", "False", "7", "False"]


def test_a_server_loads_no_mock_and_a_mock_no_server() -> None:
    loaded = "; import sys; print(*(name for name in sys.modules if name.startswith('decouple.aws.')))"
    served = printed("import decouple.aws.endpoint" + loaded)
    mocked = printed("from decouple.aws import mock" + loaded)

    assert [name for name in served if "mocking" in name] == [name for name in mocked if "endpoint" in name] == []
