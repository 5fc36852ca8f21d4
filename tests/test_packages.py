"""A package: code in a folder or a zip archive, run in processes of its own."""

from __future__ import annotations

import io
import os
import textwrap
import zipfile
from pathlib import Path
from typing import Any

import pytest

from decouple import Broker, FunctionFailed, InvalidPackage, ResultNotJSON
from decouple import packages as packages_module
from decouple.packages import Package, Unpacked
from decouple.testing import VirtualClock

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")
# A process takes a quarter of a second to start.
slow = pytest.mark.slow

CODE = textwrap.dedent("""
    import os, sys
    from helper import answer

    class Odd(Exception):
        pass

    def handler(event, context):
        if event == "fail":
            raise Odd("no luck")
        if event == "set":
            return {1}
        return [answer(event), os.getcwd(), sys.path[0], os.environ.get("COLOUR"), os.environ.get("AWS_PROFILE"), os.getpid()]
""")


def zipped(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def test_an_archive_is_unpacked_into_a_private_folder_that_goes_when_it_is_closed() -> None:
    unpacked = Unpacked(zipped({"app.py": "1", "jobs/night.py": "2", "empty/": ""}))
    folder = Path(unpacked)

    assert (folder / "jobs" / "night.py").read_text() == "2"
    assert folder.stat().st_mode & 0o077 == 0

    unpacked.close()
    unpacked.close()
    assert not folder.exists()


def test_its_folder_goes_when_nobody_has_it() -> None:
    unpacked = Unpacked(zipped({"app.py": "1"}))
    folder = unpacked.path

    del unpacked

    assert not folder.exists()


@pytest.mark.parametrize(
    ("archive", "fault"),
    [
        (b"", "broken"),
        (b"no archive", "broken"),
        (zipped({}), "empty"),
        (zipped({"folder/": ""}), "empty"),
        (zipped({"../out.py": "1"}), "broken"),
        (zipped({"a/../../out.py": "1"}), "broken"),
        (zipped({"/etc/out.py": "1"}), "broken"),
        (zipped({"..\\out.py": "1"}), "broken"),
        (zipped({"a": "1", "a/b": "2"}), "broken"),
        (zipped({"a.py": "x" * 1_000})[:500], "broken"),
    ],
    ids=["nothing", "text", "empty", "folders", "up", "in and up", "root", "backslash", "file and folder", "cut off"],
)
def test_what_is_no_archive_or_leads_out_of_its_folder_is_refused_and_leaves_nothing(
    archive: bytes, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    with pytest.raises(InvalidPackage) as caught:
        Unpacked(archive)

    assert caught.value.fault == fault
    assert list(tmp_path.iterdir()) == []


def test_an_archive_that_lies_about_its_size_is_stopped_when_it_has_unpacked_too_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(packages_module, "MOST_UNPACKED", 100)

    with pytest.raises(InvalidPackage, match="over the 100 allowed"):
        Unpacked(zipped({"a.py": "x" * 101}))
    monkeypatch.setattr(packages_module, "check_files", lambda files, folder: None)
    with pytest.raises(InvalidPackage, match="more than 100 bytes"):
        Unpacked(zipped({"a.py": "x" * 101}))


@posix
def test_a_package_runs_in_processes_alone(broker: Broker, tmp_path: Path) -> None:
    package = Package(tmp_path, "app.handler")

    with pytest.raises(ValueError, match="isolation='process' alone"):
        broker.function(package, name="f", isolation="thread")
    with pytest.raises(TypeError, match="runs in processes alone"):
        package(1, None)
    with pytest.raises(TypeError, match="named as text"):
        Package(tmp_path, len)  # type: ignore[arg-type]
    assert broker.function(package, name="f").settings["isolation"] == "process"


@posix
@slow
def test_a_package_has_its_folder_its_path_and_its_environment(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("COLOUR", "red")
    unpacked = Unpacked(zipped({"app.py": CODE, "helper.py": "def answer(event): return event"}))
    function = broker.function(Package(unpacked, "app.handler"), name="f", memory=512, timeout=60)

    answer, cwd, path, colour, profile, pid = function.invoke({"a": 1})
    [child] = function._runtime._children  # type: ignore[attr-defined]
    assert (answer, cwd, path, colour, profile) == ({"a": 1}, os.fspath(unpacked), os.fspath(unpacked), "red", None)

    with pytest.raises(FunctionFailed) as caught:
        function.invoke("fail")
    assert (caught.value.error_type, caught.value.text) == ("Odd", "no luck")
    with pytest.raises(ResultNotJSON, match="set is not JSON"):
        function.invoke("set")

    function.configure(Package(unpacked, "app.handler", environment={"COLOUR": "blue"}))
    again = function.invoke({"a": 1})
    assert child.process.returncode is not None
    assert again[3] == "blue"
    assert again[5] != pid


@posix
@slow
@pytest.mark.parametrize(
    ("handler", "files", "kind", "text"),
    [
        ("handler", {}, "Runtime.MalformedHandlerName", "Bad handler 'handler': not enough values to unpack"),
        ("app.handler", {}, "Runtime.ImportModuleError", "Unable to import module 'app': No module named 'app'"),
        ("app.f", {"app.py": "def"}, "Runtime.UserCodeSyntaxError", "Syntax error in module 'app': invalid syntax"),
        ("a/b.f", {"a/b.py": ""}, "Runtime.HandlerNotFound", "Handler 'f' missing on module 'a/b'"),
        ("app.f", {"app.py": "1/0"}, "ZeroDivisionError", "division by zero"),
    ],
    ids=["bad name", "no module", "syntax", "no handler", "import fails"],
)
def test_a_handler_that_cannot_be_had_is_told_in_the_words_of_lambdas_runtime(
    handler: str, files: dict[str, str], kind: str, text: str
) -> None:
    with Broker(clock=VirtualClock()) as broker:
        function = broker.function(Package(Unpacked(zipped({"x": "", **files})), handler), name="f", memory=512)

        error: Any = function.attempt(None).error

        assert isinstance(error, FunctionFailed)
        assert error.error_type == kind
        assert error.text.startswith(text)
