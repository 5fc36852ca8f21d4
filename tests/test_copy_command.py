"""`decouple copy`, as it is typed."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from decouple import Broker
from decouple.cli import main
from decouple.copying.command import Bar


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["memory://", "sqlite:///a.db"], 2, "file:///folder or sqlite:///file.db, not 'memory://'"),
        (["file:///nowhere/at/all", "sqlite:///a.db"], 1, "there is nothing at file:///nowhere/at/all"),
    ],
)
def test_what_is_asked_wrongly_is_one_sentence(
    arguments: list[str], code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["copy", *arguments])

    assert ended.value.code == code
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(("name", "scheme"), [("folder", "file"), ("file.db", "sqlite")])
def test_a_source_in_which_nothing_was_ever_kept_is_left_as_it_is(
    name: str, scheme: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file.db").touch()
    url = f"{scheme}:///{tmp_path}/{name}"

    with pytest.raises(SystemExit):
        main(["copy", url, f"sqlite:///{tmp_path}/target.db"])

    assert capsys.readouterr().err == f"decouple: there is nothing at {url}\n"
    assert not list((tmp_path / "folder").iterdir())
    assert (tmp_path / "file.db").stat().st_size == 0


@pytest.mark.parametrize("url", ["file://{}/folder", "sqlite:///{}/jobs.db"])
def test_nothing_is_copied_to_itself(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = url.format(tmp_path)
    with Broker(url) as broker:
        broker.queue("orders").send("order 7")

    with pytest.raises(SystemExit):
        main(["copy", url, url.replace(str(tmp_path), f"{tmp_path}/.")])

    assert capsys.readouterr().err == f"decouple: source and target are one, {url}: name another one\n"
    with Broker(url) as broker:
        assert broker.queue("orders").stats().visible == 1


def test_a_source_without_queues_is_said_to_have_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Broker(f"file://{tmp_path}/folder").close()

    with pytest.raises(SystemExit) as ended:
        main(["copy", f"file://{tmp_path}/folder", f"sqlite:///{tmp_path}/jobs.db"])

    assert ended.value.code == 0
    assert capsys.readouterr().out == "there are no queues to copy\n"


def test_a_dry_run_makes_no_target(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Broker(f"file://{tmp_path}/source").close()

    with pytest.raises(SystemExit):
        main(["copy", f"file://{tmp_path}/source", f"sqlite:///{tmp_path}/a.db", "--dry-run"])

    assert "to compare with: without --dry-run it is made" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("installed", [True, False])
def test_how_far_it_is_is_shown_where_somebody_looks(installed: bool) -> None:
    screen, file = Screen(), io.StringIO()
    for stream in (screen, file):
        with Bar(stream) as bar:
            bar.make = bar.make if installed else None
            for done in (1_000, 2_000):
                bar("orders", done, 2_000)

    assert file.getvalue() == ""
    said = screen.getvalue()
    assert "orders: 2,000 of 2,000\n" in said or ("orders: 100%" in said and installed)
