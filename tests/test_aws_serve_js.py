"""The JavaScript SDK v3, sqs-consumer and sns-validator against `decouple serve`: each file in tests/js, run by node."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from serve_process import served

FOLDER = Path(__file__).parent / "js"
NODE = shutil.which("node")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NODE is None, reason="node is not on this machine"),
    pytest.mark.skipif(
        not (FOLDER / "node_modules").exists(), reason="npm's packages are not installed: .ci/run does it (npm ci)"
    ),
]


@pytest.mark.parametrize("file", sorted(path.name for path in FOLDER.glob("*.test.mjs")))
def test_a_javascript_client_is_content(file: str) -> None:
    assert NODE is not None
    with served("--virtual-clock") as server:
        ended = subprocess.run(
            [NODE, "--test", file],
            cwd=FOLDER,
            env={**os.environ, "DECOUPLE_URL": server.url},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        code, said = server.stop()

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert (code, said) == (0, "")
