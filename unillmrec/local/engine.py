"""Run a GGUF file in this process, behind an OpenAI-compatible address on the loopback interface.

There is one engine for each file, shared by everything that asks it, until the process ends.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import platform
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from unillmrec.errors import MissingExtraError, SettingsError
from unillmrec.local.gguf import GgufFile, read_gguf
from unillmrec.system.processes import available_cores

# The name of the host in the usage log, for a model that is on no server.
HOST = "model-file.localhost"
# Our prompts are far shorter; memory for the context grows with its length.
LONGEST_CONTEXT = 32_768
SHORTEST_CONTEXT = 4_096
# Memory for prompts whose beginning may be asked for again.
_PREFIX_CACHE_MB = 512
# What the engine needs beside the weights and the context.
_WORKING_MEMORY = 300_000_000


@dataclass(frozen=True, slots=True)
class EnginePlan:
    """How an engine will run: the file, the length of its context, and threads."""

    file: GgufFile
    context: int
    threads: int
    key: str


class Server(Protocol):
    """A running server; dropping the last reference to it stops it."""

    @property
    def listening_address(self) -> str:
        """The address that it answers on, without a path."""
        ...


Launch = Callable[[EnginePlan], Server]


@dataclass(frozen=True, slots=True)
class ModelEngine:
    """A model file that is being served.

    *address* is where, and *key* what it wants to see. Both are different in every process;
    *known_as* is the same for the same file, and names it in caches and recordings.
    """

    name: str
    address: str
    key: str
    known_as: str
    context: int
    server: Server


_ENGINES: dict[Path, ModelEngine] = {}
_LOCK = threading.Lock()


def launch_server(plan: EnginePlan) -> Server:
    """Start the server of xllamacpp, which answers when this returns.

    Raises:
        MissingExtraError: the package is not installed.
        SettingsError: the processor is too old, or the engine cannot run the file.
    """
    _check_processor()
    try:
        import xllamacpp
    except ImportError as error:
        raise MissingExtraError("--model-file", "xllamacpp", "local") from error
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(plan.file.path)
    parameters.model_alias = {plan.file.name}
    parameters.api_keys = [plan.key]
    parameters.n_ctx = plan.context
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = plan.threads
    parameters.cache_ram_mib = _PREFIX_CACHE_MB
    parameters.endpoint_slots = parameters.ui = False
    parameters.offline, parameters.verbosity = True, 0
    try:
        server: Server = xllamacpp.Server(parameters)
    except RuntimeError as error:
        raise SettingsError(
            f"the model file {plan.file.path} cannot be run.",
            detail="It is damaged, or of a kind that xllamacpp does not know.",
            remedy="download it again, or pip install -U xllamacpp.",
        ) from error
    return server


def start_engine(path: Path, launch: Launch = launch_server) -> ModelEngine:
    """Return the engine that serves *path*; it is started unless it runs already.

    Raises:
        SettingsError: the file cannot be used on this machine.
        MissingExtraError: the package that runs it is not installed.
    """
    with _LOCK:
        path = path.resolve()
        if path not in _ENGINES:
            _ENGINES[path] = _start(path, launch)
        return _ENGINES[path]


def stop_engines() -> None:
    """Stop all engines, and free their memory."""
    with _LOCK:
        _ENGINES.clear()


# At the end of the interpreter, the engine's own threads must be gone.
atexit.register(stop_engines)


def _start(path: Path, launch: Launch) -> ModelEngine:
    file = read_gguf(path)
    context = fitting_context(file, available_memory())
    plan = EnginePlan(file, context, max(available_cores() - 1, 1), secrets.token_hex(24))
    server = launch(plan)
    return ModelEngine(
        file.name,
        f"{server.listening_address}/v1",
        plan.key,
        f"http://{HOST}/{_fingerprint(file)}",
        context,
        server,
    )


def fitting_context(file: GgufFile, memory: int | None) -> int:
    """Return the longest context that the model and *memory* (bytes; None is unknown) allow.

    Raises:
        SettingsError: not even a short one fits.
    """
    context = min(file.context_length or SHORTEST_CONTEXT, LONGEST_CONTEXT)
    while memory is not None and memory_needed(file, context) > memory:
        if context <= SHORTEST_CONTEXT:
            raise SettingsError(
                f"the model file {file.path} needs about "
                f"{memory_needed(file, context) / 1e9:.1f} GB of memory, and "
                f"{memory / 1e9:.1f} GB are free.",
                remedy="a smaller model, or one with fewer bits a weight (such as Q4_K_M).",
            )
        context = max(context // 2, SHORTEST_CONTEXT)
    return context


def memory_needed(file: GgufFile, context: int) -> int:
    """Return the bytes of memory that a model takes with a context of this length."""
    return file.size + context * file.bytes_a_token + _WORKING_MEMORY


def available_memory() -> int | None:
    """Return the bytes of memory that programs can still use; None if the system does not say."""
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    with suppress(AttributeError, OSError, ValueError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _check_processor() -> None:
    """Raise if the engine would end the process with an illegal instruction."""
    if platform.machine() not in {"x86_64", "AMD64"}:
        return
    with suppress(OSError):
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        if "flags" in flags and " avx2" not in flags:
            raise SettingsError(
                "this processor cannot run a model file: it has no AVX2 instructions.",
                remedy="a server on another machine, and --base-url.",
            )


def _fingerprint(file: GgufFile) -> str:
    """Return a digest that tells one model file from another without reading all of it."""
    digest = hashlib.sha256(f"{file.name} {file.size} ".encode())
    with file.path.open("rb") as opened:
        digest.update(opened.read(1 << 20))
        opened.seek(max(file.size - (1 << 20), 0))
        digest.update(opened.read())
    return digest.hexdigest()[:16]


def describe_file(path: Path) -> str:
    """Return the name and size of a model file, for a progress line."""
    size = os.path.getsize(path) if path.is_file() else 0
    return f"{path.name} ({size / 1e6:,.0f} MB)"
