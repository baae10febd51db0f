"""Data-parallel training: several processes share each batch and make the same updates as a single process.

Each process (started by `hndesc.training.launch` or by torchrun) draws its share of a batch. Negatives come from all
shares, batch normalization uses the statistics of the whole batch, and gradients are summed. Up to rounding, the result
does not depend on the number of processes.
"""

import os
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn

from hndesc.errors import HndescError

# Environment variable with the rendezvous address (file://) of the processes on one machine.
RENDEZVOUS = "HNDESC_RENDEZVOUS"


@dataclass(frozen=True)
class ProcessGroup:
    """The processes that train together.

    Attributes:
        rank: number of this process, from 0.
        size: number of processes.
    """

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes files and logs."""
        return self.rank == 0

    def total(self, value: Tensor) -> Tensor:
        """Return the sum of the tensors of all processes, differentiably."""
        return value if self.size == 1 else _Sum.apply(value)

    def gather(self, rows: Tensor) -> Tensor:
        """Concatenate the rows of all processes by rank, differentiably; their numbers may differ."""
        if self.size == 1:
            return rows
        counts = self.counts(rows)
        before, after = sum(counts[: self.rank]), sum(counts[self.rank + 1 :])
        padded = torch.cat([rows.new_zeros(before, *rows.shape[1:]), rows, rows.new_zeros(after, *rows.shape[1:])])
        return self.total(padded)

    def counts(self, rows: Tensor) -> list[int]:
        """Return the number of rows that each process holds."""
        counts = torch.zeros(self.size, dtype=torch.int64, device=rows.device)
        counts[self.rank] = len(rows)
        return self.total(counts).tolist()

    def add_gradients(self, model: nn.Module) -> None:
        """Sum the gradients over all processes."""
        if self.size == 1:
            return
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        for gradient, part in zip(gradients, flat.split([one.numel() for one in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def wait(self) -> None:
        """Wait for the other processes."""
        if self.size > 1:
            distributed.barrier()


class _Sum(torch.autograd.Function):
    """Sum over processes. Every process's loss depends on the sum, so its gradient is the sum of all gradients."""

    @staticmethod
    def forward(context: Any, value: Tensor) -> Tensor:
        total = value.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total


def join_group(device: torch.device) -> tuple[ProcessGroup, torch.device]:
    """Join the processes started by `hndesc.training.launch` or torchrun, one per GPU; without them, a group of one."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return ProcessGroup(), device
    if device.type == "cuda":
        place, there = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if place >= there:
            raise HndescError(f"process {place} of the training has no GPU of its own, there are {there}; start fewer")
        device = torch.device("cuda", place)
        torch.cuda.set_device(device)
    if not distributed.is_initialized():
        backend, rank = "nccl" if device.type == "cuda" else "gloo", int(os.environ["RANK"])
        distributed.init_process_group(backend, os.environ.get(RENDEZVOUS), rank=rank, world_size=size)
    return ProcessGroup(distributed.get_rank(), size), device


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch normalization with the statistics of the whole batch, over all processes."""

    group: ProcessGroup

    def forward(self, x: Tensor) -> Tensor:
        """Normalize B x C x H x W."""
        if not self.training:
            return super().forward(x)
        values = x.to(torch.promote_types(x.dtype, torch.float32))
        count = self.group.total(torch.tensor(float(x.numel() // x.shape[1]), device=x.device))
        mean = self.group.total(values.sum((0, 2, 3))) / count
        centered = values - mean[:, None, None]
        variance = self.group.total(centered.square().sum((0, 2, 3))) / count
        self._update_running_stats(mean.detach(), variance.detach() * count / (count - 1))
        normalized = centered * (variance + self.eps).rsqrt()[:, None, None]
        if self.affine:
            normalized = normalized * self.weight[:, None, None] + self.bias[:, None, None]
        return normalized.to(x.dtype)

    @torch.no_grad()
    def _update_running_stats(self, mean: Tensor, variance: Tensor) -> None:
        if self.track_running_stats:
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean.to(self.running_mean), self.momentum)
            self.running_var.lerp_(variance.to(self.running_var), self.momentum)


def share_batch_norms(model: nn.Module, group: ProcessGroup) -> None:
    """Replace the batch normalizations of a model by shared ones if there are several processes."""
    if group.size == 1:
        return
    for parent in list(model.modules()):
        for name, module in parent.named_children():
            if type(module) is nn.BatchNorm2d:
                setattr(parent, name, _shared(module, group))


def _shared(module: nn.BatchNorm2d, group: ProcessGroup) -> SharedBatchNorm:
    shared = SharedBatchNorm(
        module.num_features, module.eps, module.momentum, module.affine, module.track_running_stats
    )
    for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
        setattr(shared, name, getattr(module, name))
    shared.group = group
    return shared.train(module.training)
