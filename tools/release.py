"""Prepares and checks a release. Nothing is published, committed or tagged.

python tools/release.py prepare 0.2.0   # writes the version and today's date into the files that hold them
python tools/release.py prepare 0.2.0 https://host/owner/lit-optim   # the first time: the addresses too
python tools/release.py check           # what `make release` asks for before it builds
python tools/release.py metadata dist   # what a package index would reject
"""

from __future__ import annotations

import datetime
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.metadata import Metadata
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
INIT, CHANGELOG, CITATION, PROJECT = "lit_optim/__init__.py", "CHANGELOG.md", "CITATION.cff", "pyproject.toml"
VERSION = re.compile(r'^__version__ = "(.*)"$', re.MULTILINE)
CITED = re.compile(r"^version: (.*)$", re.MULTILINE)
SECTION = re.compile(r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", re.MULTILINE)
SEMANTIC = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)((a|b|rc)\d+)?")
NO_URLS = re.compile(r"^# \[project\.urls\].*$", re.MULTILINE)
RELATIVE = re.compile(r"\]\((?!https?://|#)[^)]+\)")
URLS = '[project.urls]\nRepository = "{0}"\nIssues = "{0}/issues"\nChangelog = "{0}/blob/main/CHANGELOG.md"'


def sections(changelog: str) -> dict[str, tuple[str, str]]:
    """Return date and text of each section of a changelog, in its order.

    Example:
        >>> sections("# Changelog\\n\\n## [Unreleased]\\n- b\\n\\n## [0.1.0] - 2026-11-27\\n- a\\n")
        {'Unreleased': ('', '- b'), '0.1.0': ('2026-11-27', '- a')}
    """
    found = [*SECTION.finditer(changelog)]
    ends = [match.start() for match in found[1:]] + [len(changelog)]
    return {m[1]: (m[2] or "", changelog[m.end() : end].strip()) for m, end in zip(found, ends, strict=True)}


def dated(changelog: str, version: str, day: str) -> str:
    """Return a changelog whose unreleased entries are those of a version; an empty section for the next ones is left.

    Example:
        >>> print(dated("## [Unreleased]\\n\\n- a", "0.1.0", "2026-11-27"))
        ## [Unreleased]
        <BLANKLINE>
        ## [0.1.0] - 2026-11-27
        <BLANKLINE>
        - a
    """
    return changelog.replace("## [Unreleased]", f"## [Unreleased]\n\n## [{version}] - {day}", 1)


def prepared(files: Mapping[str, str], version: str, day: str, address: str = "") -> dict[str, str]:
    """Return the files of a release with its version, its date and, where it is given, the repository's address.

    Raises:
        ValueError: a version that is none, that has a section already, or nothing to release.
    """
    known = sections(files[CHANGELOG])
    if not SEMANTIC.fullmatch(version) or version in known:
        raise ValueError(f"{version}: not a version like 0.2.0, or {CHANGELOG} has a section of it already")
    if not known["Unreleased"][1]:
        raise ValueError(f"{CHANGELOG}: nothing under [Unreleased]")
    if address and (not address.startswith("https://") or "[project.urls]\n" in files[PROJECT]):
        raise ValueError(f"{address}: does not begin with https://, or {PROJECT} has [project.urls] already")
    urls = URLS.format(address.rstrip("/").removesuffix(".git"))
    return {
        INIT: VERSION.sub(f'__version__ = "{version}"', files[INIT]),
        CHANGELOG: dated(files[CHANGELOG], version, day),
        CITATION: CITED.sub(f"version: {version}", files[CITATION]),
        PROJECT: NO_URLS.sub(lambda _: urls, files[PROJECT], count=1) if address else files[PROJECT],
    }


def problems(files: Mapping[str, str], changed: str, tags: Iterable[str], origin: str) -> list[str]:
    """Return what a tree lacks before it can be released.

    Args:
        files: text by path.
        changed: what ``git status --porcelain`` prints.
        tags: of git, those of versions begin with ``v``.
        origin: address of the repository, or empty.
    """
    found = VERSION.search(files[INIT])
    version = found[1] if found else ""
    known = sections(files[CHANGELOG])
    newest = next((name for name in known if name != "Unreleased"), "")
    older = [Version(tag[1:]) for tag in tags if SEMANTIC.fullmatch(tag[1:])]
    cited = CITED.search(files[CITATION])
    wrong = []
    if changed:
        wrong.append(f"the working tree has changes; commit them first:\n{changed}")
    if not SEMANTIC.fullmatch(version):
        wrong.append(f"{INIT}: __version__={version!r} is not a version like 0.2.0")
    elif older and Version(version) <= max(older):
        wrong.append(f"{INIT}: {version} is not newer than the tag v{max(older)}")
    if newest != version or not known[version][0]:
        wrong.append(f"{CHANGELOG}: its newest section is not '## [{version}] - <date>'; run tools/release.py prepare")
    if known.get("Unreleased", ("", ""))[1]:
        wrong.append(f"{CHANGELOG}: [Unreleased] has entries that would not be in the release's section")
    if not cited or cited[1] != version:
        wrong.append(f"{CITATION}: its version is not {version}")
    if "[project.urls]\n" not in files[PROJECT]:
        address = re.sub(r"^git@([^:]+):", r"https://\1/", origin).removesuffix(".git") or "https://..."
        wrong.append(
            f"{PROJECT}: no [project.urls]; add, with the address where it is published:\n" + URLS.format(address)
        )
    return wrong


def metadata_problems(metadata: bytes, version: str) -> list[str]:
    """Return what a package index would reject in the metadata of a wheel or an sdist."""
    try:
        found = Metadata.from_email(metadata)
    except Exception as error:
        return [str(one) for one in getattr(error, "exceptions", [error])]
    wrong = []
    if str(found.version) != version:
        wrong.append(f"Version: {found.version}, and {INIT} says {version}")
    if not found.description or found.description_content_type != "text/markdown":
        wrong.append("Description: missing, or not text/markdown")
    wrong += [
        f"Description: {link} leads nowhere on a package index" for link in RELATIVE.findall(found.description or "")
    ]
    wrong += [f"Project-URL: {url}" for url in (found.project_urls or {}).values() if not url.startswith("https://")]
    return wrong


def metadata_of(artefact: Path) -> bytes:
    """Return the metadata of a wheel or an sdist."""
    if artefact.suffix == ".whl":
        with zipfile.ZipFile(artefact) as wheel:
            return wheel.read(next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")))
    with tarfile.open(artefact) as sdist:
        member = sdist.extractfile(artefact.name.removesuffix(".tar.gz") + "/PKG-INFO")
        assert member is not None
        return member.read()


def artefacts(folder: Path, version: str) -> list[Path]:
    """Return the wheel and the sdist of a version."""
    return [folder / f"lit_optim-{version}-py3-none-any.whl", folder / f"lit_optim-{version}.tar.gz"]


def git(*arguments: str) -> str:
    """Return what git prints; empty where it fails."""
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def main(verb: str = "check", argument: str = "dist", address: str = "") -> int:
    """Do one of the three, and return the exit code."""
    files = {name: (ROOT / name).read_text(encoding="utf-8") for name in (INIT, CHANGELOG, CITATION, PROJECT)}
    if verb == "prepare":
        try:
            changed = prepared(files, argument, datetime.date.today().isoformat(), address)
        except ValueError as error:
            print(error)
            return 1
        for name, text in changed.items():
            (ROOT / name).write_text(text, encoding="utf-8")
        return 0
    version = VERSION.search(files[INIT])[1]  # type: ignore[index]
    if verb == "metadata":
        paths = artefacts(ROOT / argument, version)
        wrong = [f"{p.name}: {w}" for p in paths for w in metadata_problems(metadata_of(p), version)]
    else:
        wrong = problems(files, git("status", "--porcelain"), git("tag").split(), git("remote", "get-url", "origin"))
    print(*wrong, sep="\n", end="\n" if wrong else "")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
