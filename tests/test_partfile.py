"""Nothing that v2v did not make itself is opened, emptied or removed; a check leaves no trace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from v2vcli.errors import OutputError
from v2vcli.partfile import PartFile, require_free


def _state(folder: Path) -> dict[str, tuple[int, int, bytes | None]]:
    """Inode, modification time and content of everything in a folder."""
    found = {}
    for path in [folder, *folder.rglob("*")]:
        stat = path.lstat()
        content = path.read_bytes() if path.is_file() else None
        found[str(path.relative_to(folder))] = (stat.st_ino, stat.st_mtime_ns, content)
    return found


def test_whole_or_not_there(tmp_path: Path) -> None:
    out = PartFile(tmp_path / "out.mp4", overwrite=False)
    out.part.write_bytes(b"whole")
    out.commit()
    out.discard()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"out.mp4": b"whole"}
    again = PartFile(tmp_path / "out.mp4", overwrite=True)
    again.part.write_bytes(b"half")
    again.discard()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"out.mp4": b"whole"}


@pytest.mark.parametrize("folder", [False, True], ids=["file", "folder"])
def test_what_has_the_name_of_the_part_file_is_kept(tmp_path: Path, folder: bool) -> None:
    name, part = ("mm", "mm.part") if folder else ("keep.mp4", "keep.part.mp4")
    if folder:
        (tmp_path / part).mkdir()
        (tmp_path / part / "mine").write_bytes(b"mine")
    else:
        (tmp_path / part).write_bytes(b"mine")
    before = _state(tmp_path)
    for attempt in (PartFile, require_free):
        with pytest.raises(OutputError, match=f"{part} is in the way: remove it if it is left from an interrupted v2v"):
            attempt(tmp_path / name, overwrite=True, folder=folder)
    assert _state(tmp_path) == before


def test_a_dangling_link_or_a_pipe_in_the_way_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.part.mp4").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "b.part.mp4")
    for name in ("a.mp4", "b.mp4"):
        with pytest.raises(OutputError, match="in the way"):
            PartFile(tmp_path / name, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.part.mp4", "b.part.mp4"]


def test_a_check_leaves_a_running_part_file_alone(tmp_path: Path) -> None:
    running = PartFile(tmp_path / "out.mp4", overwrite=True)
    running.part.write_bytes(b"half")
    before = _state(tmp_path)
    for attempt in (require_free, PartFile):
        with pytest.raises(OutputError, match=r"out\.mp4: another v2v is writing this; wait for it or choose another"):
            attempt(tmp_path / "out.mp4", overwrite=True)
        with pytest.raises(OutputError, match=r"out\.part\.mp4: another v2v is writing this"):
            attempt(tmp_path / "out.part.mp4", overwrite=True)
    assert _state(tmp_path) == before
    running.commit()
    assert (tmp_path / "out.mp4").read_bytes() == b"half"


def test_a_check_that_passes_leaves_no_trace(tmp_path: Path) -> None:
    (tmp_path / "out.mp4").write_bytes(b"old")
    before = _state(tmp_path)
    require_free(tmp_path / "out.mp4", overwrite=True)
    require_free(tmp_path / "new.mp4", overwrite=False)
    require_free(tmp_path / "maps", overwrite=False, folder=True)
    assert _state(tmp_path) == before


def test_a_killed_run_leaves_a_file_that_is_named_and_kept(tmp_path: Path) -> None:
    script = (
        "import os, sys; from v2vcli.partfile import PartFile\n"
        "part = PartFile(sys.argv[1], overwrite=False).part; part.write_bytes(b'half'); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path / "out.mp4")], check=False)
    assert killed.returncode == -9
    with pytest.raises(OutputError, match=r"out\.part\.mp4 is in the way"):
        PartFile(tmp_path / "out.mp4", overwrite=True)
    assert (tmp_path / "out.part.mp4").read_bytes() == b"half"


def test_another_process_is_seen(tmp_path: Path) -> None:
    script = (
        "import sys; from v2vcli.partfile import PartFile\n"
        "out = PartFile(sys.argv[1], overwrite=False); print('made', flush=True); sys.stdin.read()\n"
        "out.part.write_bytes(b'first'); out.commit()"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "out.mp4")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None and first.stdout.readline() == "made\n"
        with pytest.raises(OutputError, match="another v2v is writing this"):
            PartFile(tmp_path / "out.mp4", overwrite=True)
        first.communicate(timeout=30)
    assert first.returncode == 0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"out.mp4": b"first"}


@pytest.mark.parametrize("replaced", [True, False], ids=["replaced", "removed"])
def test_only_what_was_made_is_renamed_or_removed(tmp_path: Path, replaced: bool) -> None:
    out = PartFile(tmp_path / "out.mp4", overwrite=False)
    out.part.unlink()
    if replaced:
        out.part.write_bytes(b"somebody else's")
    with pytest.raises(OutputError, match=r"somebody moved or replaced out\.part\.mp4"):
        out.commit()
    out.discard()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == (
        {"out.part.mp4": b"somebody else's"} if replaced else {}
    )


def test_a_target_that_appears_while_the_part_file_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever wrote the same output may finish between our look at it and the part file."""
    make = PartFile._make

    def late(self: PartFile) -> None:
        self.path.write_bytes(b"first")
        make(self)

    monkeypatch.setattr(PartFile, "_make", late)
    with pytest.raises(OutputError, match="exists; -y"):
        PartFile(tmp_path / "out.mp4", overwrite=False)
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
