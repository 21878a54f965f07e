"""Queries, subscriptions, links and attachments."""

import asyncio
from datetime import datetime, timedelta, timezone
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from reduct import Bucket, Client

from support import SECOND, equal, numbers, refused, write_series


async def one_entry(_client: Client, bucket: Bucket) -> None:
    """Queries by time and condition."""
    await write_series(bucket, "e", 80)
    equal(await numbers(bucket.query("e")), list(range(1, 81)))
    equal(await numbers(bucket.query("e", 10 * SECOND, 12 * SECOND, ttl=5)), [10, 11])
    equal(await numbers(bucket.query("e", stop=3 * SECOND)), [1, 2])
    equal(await numbers(bucket.query("e", start=datetime.fromtimestamp(79, timezone.utc))), [79, 80])
    when = {"$and": [{"&n": {"$gt": 20}}, {"&n": {"$lte": 22}}]}
    equal(await numbers(bucket.query("e", when=when, strict=True)), [21, 22])
    equal(await numbers(bucket.query("e", when={"$each_n": 40, "$limit": 1})), [40])
    equal([record.size async for record in bucket.query("e", stop=3 * SECOND, head=True)], [8, 8])
    async with refused(422):
        await numbers(bucket.query("e", when={"&n": {"$nope": 1}}))
    async with refused(404):
        await numbers(bucket.query("e", when={"&absent": {"$gt": 1}}, strict=True))
    async with refused(422):
        await numbers(bucket.query("e", ext={"test": {}}))
    contents = [await record.read_all() async for record in bucket.query("e", stop=4 * SECOND)]
    equal(contents, [b"record 1", b"record 2", b"record 3"])


async def several_entries(_client: Client, bucket: Bucket) -> None:
    """Queries several entries and patterns."""
    for entry in ("acc-a", "acc-b", "line/acc", "other"):
        await write_series(bucket, entry, 3)

    async def seen(entries) -> list[str]:
        return sorted([f"{r.entry} {(await r.read_all()).decode()}" async for r in
                       bucket.query(entries)])

    def expected(*entries: str) -> list[str]:
        return [f"{entry} record {n}" for entry in entries for n in (1, 2, 3)]

    equal(await seen(["acc-a", "other"]), expected("acc-a", "other"))
    equal(await seen("acc-*"), expected("acc-a", "acc-b"))
    equal(await seen(["*", "!other"]), expected("acc-a", "acc-b", "line/acc"))


async def subscription(_client: Client, bucket: Bucket) -> None:
    """Follows an entry with a subscription."""
    await write_series(bucket, "e", 2)
    seen = []
    async for record in bucket.subscribe("e", start=0, poll_interval=1, when={"&n": {"$gt": 0}}):
        seen.append(int(record.labels["n"]))
        if len(seen) in (2, 3):
            following = len(seen) + 1
            await bucket.write("e", b"later", following * SECOND, labels={"n": following})
        if len(seen) == 4:
            break
    equal(seen, [1, 2, 3, 4])


def fetch(url: str, headers: dict) -> tuple[int, bytes]:
    """Status and body of a GET without token."""
    try:
        with urlopen(Request(url, headers=headers), timeout=10) as answer:
            return answer.status, answer.read()
    except HTTPError as error:
        return error.code, error.headers["x-reduct-error"].encode()


async def links(_client: Client, bucket: Bucket) -> None:
    """Creates links to records that anyone can open."""
    await write_series(bucket, "e", 3)
    selected = {"record_entry": "e", "record_timestamp": 2 * SECOND, "file_name": "custom-name.txt"}
    link = await bucket.create_query_link("e", 0, 10 * SECOND, {"&n": {"$gt": 1}}, **selected)
    assert "/api/v1/links/custom-name.txt?" in link, link
    equal(await asyncio.to_thread(fetch, link, {}), (200, b"record 2"))
    equal(await asyncio.to_thread(fetch, link, {"Range": "bytes=-1"}), (206, b"2"))
    past = datetime.now(timezone.utc) - timedelta(seconds=10)
    expired = await bucket.create_query_link(["e"], expire_at=past, **selected)
    equal(await asyncio.to_thread(fetch, expired, {}), (422, b"Query link has expired"))


async def attachments(_client: Client, bucket: Bucket) -> None:
    """Writes, reads and removes attachments."""
    await write_series(bucket, "e", 1)
    written = {"meta-1": {"a": 1, "list": [1, 2]}, "$system": {"x": "y"}, "1": {}, "2.5": {"z": None}}
    await bucket.write_attachments("e", written)
    equal(await bucket.read_attachments("e"), written)
    await bucket.write_attachments("e", {"meta-1": {"b": 2}})
    equal((await bucket.read_attachments("e"))["meta-1"], {"b": 2})
    await bucket.remove_attachments("e", ["meta-1", "$system", "1"])
    equal(await bucket.read_attachments("e"), {"2.5": {"z": None}})
    await bucket.remove_attachments("e")
    equal(await bucket.read_attachments("e"), {})


STEPS = (one_entry, several_entries, subscription, links, attachments)
