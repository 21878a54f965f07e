"""Server information and buckets."""

from reduct import Bucket, BucketSettings, Client, QuotaType, Status

from support import SECOND, equal, eventually, refused, write_series


async def information(client: Client, bucket: Bucket) -> None:
    """Reads information about server, buckets and its own token."""
    await write_series(bucket, "e", 2)
    info = await client.info()
    assert info.version >= "1.11.0"
    assert info.bucket_count >= 1 and info.usage > 0 and info.uptime >= 0
    assert info.latest_record >= 2 * SECOND
    equal(info.license, None)
    equal(info.defaults.bucket.quota_type, QuotaType.NONE)
    equal(info.defaults.bucket.max_block_size, 64_000_000)
    equal(info.defaults.bucket.max_block_records, 1024)
    [own] = [item for item in await client.list() if item.name == (await bucket.info()).name]
    equal((own.entry_count, own.oldest_record, own.status), (1, SECOND, Status.READY))
    me = await client.me()
    equal((me.name, me.is_provisioned, me.permissions.full_access), ("init-token", True, True))


async def settings(client: Client, bucket: Bucket) -> None:
    """Creates, configures and removes buckets."""
    wanted = BucketSettings(
        quota_type=QuotaType.FIFO, quota_size=1_000_000, max_block_size=10_000, max_block_records=99
    )
    made = await client.create_bucket("py-settings", wanted)
    equal(await made.get_settings(), wanted)
    await made.set_settings(BucketSettings(quota_type=QuotaType.HARD, quota_size=500))
    changed = await made.get_settings()
    equal((changed.quota_type, changed.quota_size), (QuotaType.HARD, 500))
    equal((changed.max_block_size, changed.max_block_records), (10_000, 99))
    async with refused(409, "Bucket 'py-settings' already exists"):
        await client.create_bucket("py-settings")
    await client.create_bucket("py-settings", exist_ok=True)
    async with refused(422):
        await client.create_bucket("py.settings")
    async with refused(400, "Quota of 'py-settings' exceeded"):
        await made.write("e", b"x" * 600, 1)
    await made.remove()

    async def gone() -> bool:
        return "py-settings" not in [item.name for item in await client.list()]

    await eventually(gone)
    async with refused(404, "Bucket 'py-settings' is not found"):
        await client.get_bucket("py-settings")
    equal((await (await client.get_bucket((await bucket.info()).name)).info()).size, 0)


async def contents(_client: Client, bucket: Bucket) -> None:
    """Sees entries with the sizes of the contract.

    An entry of two 11-byte records with the label `number` has 114 bytes.
    """
    await bucket.write("entry-2", b"some-data-3", timestamp=3 * SECOND, labels={"number": "1"})
    await bucket.write("entry-2", b"some-data-4", timestamp=4 * SECOND, labels={"number": "2"})
    entries = await bucket.get_entry_list()
    equal([(entry.name, entry.record_count, entry.block_count) for entry in entries],
          [("entry-2", 2, 1)])
    equal(entries[0].size, 114)
    info = await bucket.info()
    equal((info.entry_count, info.oldest_record, info.latest_record), (1, 3 * SECOND, 4 * SECOND))
    full = await bucket.get_full_info()
    equal(full.info, info)
    equal(full.entries, entries)
    equal(full.settings, await bucket.get_settings())


async def renames(client: Client, bucket: Bucket) -> None:
    """Renames entries with their descendants, and buckets."""
    await write_series(bucket, "old/part", 3)
    await bucket.rename_entry("old", "new")
    equal([entry.name for entry in await bucket.get_entry_list()], ["new", "new/part"])
    async with bucket.read("new/part", 2 * SECOND) as record:
        equal(await record.read_all(), b"record 2")
    async with refused(404):
        await bucket.rename_entry("absent", "x")
    before = (await bucket.info()).name
    await bucket.rename(f"{before}-moved")
    equal((await bucket.info()).name, f"{before}-moved")
    await client.create_bucket(before)
    async with refused(409, f"Bucket '{before}' already exists"):
        await bucket.rename(before)


STEPS = (information, settings, contents, renames)
