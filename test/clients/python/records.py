"""Writing, reading, updating and removing records."""

from reduct import Batch, Bucket, Client, RecordBatch
from reduct.time import unix_timestamp_to_datetime

from support import SECOND, equal, eventually, numbers, refused, write_series


async def single(_client: Client, bucket: Bucket) -> None:
    """Writes and reads single records with labels."""
    ts = 1_700_000_000 * SECOND
    labels = {"engine_status": "working", "rpm": 1480}
    await bucket.write("line/s-1", b"vibration", ts, labels=labels, content_type="application/x-f32")
    async with bucket.read("line/s-1", timestamp=ts) as record:
        equal(await record.read_all(), b"vibration")
        equal((record.timestamp, record.size, record.content_type), (ts, 9, "application/x-f32"))
        equal(record.labels, {"engine_status": "working", "rpm": "1480"})
        equal(record.get_datetime(), unix_timestamp_to_datetime(ts))
    async with bucket.read("line/s-1", head=True) as record:
        equal((record.timestamp, record.size), (ts, 9))
    await bucket.write("line/s-1", b"as text", "2023-11-14T22:13:21Z")
    async with bucket.read("line/s-1") as record:
        equal((record.timestamp, await record.read_all()), (ts + SECOND, b"as text"))
    await bucket.write("line/s-1", b"now")
    async with bucket.read("line/s-1") as record:
        equal(await record.read_all(), b"now")
    async with refused(409, f"A record with timestamp {ts} already exists"):
        await bucket.write("line/s-1", b"again", ts)
    async with refused(404):
        async with bucket.read("absent"):
            pass


async def streamed(_client: Client, bucket: Bucket) -> None:
    """Writes and reads records in chunks."""
    chunk = bytes(range(256)) * 256

    async def sender():
        for _ in range(64):
            yield chunk

    await bucket.write("big", sender(), 1, content_length=64 * len(chunk))
    await bucket.write("big", chunk * 64, 2)
    for ts in (1, 2):
        async with bucket.read("big", ts) as record:
            received = b"".join([part async for part in record.read(n=10_000)])
            equal(received == chunk * 64, True)


async def batches(_client: Client, bucket: Bucket) -> None:
    """Writes batches of one entry and gets errors per record."""
    batch = Batch()
    for i in range(85, 0, -1):
        batch.add(i, f"record {i}".encode(), "text/plain", {"n": str(i)})
    equal((len(batch.items()), batch.size), (85, 9 * 8 + 76 * 9))
    assert batch.last_access > 0
    equal(await bucket.write_batch("e", batch), {})
    batch.clear()
    batch.add(7, b"twice")
    batch.add(100, b"new", labels={"n": "100"})
    errors = await bucket.write_batch("e", batch)
    equal({ts: (error.status_code, error.message) for ts, error in errors.items()},
          {7: (409, "A record with timestamp 7 already exists")})
    equal(await numbers(bucket.query("e")), [*range(1, 86), 100])


async def record_batches(_client: Client, bucket: Bucket) -> None:
    """Writes batches of several entries and gets errors per record."""
    batch = RecordBatch()
    for i in range(1, 41):
        batch.add("a/x", i, f"a {i}".encode(), content_type="text/plain", labels={"n": str(i)})
        batch.add("b", 1000 + i, f"b {i}".encode(), labels={"n": str(i), "kind": "b"})
    equal(await bucket.write_record_batch(batch), {})
    batch.clear()
    batch.add("a/x", 3, b"twice")
    batch.add("bad.name", 3, b"never")
    batch.add("b", 3, b"new", labels={"n": "0"})
    errors = await bucket.write_record_batch(batch)
    equal({entry: {ts: error.status_code for ts, error in found.items()}
           for entry, found in errors.items()}, {"a/x": {3: 409}, "bad.name": {3: 422}})
    seen = [(r.entry, r.timestamp, await r.read_all()) async for r in bucket.query(["a/x", "b"])]
    expected = [("a/x", i, f"a {i}".encode()) for i in range(1, 41)]
    expected += [("b", 1000 + i, f"b {i}".encode()) for i in range(1, 41)]
    equal(sorted(seen), sorted([*expected, ("b", 3, b"new")]))


async def updates(_client: Client, bucket: Bucket) -> None:
    """Updates labels one by one and in batches."""
    await write_series(bucket, "e", 3)
    await write_series(bucket, "f", 2)
    await bucket.update("e", SECOND, {"n": "", "state": "checked"})
    async with bucket.read("e", SECOND) as record:
        equal(record.labels, {"state": "checked"})
    async with refused(404):
        await bucket.update("e", 5, {"a": "b"})
    batch = Batch()
    batch.add(2 * SECOND, labels={"n": "22", "text": "a b"})
    batch.add(9, labels={"n": "1"})
    errors = await bucket.update_batch("e", batch)
    equal({ts: error.status_code for ts, error in errors.items()}, {9: 404})
    several = RecordBatch()
    several.add("e", 3 * SECOND, labels={"n": "33"})
    several.add("f", SECOND, labels={"n": "11", "more": "x, y"})
    several.add("f", 9, labels={"n": "1"})
    found = await bucket.update_record_batch(several)
    equal({ts: error.status_code for ts, error in found["f"].items()}, {9: 404})
    labels = [record.labels async for record in bucket.query("e")]
    equal(labels, [{"state": "checked"}, {"n": "22", "text": "a b"}, {"n": "33"}])
    equal([record.labels async for record in bucket.query("f")],
          [{"n": "11", "more": "x, y"}, {"n": "2"}])


async def removals(_client: Client, bucket: Bucket) -> None:
    """Removes records, batches, query results and entries."""
    await write_series(bucket, "e", 10)
    await write_series(bucket, "f", 3)
    await bucket.remove_record("e", SECOND)
    async with refused(404):
        async with bucket.read("e", SECOND):
            pass
    batch = Batch()
    batch.add(2 * SECOND)
    batch.add(99)
    errors = await bucket.remove_batch("e", batch)
    equal({ts: error.status_code for ts, error in errors.items()}, {99: 404})
    equal(await bucket.remove_query("e", 3 * SECOND, 5 * SECOND), 2)
    equal(await bucket.remove_query("e", when={"&n": {"$gte": 9}}), 2)
    equal(await numbers(bucket.query("e")), [5, 6, 7, 8])
    several = RecordBatch()
    several.add("e", 5 * SECOND)
    several.add("f", SECOND)
    several.add("f", 9)
    found = await bucket.remove_record_batch(several)
    equal({ts: error.status_code for ts, error in found["f"].items()}, {9: 404})
    equal(await bucket.remove_query(["e", "f"], start=2 * SECOND, stop=7 * SECOND), 3)
    await bucket.remove_entry("f")

    async def gone() -> bool:
        return [entry.name for entry in await bucket.get_entry_list()] == ["e"]

    await eventually(gone)
    equal(await numbers(bucket.query("e")), [7, 8])


STEPS = (single, streamed, batches, record_batches, updates, removals)
