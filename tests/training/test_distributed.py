"""Two processes that share the batches end with the weights of one."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import distributed, nn

from hndesc.errors import HndescError
from hndesc.retrieval.neighbor_table import write_neighbors
from hndesc.training.distributed import ProcessGroup, SharedBatchNorm, join_group, share_batch_norms

SCRIPT = Path(__file__).with_name("train_shared.py")
NEGATIVES = (
    "in_batch",
    "in_pair",
    "all",
    "random",
    "in_batch_global",
    "all with unmatched keypoints",
    "all with rings",
)


def command(processes: int, *arguments: str) -> list[str]:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)] * (processes > 1)
    return [sys.executable, *launcher, str(SCRIPT), *arguments]


@pytest.fixture(scope="module")
def runs(make_data, tmp_path_factory) -> dict[int, dict]:
    """Train with each kind of negatives, in one process and in two."""
    folder = tmp_path_factory.mktemp("shared")
    data = make_data(folder, count=7)
    table = folder / "neighbors.tsv"
    write_neighbors(table, [(f"set/{n}.png", f"set/{(n + 1) % 7}.png", 0.5) for n in range(7)])
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    found = {}
    for processes in (1, 2):
        output = folder / f"{processes}.pt"
        arguments = (str(data.photos), str(data.keypoints), str(table), str(output), json.dumps(NEGATIVES))
        done = subprocess.run(command(processes, *arguments), capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        found[processes] = torch.load(output, weights_only=True)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("negatives", NEGATIVES)
def test_losses_and_weights_are_those_of_one_process(runs, negatives):
    one, two = (runs[processes][negatives] for processes in (1, 2))
    assert len(one["losses"]) == 5
    assert two["losses"] == pytest.approx(one["losses"], abs=1e-9)
    assert two["validation"] == pytest.approx(one["validation"], abs=1e-9)
    assert one["weights"].keys() == two["weights"].keys()
    for name, weights in one["weights"].items():
        assert torch.allclose(weights, two["weights"][name], atol=1e-9), name
    assert any(not torch.equal(weights, one["initial"][name]) for name, weights in one["weights"].items())


@pytest.mark.slow
def test_the_kinds_of_negatives_differ(runs):
    assert len({round(runs[1][negatives]["losses"][-1], 6) for negatives in NEGATIVES}) == len(NEGATIVES)


def test_shared_batch_norm_alone_is_batch_norm():
    model = nn.Sequential(nn.BatchNorm2d(3), nn.Sequential(nn.BatchNorm2d(3, affine=False)))
    shared = nn.Sequential(nn.BatchNorm2d(3), nn.Sequential(nn.BatchNorm2d(3, affine=False)))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([0.5, 1.0, 2.0]))
    shared.load_state_dict(model.state_dict())
    share_batch_norms(shared, ProcessGroup(0, 2))
    assert [type(module) for module in (shared[0], shared[1][0])] == [SharedBatchNorm] * 2
    for module in (shared[0], shared[1][0]):
        module.group = ProcessGroup()
    x = torch.randn(4, 3, 5, 6, generator=torch.Generator().manual_seed(0)) * 3 + 1
    assert torch.allclose(shared(x), model(x), atol=1e-5)
    assert shared.state_dict().keys() == model.state_dict().keys()
    for name, value in model.state_dict().items():
        assert torch.allclose(shared.state_dict()[name].float(), value.float(), atol=1e-5), name
    assert torch.allclose(shared.eval()(x), model.eval()(x), atol=1e-5)


def test_alone_nothing_is_replaced():
    model = nn.Sequential(nn.BatchNorm2d(3))
    share_batch_norms(model, ProcessGroup())
    assert type(model[0]) is nn.BatchNorm2d


@pytest.fixture
def first(tmp_path: Path) -> Iterator[ProcessGroup]:
    """The first of two processes whose other one adds nothing to a sum."""
    distributed.init_process_group("gloo", (tmp_path / "rendezvous").as_uri(), rank=0, world_size=1)
    yield ProcessGroup(0, 2)
    distributed.destroy_process_group()


def test_with_a_process_that_has_nothing_all_stays(first):
    rows = torch.arange(6.0).reshape(3, 2).requires_grad_()
    gathered = first.gather(rows)
    gathered.square().sum().backward()
    assert first.counts(rows) == [3, 0] and torch.equal(gathered, rows) and torch.equal(rows.grad, 2 * rows)
    last = ProcessGroup(1, 2)
    assert last.counts(rows) == [0, 3] and torch.equal(last.gather(rows), rows) and not last.first
    model = nn.Linear(2, 1)
    model.weight.grad = torch.tensor([[1.0, 2.0]])
    first.add_gradients(model)
    first.wait()
    assert model.weight.grad.tolist() == [[1.0, 2.0]] and model.bias.grad is None


def test_shared_batch_norm_with_a_process_that_has_nothing_is_batch_norm(first):
    model, shared = nn.Sequential(nn.BatchNorm2d(2)), nn.Sequential(nn.BatchNorm2d(2))
    share_batch_norms(shared, first)
    x = torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(shared(x), model(x), atol=1e-5)
    assert torch.allclose(shared[0].running_var, model[0].running_var, atol=1e-6)


def test_a_process_joins_the_group_that_is_there(first, monkeypatch):
    cpu = torch.device("cpu")
    assert join_group(cpu) == (ProcessGroup(0, 1), cpu)
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert join_group(cpu) == (ProcessGroup(0, 2), cpu)
    monkeypatch.setenv("LOCAL_RANK", "99")
    with pytest.raises(HndescError, match="process 99 of the training has no GPU of its own, there are"):
        join_group(torch.device("cuda"))
