"""What the steps share."""

import asyncio
import time
from contextlib import asynccontextmanager

from reduct import Batch, Bucket, ReductError

SECOND = 1_000_000


def equal(actual, expected) -> None:
    """Fails with both values unless they are equal."""
    assert actual == expected, f"got {actual!r}, expected {expected!r}"


@asynccontextmanager
async def refused(status: int, message: str | None = None):
    """The block must end with this status (and this text, where one is given)."""
    try:
        yield
    except ReductError as error:
        equal(error.status_code, status)
        if message is not None:
            equal(error.message, message)
        return
    raise AssertionError(f"not refused with {status}")


async def eventually(condition, timeout_s: float = 10.0, every_s: float = 0.05) -> None:
    """Waits until `await condition()` is true."""
    deadline = time.monotonic() + timeout_s
    while not await condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(every_s)


async def write_series(bucket: Bucket, entry: str, count: int) -> None:
    """`record <i>` at second i for i = 1 … count, with label `n`."""
    batch = Batch()
    for i in range(1, count + 1):
        batch.add(i * SECOND, f"record {i}".encode(), "text/plain", {"n": str(i)})
    equal(await bucket.write_batch(entry, batch), {})


async def numbers(records) -> list[int]:
    """Labels `n` of the records, in order."""
    return [int(record.labels["n"]) async for record in records]
