# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Can the store be written, and is it out of the attacker's reach?"""

from __future__ import annotations

import datetime as dt
import json
import secrets
import typing as t
from collections.abc import Iterator

from ...common.container import lost_with_container
from ...common.errors import EvictError
from .. import store_home
from .kind import Look, Row, missing, ok, unknown

NAME = "store"
QUESTION = "Can the case be kept, where no attacker reaches it?"
READS: tuple[str, ...] = ()  # with the store's credentials, not the responder's
EACH = False
LOSS = "keep what it does and what was there before; it would go on with a spool on its own machine, and stop where that is lost"
FOLDER = "readiness"


def check(look: Look) -> Iterator[Row]:
    store = look.store()
    rows = [row for row in (_writable(look, store), _elsewhere(look), _caller(look)) if row]
    yield from rows
    if all(row.state == "ok" for row in rows):
        yield ok(object=store.url)


def _writable(look: Look, store: t.Any) -> Row | None:
    if store.root and not look.local and (why := lost_with_container(str(store.root))):
        return missing(f"the store {store.url} {why}", "mount a directory, or use s3://, az:// or gs://", object=store.url)
    if not look.probe:
        return Row(
            "unknown",
            "whether it can be written was not tried",
            store.url,
            "without check mode, and with probe_store: true, an object is put there",
        )
    now = dt.datetime.now(dt.UTC)
    name = f"{FOLDER}/probe-{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}.json"
    try:
        store.sure(name)
        store.put(name, json.dumps({"probe": now.isoformat(), "by": look.aws.caller["arn"]}).encode())
        if not store.get(name):
            return missing(f"{store.url} does not give back what was put there", "look at the bucket", object=store.url)
    except EvictError as error:
        return missing(error.message, error.remedy, object=store.url)
    try:
        store.delete(name)
    except EvictError:  # a bucket that keeps everything is a good one; the object is small
        pass
    return None


def _elsewhere(look: Look) -> Row | None:
    try:
        found, _account = store_home.owner(look.incident.store, look.accounts)
    except EvictError as error:
        return unknown(error, "say whether an attacker reaches the case", object="the store's account")
    return (
        _inside(look, found, "the store lives", "keep the case where an attacker with administrator rights does not reach it")
        if found
        else None
    )


def _caller(look: Look) -> Row | None:
    own = look.aws.caller["account"]
    return (
        _inside(look, own, "the caller's credentials live", "be safe from an administrator of that account")
        if own in look.accounts
        else None
    )


def _inside(look: Look, account: str, what: str, loss: str) -> Row:
    said = f"{what} in account {account}, which is looked at here: it may be part of an incident"
    if not look.given:  # the whole organization: its security account is in it, and that is as it should be
        return ok(said, object=account)
    return missing(
        said, "use an account of its own, in which nothing else runs; it is then not listed under accounts", object=account, loss=loss
    )
