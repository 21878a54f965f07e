"""Tokens, replications, lifecycle policies and system events."""

import json
from datetime import datetime, timedelta, timezone

from reduct import (
    Bucket,
    Client,
    LifecycleMode,
    LifecycleSettings,
    LifecycleType,
    Permissions,
    ReplicationMode,
    ReplicationSettings,
)

from support import SECOND, equal, eventually, refused, write_series

# The address and token under which the steps reach the server again; the client keeps them to itself.
ACCESS = {"url": "", "token": ""}


async def tokens(client: Client, bucket: Bucket) -> None:
    """Manages tokens and is held to their permissions."""
    name = (await bucket.info()).name
    value = await client.create_token("py-token", Permissions(read=[name], write=[name, "o-*"]))
    assert value.startswith("py-token-"), value
    token = await client.get_token("py-token")
    equal(token.permissions, Permissions(full_access=False, read=[name], write=[name, "o-*"]))
    equal((token.is_provisioned, token.is_expired), (False, False))
    assert abs(token.created_at - datetime.now(timezone.utc)) < timedelta(minutes=1)
    async with Client(ACCESS["url"], api_token=value) as limited:
        equal((await limited.me()).name, "py-token")
        await write_series(await limited.get_bucket(name), "e", 1)
        async with refused(403, "Token 'py-token' doesn't have full access"):
            await limited.create_bucket("py-forbidden")
    names = [item.name for item in await client.get_token_list()]
    assert {"init-token", "py-token"} <= set(names), names
    rotated = await client.rotate_token("py-token")
    async with refused(401, "Invalid token"):
        await Client(ACCESS["url"], api_token=value).me()
    equal((await Client(ACCESS["url"], api_token=rotated).me()).name, "py-token")
    await client.remove_token("py-token")
    async with refused(404, "Token 'py-token' doesn't exist"):
        await client.get_token("py-token")


async def limited_tokens(client: Client, _bucket: Bucket) -> None:
    """Makes tokens with expiry, time to live and addresses."""
    expires_at = datetime.now(timezone.utc) + timedelta(hours=1)
    full = Permissions(full_access=True)
    value = await client.create_token(
        "py-limited", full, expires_at=expires_at, ttl=600, ip_allowlist=["127.0.0.0/8"]
    )
    token = await client.get_token("py-limited")
    equal((token.expires_at, token.ttl, token.ip_allowlist), (expires_at, 600, ["127.0.0.0/8"]))
    equal((await Client(ACCESS["url"], api_token=value).me()).name, "py-limited")
    elsewhere = await client.create_token("py-elsewhere", full, ip_allowlist=["10.0.0.1"])
    async with refused(401, "Token is not allowed for client IP 127.0.0.1"):
        await Client(ACCESS["url"], api_token=elsewhere).info()
    await client.remove_token("py-limited")
    await client.remove_token("py-elsewhere")


async def replications(client: Client, bucket: Bucket) -> None:
    """Manages a replication that delivers."""
    name = (await bucket.info()).name
    target = await client.create_bucket(f"{name}-copy")
    settings = ReplicationSettings(
        src_bucket=name,
        dst_bucket=f"{name}-copy",
        dst_host=ACCESS["url"],
        dst_token=ACCESS["token"],
        entries=["sensor-*"],
        when={"&n": {"$lte": 2}},
    )
    await client.create_replication("py-task", settings)
    async with refused(409):
        await client.create_replication("py-task", settings)
    await write_series(bucket, "sensor-1", 3)
    await write_series(bucket, "other", 1)

    async def delivered() -> bool:
        return [(r.entry, r.timestamp) async for r in target.query("*")] == [
            ("sensor-1", SECOND),
            ("sensor-1", 2 * SECOND),
        ]

    await eventually(delivered)
    equal([(task.name, task.mode) for task in await client.get_replications()],
          [("py-task", ReplicationMode.ENABLED)])
    detail = await client.get_replication_detail("py-task")
    equal((detail.settings.src_bucket, detail.settings.when), (name, settings.when))
    changed = settings.model_copy(update={"entries": ["other"], "mode": ReplicationMode.PAUSED})
    await client.update_replication("py-task", changed)
    detail = await client.get_replication_detail("py-task")
    equal((detail.settings.entries, detail.info.mode), (["other"], ReplicationMode.PAUSED))
    await client.set_replication_mode("py-task", ReplicationMode.DISABLED)
    detail = await client.get_replication_detail("py-task")
    equal(detail.info.mode, ReplicationMode.DISABLED)
    await client.delete_replication("py-task")
    async with refused(404):
        await client.get_replication_detail("py-task")


async def lifecycles(client: Client, bucket: Bucket) -> None:
    """Manages lifecycle policies."""
    settings = LifecycleSettings(
        type=LifecycleType.DELETE,
        bucket=(await bucket.info()).name,
        entries=["sensor-*"],
        older_than="30d",
        interval="1h",
        processing_interval="12h",
        when={"&state": {"$eq": "done"}},
        mode=LifecycleMode.DISABLED,
    )
    await client.create_lifecycle("py-policy", settings)
    [info] = await client.get_lifecycles()
    equal((info.name, info.type, info.mode), ("py-policy", "delete", "disabled"))
    equal((info.is_running, info.is_provisioned, info.last_run), (True, False, None))
    equal((await client.get_lifecycle_detail("py-policy")).settings, settings)
    changed = settings.model_copy(update={"older_than": "60d", "mode": LifecycleMode.DRY_RUN})
    await client.update_lifecycle("py-policy", changed)
    equal((await client.get_lifecycle_detail("py-policy")).settings, changed)
    await client.set_lifecycle_mode("py-policy", LifecycleMode.ENABLED)
    equal((await client.get_lifecycle_detail("py-policy")).info.mode, LifecycleMode.ENABLED)
    async with refused(422):
        too_short = settings.model_copy(update={"older_than": "1m"})
        await client.update_lifecycle("py-policy", too_short)
    await client.delete_lifecycle("py-policy")
    async with refused(404, "Lifecycle 'py-policy' does not exist"):
        await client.get_lifecycle_detail("py-policy")


async def events(client: Client, _bucket: Bucket) -> None:
    """Reads events of the $system bucket."""

    async def there() -> bool:
        return "$system" in [item.name for item in await client.list()]

    await eventually(there, timeout_s=20, every_s=6)
    system = await client.get_bucket("$system")
    names = [entry.name for entry in await system.get_entry_list()]
    assert "audit/clients/init-token" in names, names
    async for record in system.query("audit/clients/init-token"):
        event = json.loads(await record.read_all())
        equal((event["token_name"], event["instance"]), ("init-token", "clients"))
        break
    async with refused(409):
        await system.remove()


STEPS = (tokens, limited_tokens, replications, lifecycles, events)
