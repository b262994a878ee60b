"""Several processes, on the CPU: what they average, and how a run ends when one of them does."""

from __future__ import annotations

import json
import multiprocessing
import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from tests.train.test_run import SEGMENTER
from v2vcli.errors import V2VError
from v2vcli.train.distributed import any_of, average_gradients, mean_scalars, same_everywhere
from v2vcli.train.failures import Interrupted, PeerLost, RunError
from v2vcli.train.recipe import load_recipe
from v2vcli.train.run import Progress, train

SCRIPT = Path(__file__).with_name("averaging.py")


def test_alone_everything_is_what_it_was() -> None:
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([1.0, 2.0])
    average_gradients([parameter, nn.Parameter(torch.zeros(1))])
    assert parameter.grad.tolist() == [1.0, 2.0]
    assert mean_scalars({"frames": 2.0}, summed=("frames",)) == {"frames": 2.0}
    assert any_of(True) and not any_of(False)
    assert same_everywhere({"network": nn.Linear(1, 1)})


@pytest.mark.slow
def test_two_average(tmp_path: Path) -> None:
    """Started by nobody we know: the environment alone says who they are, and process 0 keeps the store."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["v2vcli.train.run"])
    processes = []
    for rank in range(2):
        environment = {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        arguments = {"environment": environment, "found": str(tmp_path / f"{rank}.json")}
        processes.append(context.Process(target=runpy.run_path, args=(str(SCRIPT), {"ARGUMENTS": arguments})))
        processes[-1].start()
    for process in processes:
        process.join(120)
    found = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert found[0] == found[1]
    means = [[index + 5.0 for index in range(count)] for count in (6, 4, 2)]
    assert found[0]["gradients"] == [means[0], None, means[1], means[2]]
    assert found[0]["scalars"] == {"loss": 1.5, "frames": 6.0}
    assert found[0]["any"] == [True, False]
    assert found[0]["same"] == [True, False]


def _to_process(rank: int, number: signal.Signals) -> Callable[[], None]:
    def send() -> None:
        workers = {process.name: process.pid for process in multiprocessing.active_children()}
        os.kill(workers[f"v2v-train-{rank}"] or 0, number)

    return send


@pytest.mark.slow
@pytest.mark.parametrize(
    ("happens", "kind", "says"),
    [
        (_to_process(1, signal.SIGKILL), RunError, r"process 1 of this run's 2 was killed by SIGKILL, .*; the same"),
        (_to_process(1, signal.SIGSTOP), PeerLost, r"process 1 of this run's 2 \(.*\) has not been heard from for 3 s"),
        (_to_process(0, signal.SIGSTOP), PeerLost, r"process 0 of this run's 2 \(.*\) has not been heard from for 3 s"),
        (_to_process(1, signal.SIGUSR1), Interrupted, r"stopped at step \d+ of stage labels; the same command goes on"),
        (lambda: signal.raise_signal(signal.SIGTERM), Interrupted, r"stopped at step \d+ of stage labels"),
    ],
    ids=["killed", "follower hangs", "leader hangs", "a scheduler warns one", "asked to stop"],
)
def test_one_line_whatever_happens_to_one(
    tmp_path: Path, happens: Callable[[], None], kind: type[V2VError], says: str
) -> None:
    (tmp_path / "recipe.toml").write_text(SEGMENTER)
    recipe = load_recipe(tmp_path / "recipe.toml", ["stage.0.steps=100000", "save_every=4"])

    def progress(told: Progress) -> None:
        if told.step == 6:
            happens()

    with pytest.raises(kind, match=says) as caught:
        train(
            recipe,
            runs=tmp_path,
            gpus=2,
            patience=timedelta(seconds=3),
            report=lambda _: None,
            progress=progress,
        )
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == (75 if kind is Interrupted else 1)
    assert not [process for process in multiprocessing.active_children() if process.name.startswith("v2v-train")]
    told: list[str] = []

    def leave(_: Progress) -> None:
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted):  # the state is whole, and any number of processes may go on from it
        train(recipe, runs=tmp_path, report=told.append, progress=leave)
    first = int(told[-1].removeprefix("stage labels: steps ").split()[0])
    assert first >= 4


@pytest.mark.slow
def test_an_error_of_one_process_is_the_error_of_the_run(tmp_path: Path) -> None:
    text = SEGMENTER.replace('world = "street"', 'stills = "nowhere"\nlabels = "nowhere"')
    (tmp_path / "recipe.toml").write_text(text)
    with pytest.raises(V2VError, match="nowhere: no such folder") as caught:
        train(load_recipe(tmp_path / "recipe.toml"), runs=tmp_path, gpus=2, report=lambda _: None)
    assert caught.value.exit_code == 2


@pytest.mark.slow
def test_torchrun_may_start_the_processes(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(SEGMENTER)
    recipe = load_recipe(tmp_path / "recipe.toml", ["stage.0.steps=3"])
    launched = train(recipe, runs=tmp_path / "launched", gpus=2, report=lambda _: None)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "v2vcli"]
    options = ["--set", "stage.0.steps=3", "--runs", tmp_path / "joined", "--device", "cpu"]
    done = subprocess.run(
        [*command, "train", tmp_path / "recipe.toml", *options], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("finished; try it with") == 1
    joined, expected = load_file(tmp_path / "joined" / "toyseg" / "model.safetensors"), load_file(launched)
    assert joined.keys() == expected.keys()
    for key, value in expected.items():
        assert torch.allclose(value, joined[key], rtol=1e-4, atol=1e-5), key
