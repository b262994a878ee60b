"""What `v2v train` shows while it trains."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from v2vcli.cli.messages import Messages
from v2vcli.cli.training import line, table, training_display
from v2vcli.train.watch import Progress


def _progress(step: int, *, stage: str = "video", loss: float = 0.5, logged: bool = True) -> Progress:
    return Progress(stage, step, 4, {"gan": loss, "flow": 0.25}, 1200, 3.25, 75.0, 3 << 29, logged)


class _Screen(io.StringIO):
    """Stands in for a terminal."""

    def isatty(self) -> bool:
        return True


def _screen(monkeypatch: pytest.MonkeyPatch) -> _Screen:
    """To be called in the test itself: pytest puts its own stderr in place after the fixtures are made."""
    screen = _Screen()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", screen)
    return screen


def test_a_line_says_it_all() -> None:
    assert line(_progress(1)) == "video 2/4 fps=3.2 eta=0:01:15 mem=1.5GiB gan=0.5 flow=0.25"


def test_a_table_says_it_all() -> None:
    console = Console(file=io.StringIO(), width=120)
    console.print(table(_progress(1), {"gan": 0.75, "flow": 0.25}))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    for said in ("video  2/4", "3.25", "1,200", "0:01:15", "1.5GiB", "gan", "0.5", "0.75"):
        assert said in shown


def test_elsewhere_only_logged_steps_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with training_display(Messages()) as tell:
        for step in range(4):
            tell(_progress(step, logged=step % 2 == 0))
    assert [each.split()[1] for each in capsys.readouterr().err.splitlines()] == ["1/4", "3/4"]


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    messages = Messages()
    messages.set_level("warning")
    with training_display(messages) as tell:
        tell(_progress(0))
    assert capsys.readouterr().err == ""


def test_a_terminal_has_a_table_and_keeps_the_last_line_of_each_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, messages = _screen(monkeypatch), Messages()
    with training_display(messages) as tell:
        for stage in ("image", "video"):
            messages.info(f"stage {stage}: steps 0 to 4")
            for step in range(4):
                tell(_progress(step, stage=stage, loss=8.0 - step))
    shown = screen.getvalue()
    assert "stage ends in" in shown and "stage video: steps 0 to 4" in shown
    for stage in ("image", "video"):
        assert f"{stage} 4/4 fps=3.2" in shown
        assert f"{stage} 3/4 fps" not in shown
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1, "the cursor is given back"


def test_a_process_that_is_told_nothing_touches_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = _screen(monkeypatch)
    with training_display(Messages()):
        pass
    assert screen.getvalue() == ""
