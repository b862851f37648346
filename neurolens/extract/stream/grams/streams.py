"""Work beside the model's, on a second stream of a GPU."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


class SideStreams:
    """A second stream for each GPU; on other devices work is done in order.

    Work on one stream of a GPU does not wait for that on another unless it is told to.
    """

    def __init__(self) -> None:
        self._streams: dict[torch.device, torch.cuda.Stream] = {}

    def are_used(self, device: torch.device) -> bool:
        """Return whether a device has a second stream."""
        return device.type == "cuda"

    @contextmanager
    def use(self, device: torch.device) -> Iterator[None]:
        """Do what is inside on the second stream, after all that the first was given so far."""
        if not self.are_used(device):
            yield
            return
        if device not in self._streams:
            self._streams[device] = torch.cuda.Stream(device)
        stream = self._streams[device]
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            yield

    def hold(self, tensor: torch.Tensor) -> None:
        """Keep memory that the second stream reads from being used again before it has."""
        if tensor.device in self._streams:
            tensor.record_stream(self._streams[tensor.device])

    def precede(self, device: torch.device) -> None:
        """Let what the first stream is given from now on wait for the second."""
        if device in self._streams:
            torch.cuda.current_stream(device).wait_stream(self._streams[device])

    def finish(self) -> None:
        """Wait for all second streams."""
        for stream in self._streams.values():
            stream.synchronize()
