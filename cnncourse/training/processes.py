"""Chapter 7, several processes: each computes its share of a batch, and the sums make one step.

One process alone is a team of one: its share is everything, and a sum is what it was. So `fit`
reads, and runs, as if there were no others.
"""

import atexit
import os
from dataclasses import dataclass

import torch
import torch.distributed as dist


@dataclass
class _Team:
    """The processes that train one model: this one's rank, from 0, and the world, their number."""

    rank: int = 0
    world: int = 1

    def share(self, array):
        """Return what this process computes of a batch: every so-many-th row, from its own."""
        return array[self.rank :: self.world]

    @torch.inference_mode()  # so that it may change what was computed in it
    def add_up(self, *tensors):
        """Replace tensors by their sums over all processes, in one message."""
        if self.world == 1 or not tensors:
            return
        sums = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(sums)
        for tensor, total in zip(tensors, sums.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(total.view_as(tensor))

    def average(self, *tensors):
        """Replace tensors by their means over all processes."""
        self.add_up(*tensors)
        for tensor in tensors if self.world > 1 else ():
            tensor /= self.world

    def agree(self, state):
        """Return the first process's state."""
        told = [state]
        if self.world > 1:
            dist.broadcast_object_list(told)
        return told[0]


def _join(device):
    """Join the processes that torchrun started, if it did."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if int(os.environ.get("WORLD_SIZE", 1)) > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        atexit.register(_leave)  # not before: torchrun's cannot be joined twice
    several = dist.is_available() and dist.is_initialized()
    return _Team(dist.get_rank(), dist.get_world_size()) if several else _Team()


def _leave():
    """Take leave of the other processes, unless the caller did."""
    if dist.is_initialized():
        dist.destroy_process_group()
