"""Runs every step of the scenario against a running server and prints one JSON line per step.

Usage: scenario.py URL TOKEN. The last line lists public methods of the SDK that no step has called.
"""

import asyncio
import inspect
import json
import os
import sys
import traceback

from reduct import Batch, Bucket, Client, Record, RecordBatch

import administration
import buckets
import queries
import records

MODULES = (buckets, records, queries, administration)
WATCHED = (Client, Bucket, Batch, RecordBatch, Record)


def watch(called: set) -> set:
    """Replaces public methods and properties by ones that note their call. Returns all names."""
    names = set()
    for cls in WATCHED:
        for base in cls.__mro__[:-1]:
            for name, member in list(vars(base).items()):
                if name.startswith("_"):
                    continue
                key = f"{base.__name__}.{name}"
                if isinstance(member, property):
                    setattr(base, name, property(noting(key, member.fget, called)))
                elif inspect.isfunction(member):
                    setattr(base, name, noting(key, member, called))
                else:
                    continue
                names.add(key)
    return names


def noting(key: str, function, called: set):
    """The function, noting its name when it is called."""

    def wrapper(*args, **kwargs):
        called.add(key)
        return function(*args, **kwargs)

    return wrapper


def steps():
    """All steps with their names (the first line of their docstrings), in order."""
    for module in MODULES:
        for step in module.STEPS:
            yield inspect.getdoc(step).splitlines()[0].rstrip("."), step


def own_traceback() -> str:
    """The exception being handled, with the lines of these files and not those of the SDK."""
    kind, error, trace = sys.exc_info()
    here = os.path.dirname(__file__)
    frames = [frame for frame in traceback.extract_tb(trace) if frame.filename.startswith(here)]
    lines = traceback.format_list(frames) + traceback.format_exception_only(kind, error)
    return "".join(lines)


async def main(url: str, token: str) -> None:
    """Runs the steps one after another, each with a bucket of its own."""
    administration.ACCESS.update(url=url, token=token)
    called: set = set()
    names = watch(called)
    async with Client(url, api_token=token, timeout=20) as client:
        for index, (name, step) in enumerate(steps()):
            error = None
            try:
                bucket = await client.create_bucket(f"py-{index}")
                await step(client, bucket)
            except Exception:  # pylint: disable=broad-exception-caught
                error = own_traceback()
            print(json.dumps({"step": name, "error": error}), flush=True)
    print(json.dumps({"declared": len(names), "missing": sorted(names - called)}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
