# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a case lives: a directory, or a bucket of an object store. The only importer of obstore.

Both kinds offer the same few operations on paths (``ledger/<run>/00000001.json``). A put that has returned is durable:
in a directory the file, and every directory that got a new entry, went through fsync.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import datetime
import os
import re
import secrets
import stat
import threading
import typing as t
from pathlib import Path

from . import durable
from .errors import EvictError, InvalidInput, MissingLibrary, Refused

try:
    import obstore
    from obstore import exceptions as _failures
    from obstore import store as _backends
except ImportError as _error:
    obstore = None  # type: ignore[assignment]
    OBSTORE_IMPORT_ERROR: ImportError | None = _error
else:
    OBSTORE_IMPORT_ERROR = None

INCIDENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\\\ud800-\udfff]")
_RESERVED = re.compile(r"#\d+\Z")  # obstore's own staging names
_STAGED = ".tmp-"
_OPTIONS = ("url", "profile", "region", "role_arn", "endpoint_url")
_ONLY_S3 = ("profile", "region", "role_arn")
# What a service says of an object that a retention policy or a legal hold keeps from being replaced or deleted.
_KEPT = re.compile(
    r"BlobImmutableDueTo|retentionPolicyNotMet|objectUnderActiveHold|under active (?:temporary|event-based) hold", re.IGNORECASE
)
_AZURE_KEYS = ("ACCOUNT_KEY", "ACCESS_KEY", "SAS_TOKEN", "SAS_KEY")  # AZURE_STORAGE_…, which obstore reads itself
_GOOGLE_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_READERS = 16
Paths = list[str]  # inside Store the name list is taken


class Exists(EvictError):
    """A create-only put found the path taken."""


class NotFound(EvictError):
    """Nothing is stored under this path."""


class StoreUnavailable(EvictError):
    """The store cannot be read or written: missing rights, full, read-only, unreachable. ``remedy`` says what to do."""


class Kept(StoreUnavailable):
    """The store works, and a retention policy keeps this object as it is: it can be neither replaced nor deleted."""


class Store:
    """Objects under ``url``. Paths are relative, with ``/``; any other form is ``Refused``. Safe to use from many threads."""

    url: str
    remote: bool = False
    root: Path | None = None
    failed: str = ""  # why a remote store is not used any more (see spool.py)

    def put(self, path: str, data: bytes) -> None:
        """Create an object, atomically; durable on return. ``Exists`` when the path is taken, ``StoreUnavailable``."""
        raise NotImplementedError

    def replace(self, path: str, data: bytes) -> None:
        """Create or overwrite an object, atomically; durable on return. ``StoreUnavailable``."""
        raise NotImplementedError

    def get(self, path: str) -> bytes:
        """The bytes of an object. ``NotFound``, ``StoreUnavailable``."""
        raise NotImplementedError

    def list(self, prefix: str = "") -> Paths:
        """Full paths below a folder, sorted, all pages; ``[]`` when there is nothing, not even the store."""
        raise NotImplementedError

    def delete(self, path: str) -> None:
        """Remove an object; no error when it is not there. ``StoreUnavailable``."""
        raise NotImplementedError

    def sure(self, unless: str) -> None:
        """``StoreUnavailable`` for a service that overwrites what is there in a create-only put. Not tried again where the object ``unless`` is."""

    def written(self, path: str) -> datetime.datetime | None:
        """When an object was last written, by the clock of the store; None when it does not tell. ``NotFound``, ``StoreUnavailable``."""
        raise NotImplementedError

    def child(self, name: str) -> Store:
        """The store rooted at a folder of this one."""
        raise NotImplementedError

    def keep(self, path: str, data: bytes) -> bool:
        """``put``, and whether these bytes are there now. A put whose answer was lost is sent again, and then finds itself. ``StoreUnavailable``."""
        try:
            self.put(path, data)
        except Exists:
            try:
                return self.get(path) == data
            except NotFound:  # taken, and gone again
                return False
        return True

    def get_many(self, paths: t.Iterable[str]) -> t.Iterator[tuple[str, bytes | EvictError]]:
        """(path, bytes or the error) in the order given, read by 16 threads when the store is remote."""

        def read(path: str) -> tuple[str, bytes | EvictError]:
            try:
                return path, self.get(path)
            except EvictError as error:
                return path, error

        if not self.remote:
            yield from map(read, paths)
            return
        names = list(paths)
        with concurrent.futures.ThreadPoolExecutor(_READERS) as pool:
            for start in range(0, len(names), 8 * _READERS):  # in windows: a ledger need not fit into memory
                yield from pool.map(read, names[start : start + 8 * _READERS])


def open_store(spec: str | dict[str, t.Any], *, base: str | None = None) -> Store:
    """The store of ``./cases``, ``/abs``, ``file://``, ``s3://``, ``az://``, ``gs://`` or ``{url, profile, region, role_arn, endpoint_url}``.

    A relative path is taken from ``base`` (default: the working directory). Nothing is created or contacted here. ``InvalidInput``.
    """
    options = {"url": spec} if isinstance(spec, str) else dict(spec)
    problems = [(f"store.{name}", "unknown option") for name in options if name not in _OPTIONS]
    problems += [
        (f"store.{name}", "not a text") for name in _OPTIONS if options.get(name) is not None and not isinstance(options[name], str)
    ]
    url = options.get("url")
    if not url:
        problems.append(("store.url", "is missing"))
    elif isinstance(url, str) and _UNSAFE.search(url):
        problems.append(("store.url", "holds control characters or a backslash"))
    if problems or not isinstance(url, str):
        raise InvalidInput("store", problems)
    match = _URL.fullmatch(url)
    if not match or match[1].lower() == "file":
        if match and not match[2].startswith("/"):
            raise InvalidInput("store", [("store.url", f"{url!r}: a file URL has three slashes, file:///srv/cases")])
        path = os.path.expanduser(match[2] if match else url)
        absolute = Path(os.path.normpath(os.path.join(os.path.abspath(base or os.curdir), path)))
        return _Directory(absolute, absolute)
    scheme, rest = match[1].lower(), match[2].strip("/")
    if scheme not in ("s3", "az", "gs"):
        raise InvalidInput("store", [("store.url", f"{url!r}: not a directory, file://, s3://, az:// or gs://")])
    if scheme != "s3" and (given := [name for name in _ONLY_S3 if options.get(name)]):
        how = "azure-identity" if scheme == "az" else "google-auth"
        raise InvalidInput("store", [(f"store.{name}", f"is for s3:// only; {scheme}:// logs in through {how}") for name in given])
    parts = rest.split("/")
    depth = 2 if scheme == "az" else 1  # az://account/container/prefix
    bucket, prefix = "/".join(parts[:depth]), "/".join(parts[depth:])
    if not all(parts[:depth]) or len(parts) < depth:
        what = "account and container, az://account/container" if depth == 2 else "bucket"
        raise InvalidInput("store", [("store.url", f"{url!r}: names no {what}")])
    if prefix:
        _checked(prefix)
    return _Bucket(_Connection(f"{scheme}://{bucket}", options), prefix)


def case_store(store_or_spec: Store | str | dict[str, t.Any], incident_id: str) -> Store:
    """The store of one incident: the folder of its id. ``InvalidInput`` when the id is not ``[A-Za-z0-9][A-Za-z0-9._-]{0,63}``."""
    if not isinstance(incident_id, str) or not INCIDENT_ID.fullmatch(incident_id):
        raise InvalidInput(
            "incident", [("incident.id", "must be 1 to 64 letters, digits, dots, dashes or underscores, beginning with a letter or digit")]
        )
    store = store_or_spec if isinstance(store_or_spec, Store) else open_store(store_or_spec)
    return store.child(incident_id)


def _checked(path: str) -> str:
    """``path`` itself, or ``Refused``: parts of paths come from names that attackers chose."""
    parts = path.split("/")
    if any(part in ("", ".", "..") or part.startswith(_STAGED) or _RESERVED.search(part) for part in parts) or _UNSAFE.search(path):
        raise Refused(
            f"unsafe path {path!r}",
            object=path,
            operation="store",
            remedy="a path is relative, without '..', empty parts or control characters",
        )
    return path


def _folder(prefix: str) -> str:
    return _checked(prefix.removesuffix("/")) if prefix else ""


def _library() -> None:
    if obstore is None:
        raise _not_installed("obstore", "to keep the case")


class _Directory(Store):
    """A directory. Staging is our own (0600 from the first byte, durable before it gets its name), publishing is obstore's create-only rename."""

    def __init__(self, root: Path, boundary: Path) -> None:
        self.root: Path = root
        self.url = str(root)
        self._boundary = boundary  # what no symbolic link may lead out of; a case may not leave its store either
        self._made: set[Path] = set()
        self._lock = threading.Lock()
        self._backend: t.Any = None

    def put(self, path: str, data: bytes) -> None:
        self._write(path, data, overwrite=False)

    def replace(self, path: str, data: bytes) -> None:
        self._write(path, data, overwrite=True)

    def get(self, path: str) -> bytes:
        target = self._inside(_checked(path))
        with self._errors("read", path):
            if not stat.S_ISREG(os.stat(target).st_mode):  # a pipe would block for ever
                raise Refused(
                    f"{target} is not a file",
                    object=str(target),
                    operation="read",
                    remedy="somebody put it there: look at it, then remove it",
                )
            return bytes(obstore.get(self._open(), path).bytes())

    def list(self, prefix: str = "") -> Paths:
        # Not obstore's listing: it follows links, and one loop or odd name in the case would make it fail as a whole.
        below = _folder(prefix)
        self._inside(below)
        with self._errors("list", below):
            return sorted(durable.walk(self.root, below, _STAGED))

    def delete(self, path: str) -> None:
        target = self._inside(_checked(path))
        with self._errors("delete", path), contextlib.suppress(FileNotFoundError):
            os.lstat(target)  # an answer without obstore's text, and without a missing root
            obstore.delete(self._open(), path)

    def written(self, path: str) -> datetime.datetime | None:
        with self._errors("read", path):
            return datetime.datetime.fromtimestamp(os.stat(self._inside(_checked(path))).st_mtime, datetime.UTC)

    def child(self, name: str) -> Store:
        return _Directory(self.root / _checked(name), self._boundary)

    def _open(self) -> t.Any:
        with self._lock:
            if self._backend is None:
                _library()
                self._backend = _backends.LocalStore(str(self.root))
            return self._backend

    def _inside(self, path: str) -> Path:
        """The file of a path; ``Refused`` when a symbolic link leads out of the store."""
        target = self.root / path
        real, boundary = os.path.realpath(target), os.path.realpath(self._boundary)
        if real != boundary and not real.startswith(boundary.rstrip("/") + "/"):
            raise Refused(
                f"{target} leads out of the store, to {real!r}", object=str(target), operation="store", remedy="remove the symbolic link"
            )
        return target

    def _write(self, path: str, data: bytes, *, overwrite: bool) -> None:
        target = self._inside(_checked(path))
        staged = f"{_STAGED}{secrets.token_hex(8)}"
        _library()
        with self._errors("write", path):
            if target.parent not in self._made:
                durable.make_folder(target.parent, self._boundary)
                self._made.add(target.parent)
            durable.write_file(target.parent / staged, data)
            try:
                obstore.rename(self._open(), "/".join([*path.split("/")[:-1], staged]), path, overwrite=overwrite)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(target.parent / staged)
                raise
            durable.sync_folder(target.parent)

    @contextlib.contextmanager
    def _errors(self, operation: str, path: str) -> t.Iterator[None]:
        where = str(self.root / path)
        try:
            yield
        except EvictError:
            raise
        except FileNotFoundError as error:
            if operation == "write":
                self._made.clear()  # somebody removed a directory: made again next time
                raise _unavailable(where, operation, "its directory was removed in this moment") from error
            raise NotFound(f"{where}: not found", object=where, operation=operation) from error
        except OSError as error:
            raise _unavailable(where, operation, error.strerror or str(error), error.errno) from error
        except Exception as error:  # obstore's own types, which carry the system's error number in their text
            text = str(error)
            number = re.search(r"\(os error (\d+)\)", text)
            if type(error).__name__ == "AlreadyExistsError":
                raise Exists(f"{where}: exists already", object=where, operation=operation) from error
            raise _unavailable(where, operation, _first_line(text), int(number[1]) if number else None) from error


def _unavailable(where: str, operation: str, why: str, number: int | None = None) -> StoreUnavailable:
    remedy = durable.REMEDIES.get(number or 0, "check that it exists and can be read and written, or choose another store")
    return StoreUnavailable(f"cannot {operation} {where}: {why}", object=where, operation=operation, remedy=remedy)


def _first_line(text: str) -> str:
    return " ".join(text.split("\n\nDebug source", maxsplit=1)[0].split())[:300]


class _Connection:
    """One bucket's client, made at first use: reading credentials may already contact the metadata service."""

    def __init__(self, bucket: str, options: dict[str, t.Any]) -> None:
        self.bucket = bucket
        self._options = {name: value for name, value in options.items() if value and name != "url"}
        self._lock = threading.Lock()
        self._client: t.Any = None

    def client(self) -> t.Any:
        with self._lock:
            if self._client is None:
                _library()
                try:
                    self._client = self._connect()
                except MissingLibrary:
                    raise
                except Exception as error:  # whatever the cloud's SDK raises for a bad profile or absent credentials
                    raise StoreUnavailable(
                        f"cannot open {self.bucket}: {_first_line(str(error)) or type(error).__name__}",
                        object=self.bucket,
                        operation="open",
                        remedy="check the profile, region, role_arn and endpoint_url of the store and the credentials of the environment",
                    ) from error
            return self._client

    def _connect(self) -> t.Any:
        settings: dict[str, t.Any] = {
            "client_options": {"connect_timeout": "5s", "timeout": "20s"},
            "retry_config": {"max_retries": 4, "retry_timeout": datetime.timedelta(seconds=20)},
        }
        scheme, _slashes, rest = self.bucket.partition("://")
        connect = {"s3": self._amazon, "az": self._azure, "gs": self._google}[scheme]
        return connect(rest, settings)

    def _endpoint(self, settings: dict[str, t.Any], *variables: str) -> str:
        """The endpoint of the options or the environment, without a slash at its end; ``""`` for the cloud's own."""
        named = [self._options.get("endpoint_url"), *(os.environ.get(name) for name in variables)]
        endpoint = next((value.rstrip("/") for value in named if value), "")
        if endpoint.startswith("http://"):
            settings["client_options"]["allow_http"] = True
        return endpoint

    def _amazon(self, bucket: str, settings: dict[str, t.Any]) -> t.Any:
        from obstore.auth import boto3 as auth

        session = auth.boto3.Session(profile_name=self._options.get("profile"), region_name=self._options.get("region"))
        role = self._options.get("role_arn")
        provider: t.Callable[[], t.Any] = _assumed(auth, session, role) if role else auth.Boto3CredentialProvider(session)
        endpoint = self._endpoint(settings, "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
        # A bucket with object lock takes no put without a checksum.
        config: t.Any = {"region": session.region_name or "us-east-1", "checksum_algorithm": "SHA256"} | (
            {"endpoint": endpoint} if endpoint else {}
        )
        return _backends.S3Store(bucket, config=config, credential_provider=provider, **settings)

    def _azure(self, place: str, settings: dict[str, t.Any]) -> t.Any:
        account, _slash, container = place.partition("/")
        if not any(os.environ.get(f"AZURE_STORAGE_{name}") for name in _AZURE_KEYS):
            try:
                from obstore.auth.azure import AzureCredentialProvider
            except ImportError as error:
                raise _not_installed("azure-identity", "for a case in az://") from error
            settings["credential_provider"] = AzureCredentialProvider()
        endpoint = self._endpoint(settings, "AZURE_STORAGE_ENDPOINT")
        config: t.Any = {"account_name": account} | ({"endpoint": endpoint} if endpoint else {})
        return _backends.AzureStore(container, config=config, **settings)

    def _google(self, bucket: str, settings: dict[str, t.Any]) -> t.Any:
        endpoint = self._endpoint(settings, "STORAGE_EMULATOR_HOST")
        if endpoint and endpoint == os.environ.get("STORAGE_EMULATOR_HOST", "").rstrip(
            "/"
        ):  # an emulator asks for no credentials; obstore would look for some on the network
            provider: t.Any = _no_credentials
        else:
            try:
                from obstore.auth import google as auth
            except ImportError as error:
                raise _not_installed("google-auth and requests", "for a case in gs://") from error
            found, _project = auth.google.auth.default(scopes=[_GOOGLE_SCOPE])
            provider = auth.GoogleCredentialProvider(found)
        config: t.Any = {"base_url": endpoint} if endpoint else {}
        return _backends.GCSStore(bucket, config=config, credential_provider=provider, **settings)


def _no_credentials() -> dict[str, t.Any]:
    return {"token": "emulator", "expires_at": None}


def _not_installed(what: str, why: str) -> MissingLibrary:
    from ansible.module_utils.basic import missing_required_lib

    return MissingLibrary(missing_required_lib(what, reason=why), object=what, operation="import")


def _assumed(auth: t.Any, session: t.Any, role: str) -> t.Callable[[], t.Any]:
    """obstore's provider for a role. It hands on botocore's idea of UTC, which obstore itself does not take."""
    provider = auth.StsCredentialProvider(session, RoleArn=role, RoleSessionName="evict-cloud-store")

    def credentials() -> t.Any:
        found = provider()
        return {**found, "expires_at": found["expires_at"].astimezone(datetime.UTC)}

    return credentials


class _Bucket(Store):
    """A prefix of a bucket. Create-only is the service's own condition (``If-None-Match: *`` and its like)."""

    remote = True

    def __init__(self, connection: _Connection, prefix: str) -> None:
        self._connection = connection
        self._prefix = prefix
        self.url = f"{connection.bucket}/{prefix}".rstrip("/")

    def put(self, path: str, data: bytes) -> None:
        with self._errors("write", _checked(path)) as (client, key):
            obstore.put(client, key, data, mode="create")

    def replace(self, path: str, data: bytes) -> None:
        with self._errors("write", _checked(path)) as (client, key):
            obstore.put(client, key, data, mode="overwrite")

    def get(self, path: str) -> bytes:
        with self._errors("read", _checked(path)) as (client, key):
            return bytes(obstore.get(client, key).bytes())

    def list(self, prefix: str = "") -> Paths:
        cut = len(self._prefix) + 1 if self._prefix else 0
        try:
            with self._errors("list", _folder(prefix)) as (client, key):
                return sorted(entry["path"][cut:] for page in obstore.list(client, key or None) for entry in page)
        except NotFound:
            return []  # no such bucket: a put will say so

    def sure(self, unless: str) -> None:
        with contextlib.suppress(NotFound):
            self.get(unless)
            return
        name = f"probe-{secrets.token_hex(8)}"
        self.keep(name, b"is it there still?")
        try:
            self.put(name, b"it is not")
        except Exists:
            return
        finally:
            with contextlib.suppress(EvictError):  # a store with object lock keeps it
                self.delete(name)
        raise StoreUnavailable(
            f"{self.url} overwrites what is there, though it was asked to create only (If-None-Match): two runs would overwrite each other's records",
            object=self.url, operation="write", remedy="choose a store that knows create-only puts, or have its server updated",
        )  # fmt: skip

    def delete(self, path: str) -> None:
        with contextlib.suppress(NotFound), self._errors("delete", _checked(path)) as (client, key):
            obstore.delete(client, key)

    def written(self, path: str) -> datetime.datetime | None:
        with self._errors("read", _checked(path)) as (client, key):
            found = obstore.head(client, key)["last_modified"]
            return found if isinstance(found, datetime.datetime) and found.tzinfo else None

    def child(self, name: str) -> Store:
        return _Bucket(self._connection, f"{self._prefix}/{_checked(name)}".lstrip("/"))

    @contextlib.contextmanager
    def _errors(self, operation: str, path: str) -> t.Iterator[tuple[t.Any, str]]:
        key = "/".join(part for part in (self._prefix, path) if part)
        where = f"{self.url}/{path}".rstrip("/")
        client = self._connection.client()
        try:
            yield client, key
        except _failures.AlreadyExistsError as error:
            raise Exists(f"{where}: exists already", object=where, operation=operation) from error
        except Exception as error:  # obstore's types and what the credential providers let through
            if operation != "write" and (
                isinstance(error, FileNotFoundError) or " 404 Not Found" in str(error)
            ):  # the object, or its bucket
                raise NotFound(f"{where}: not found", object=where, operation=operation) from error
            if _KEPT.search(str(error)):
                raise Kept(
                    f"cannot {operation} {where}: a retention policy keeps it as it is",
                    object=where,
                    operation=operation,
                    remedy="switch versioning on for the bucket, so that an object can be replaced while its old version is kept",
                ) from error
            raise StoreUnavailable(
                f"cannot {operation} {where}: {_first_line(str(error)) or type(error).__name__}",
                object=where,
                operation=operation,
                remedy="check that the bucket exists, that the credentials may read and write it and that it can be reached, or choose another store",
            ) from error
