"""Prompts: Markdown files with a contract, a digest, and user overrides.

An HTML comment at the top is for people and is not sent. A line of three dashes separates the
system message from the user message. `$name` is a placeholder, `$$` a dollar sign. A line `<!--
name -->` in the user message starts the block of that placeholder, `<!-- end -->` ends the blocks;
which block comes first is decided when the prompt is filled.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from unillmrec.errors import PromptError

BUNDLED = "bundled"
"""The source of a prompt that came with the package."""

SUFFIX = ".md"

_COMMENT = re.compile(r"\s*<!--.*?-->", re.DOTALL)
_OPEN_COMMENT = re.compile(r"\s*<!--")
_SEPARATOR = re.compile(r"^---[ \t]*$", re.MULTILINE)
_MARK = re.compile(r"^<!-- *(\w+) *-->[ \t]*$", re.MULTILINE)
_END = "end"
# How a prompt shows the form of a reply: JSON alone on a line.
_EXAMPLE = re.compile(r"^\{.*\}$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Prompt:
    """The prompt of one stage, ready to be filled."""

    name: str
    """The stage's name for it, which is the file's name without `.md`."""
    text: str
    """The whole file, comment included."""
    digest: str
    """The first twelve hexadecimal digits of the file's SHA-256."""
    source: str
    """"bundled", or the path of the user's file."""
    system: Template = field(repr=False, compare=False)
    blocks: tuple[tuple[str, Template], ...] = field(repr=False, compare=False)
    """The user message in pieces, each with the name of its block, if it is one."""
    placeholders: frozenset[str] = field(init=False, repr=False, compare=False)
    """The names that `fill` wants, in the system and the user message together."""

    def __post_init__(self) -> None:
        found = _placeholders(self.system, *(template for _, template in self.blocks))
        object.__setattr__(self, "placeholders", found)

    @property
    def example(self) -> str:
        """The JSON reply that the system message shows; empty if it shows none."""
        found = _EXAMPLE.search(self.system.template)
        return found[0] if found else ""

    def fill(self, first: str = "", /, **values: str) -> tuple[str, str]:
        """Return the system and the user message with *values* filled in.

        Values are inserted unchanged: a `$` in them has no meaning. The block named *first*
        precedes the others; without a name, blocks stay in their own order.

        Raises:
            TypeError: The values are not exactly the placeholders of the prompt.
        """
        if values.keys() != self.placeholders:
            wanted, given = sorted(self.placeholders), sorted(values)
            raise TypeError(f"the prompt {self.name!r} takes {wanted}; given {given}")
        named = [template for name, template in self.blocks if name == first]
        named += [template for name, template in self.blocks if name not in ("", first)]
        rest = iter(named if first else ())
        ordered = [next(rest, each) if name else each for name, each in self.blocks]
        user = "\n\n".join(template.substitute(values) for template in ordered)
        return self.system.substitute(values), user


class PromptSet:
    """The prompts of all stages, each the user's own if there is one."""

    def __init__(
        self, prompts: Mapping[str, Prompt], contracts: Mapping[str, frozenset[str]]
    ) -> None:
        self._prompts = dict(prompts)
        self._contracts = dict(contracts)

    @classmethod
    def load(
        cls, contracts: Mapping[str, frozenset[str]], overlay: Path | None = None
    ) -> PromptSet:
        """Read the prompts named in *contracts*, overridden by files in the folder *overlay*.

        A contract lists the placeholders that the stage fills; missing or additional ones in a
        file are an error.

        Raises:
            PromptError: A file is missing, cannot be read, is named after no stage, or does not
                fit its contract.
        """
        prompts = {}
        folder = bundled_folder()
        for name, placeholders in contracts.items():
            file = folder / f"{name}{SUFFIX}"
            if not file.is_file():
                raise PromptError(
                    f"the prompt {name!r} did not come with this installation.",
                    detail=f"It was looked for in {folder}.",
                    remedy="pip install --force-reinstall unillmrec",
                )
            prompts[name] = _read(file, BUNDLED, name, placeholders)
        if overlay is not None:
            for file in _overlay_files(overlay):
                name = _stage_of(file, contracts)
                prompts[name] = _read(file, str(file), name, contracts[name])
        return cls(prompts, contracts)

    def check(self, directory: Path) -> tuple[PromptError, ...]:
        """Return everything that would keep the prompts in *directory* from being used."""
        problems = []
        try:
            found = _overlay_files(directory)
        except PromptError as error:
            return (error,)
        for file in found:
            try:
                name = _stage_of(file, self._contracts)
                _read(file, str(file), name, self._contracts[name])
            except PromptError as error:
                problems.append(error)
        return tuple(problems)

    def export(self, directory: Path) -> tuple[Path, ...]:
        """Write these prompts into *directory* to be edited, and return the files.

        Raises:
            PromptError: One of the files is there already, or cannot be written; then none is.
        """
        targets = {directory / f"{name}{SUFFIX}": prompt for name, prompt in self._prompts.items()}
        taken = [str(target) for target in targets if target.exists() or target.is_symlink()]
        if taken:
            raise PromptError(
                f"{len(taken)} of {len(targets)} prompts are already in {directory}: "
                f"{', '.join(map(repr, taken))}.",
                detail="Nothing was written.",
                remedy="export into an empty folder, or remove the files to be replaced.",
            )
        _write(directory, targets)
        return tuple(targets)

    def __getitem__(self, name: str) -> Prompt:
        if name not in self._prompts:
            raise PromptError(
                f"there is no prompt {name!r}.{_nearest(name, self._prompts)}",
                detail=f"The prompts are {', '.join(self._prompts)}.",
            )
        return self._prompts[name]

    def __iter__(self) -> Iterator[Prompt]:
        return iter(self._prompts.values())

    def __len__(self) -> int:
        return len(self._prompts)


def bundled_folder() -> Traversable:
    """Return the folder of the prompts that came with the package."""
    packaged = files("unillmrec") / "_prompts"
    # A wheel carries the prompts inside the package; a checkout and an editable install keep them
    # beside it, where they can be edited.
    return packaged if packaged.is_dir() else Path(__file__).parents[1] / "prompts"


def _overlay_files(directory: Path) -> list[Path]:
    try:
        # Hidden files are the business of editors and file browsers, not misspelt prompts.
        found = sorted(file for file in directory.iterdir() if not file.name.startswith("."))
    except OSError as error:
        raise PromptError(
            f"{directory}: the folder of prompts cannot be read: {error.strerror}.",
            remedy=f"`unillmrec prompts export {directory}`, or another --prompts.",
        ) from error
    if not found:
        raise PromptError(
            f"{directory}: the folder of prompts is empty.",
            remedy=f"`unillmrec prompts export {directory}`, or no --prompts.",
        )
    return found


def _stage_of(file: Path, contracts: Mapping[str, frozenset[str]]) -> str:
    if file.suffix == SUFFIX and file.stem in contracts:
        return file.stem
    known = [f"{name}{SUFFIX}" for name in contracts]
    raise PromptError(
        f"{file}: no prompt has this name.{_nearest(file.name, known)}",
        detail=f"The prompts are {', '.join(known)}.",
        remedy="rename the file, or move it out of the folder.",
    )


def _read(file: Traversable, source: str, name: str, placeholders: frozenset[str]) -> Prompt:
    where = str(file) if source == BUNDLED else source
    try:
        content = file.read_bytes()
        text = content.decode("utf-8")
    except OSError as error:
        raise PromptError(f"{where}: the prompt cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise PromptError(
            f"{where}:{line}: the prompt is not UTF-8: byte 0x{content[error.start]:02x}.",
            remedy="save the file as UTF-8.",
        ) from error
    system, user = _split(text, where)
    _check_dollars(text, where)
    _check_placeholders(_placeholders(Template(system), Template(user)), placeholders, name, where)
    digest = hashlib.sha256(content).hexdigest()[:12]
    blocks = _blocks(user, placeholders, where)
    return Prompt(name, text, digest, source, Template(system), blocks)


def _blocks(
    user: str, placeholders: frozenset[str], where: str
) -> tuple[tuple[str, Template], ...]:
    """Split a user message at its block marks; other comments are the author's text."""
    pieces = [("", "")]
    start = 0
    for mark in _MARK.finditer(user):
        if mark[1] in placeholders or mark[1] == _END:
            pieces[-1] = (pieces[-1][0], user[start : mark.start()].strip())
            pieces.append(("" if mark[1] == _END else mark[1], ""))
            start = mark.end()
    pieces[-1] = (pieces[-1][0], user[start:].strip())
    blocks = tuple((name, Template(text)) for name, text in pieces if name or text)
    _check_blocks(blocks, where)
    return blocks


def _check_blocks(blocks: tuple[tuple[str, Template], ...], where: str) -> None:
    """Raise if blocks cannot change places."""
    names = [name for name, _ in blocks if name]
    for name, template in blocks:
        others = _placeholders(template) & set(names) - {name}
        if name and (names.count(name) > 1 or name not in _placeholders(template)):
            problem = f"the block {name!r} needs ${name}, and is there once."
        elif others:
            problem = f"${min(others)} is outside of its block."
        else:
            continue
        raise PromptError(
            f"{where}: {problem}",
            detail="A line <!-- name --> begins a block, and <!-- end --> ends the last one.",
            remedy="move the lines, or leave the marks out.",
        )


def _split(text: str, where: str) -> tuple[str, str]:
    text = _lines(text)
    comment = _COMMENT.match(text)
    if not comment and _OPEN_COMMENT.match(text):
        raise PromptError(f"{where}: the comment on top is not closed.", remedy="end it with -->.")
    body = text[comment.end() :] if comment else text
    # Only the first line of dashes parts; further ones are the author's.
    system, *rest = _SEPARATOR.split(body, maxsplit=1)
    parts = [part.strip() for part in (system, *rest)]
    if len(parts) < 2 or not all(parts):
        raise PromptError(
            f"{where}: the prompt needs a system message, a line ---, and a user message.",
            detail="The line is missing."
            if len(parts) < 2
            else f"The {'user' if parts[0] else 'system'} message is empty.",
            remedy="compare with `unillmrec prompts show` of the same name.",
        )
    return parts[0], parts[1]


def _lines(text: str) -> str:
    """Normalise line ends, and remove a byte-order mark."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _check_dollars(text: str, where: str) -> None:
    text = _lines(text)
    comment = _COMMENT.match(text)
    for dollar in Template.pattern.finditer(text, comment.end() if comment else 0):
        if dollar["invalid"] is not None:
            line = text.count("\n", 0, dollar.start()) + 1
            raise PromptError(
                f"{where}:{line}: a $ is not followed by a name: {text[dollar.start() :][:12]!r}.",
                remedy="write $$ for a dollar.",
            )


def _check_placeholders(
    found: frozenset[str], wanted: frozenset[str], name: str, where: str
) -> None:
    missing, unknown = sorted(wanted - found), sorted(found - wanted)
    if not missing and not unknown:
        return
    parts = []
    if missing:
        parts.append("missing " + ", ".join(f"${each}" for each in missing))
    if unknown:
        parts.append("unknown " + ", ".join(f"${each}" for each in unknown))
    raise PromptError(
        f"{where}: the placeholders do not fit the {name} stage.",
        detail="; ".join(parts) + ".",
        remedy=f"compare with `unillmrec prompts show {name}`.",
    )


def _placeholders(*templates: Template) -> frozenset[str]:
    return frozenset(name for template in templates for name in template.get_identifiers())


def _write(directory: Path, targets: Mapping[Path, Prompt]) -> None:
    partial = {target: target.with_name(f".{target.name}.partial") for target in targets}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        # All are written beside before the first is renamed: a full disk leaves no half a set.
        for target, prompt in targets.items():
            partial[target].write_bytes(prompt.text.encode("utf-8"))
        for target, written in partial.items():
            written.rename(target)
    except OSError as error:
        raise PromptError(
            f"{error.filename or directory}: the prompts cannot be written: {error.strerror}."
        ) from error
    finally:
        for written in partial.values():
            # Not there is what it should be; a folder in the way of our own was reported above.
            if written.is_file():
                written.unlink()


def _nearest(name: str, names: Mapping[str, object] | list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, list(names), n=1)
    return f" The nearest is {near[0]!r}." if near else ""
