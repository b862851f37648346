"""Division of work: parts are even and complete, and anything that is no client is refused."""

import pytest

from neurolens.errors import InputError
from neurolens.support.parallel import Cluster, count_shards, read_client, split_evenly


def test_shards_are_even_and_whole():
    assert split_evenly(list(range(7)), 3) == [[0, 1], [2, 3], [4, 5, 6]]
    assert split_evenly([4], 6) == [[4]]
    assert split_evenly([], 2) == []


@pytest.mark.parametrize("client", ["tcp://127.0.0.1:8786", 3, Cluster("here", {"GPU": 1})])
def test_what_is_no_client_is_refused(client):
    for function in (read_client, count_shards):
        with pytest.raises(
            InputError, match=r"client must be a dask.distributed.Client, got \w+\. Type client="
        ):
            function(client)
