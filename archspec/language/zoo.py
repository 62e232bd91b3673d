"""Finding specs: files, and the specs that come with archspec."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from archspec.syntax.errors import Problem, Span, SpecError, suggest

ROOT = Path(__file__).resolve().parents[1] / "specs"
SUFFIXES = (".yaml", ".yml")


def is_file_name(reference: str) -> bool:
    """Whether a reference to a spec is a file's: it ends in .yaml or .yml, in small letters or capitals."""
    return reference.lower().endswith(SUFFIXES)


def names() -> list[str]:
    """The networks that come with archspec, by name."""
    return sorted(path.stem for path in ROOT.glob("*.yaml"))


def locate(reference: str, span: Span | None = None, relative_to: Path | None = None) -> Path:
    """The file of a spec: a path (it ends in .yaml), or the name of one of the zoo (`resnet50`, `bases/resnet`).

    Raises `SpecError`.
    """
    if "\0" in reference or len(reference) > 1000:
        raise SpecError([Problem("this cannot be the name of a spec", span, "write a path or a name of the zoo")])
    if is_file_name(reference):
        path = Path(reference)
        if relative_to is not None:
            if path.is_absolute():
                problem = Problem("`extends` takes a path relative to this file", span, "or the name of one of the zoo")
                raise SpecError([problem])
            path = relative_to / path
        _is_file(path, span)
        return path
    path = ROOT / f"{reference}.yaml"
    if not _is_file(path, span) or not path.resolve().is_relative_to(ROOT.resolve()):
        known = [*names(), *(f"bases/{base.stem}" for base in (ROOT / "bases").glob("*.yaml"))]
        beside = next((end for end in SUFFIXES if _beside(reference + end, relative_to)), None)
        hint = f"did you mean '{reference}{beside}'?" if beside else suggest(reference, known) or ""
        hint = hint if hint.startswith("did") else "a file's name ends in .yaml; `archspec list` shows the zoo"
        raise SpecError([Problem(f"there is no spec '{reference[:80]}'", span, hint)])
    return path


def near(path: Path, reader: Path | None = None) -> str | None:
    """Which spec may have been meant by a file that is not there: a network of the zoo, or a file of much the same name
    beside it, other than the one that names it."""
    if path.stem in names():
        return f"without .yaml, '{path.stem}' is the name of one that comes with archspec"
    files = path.parent.glob("*.yaml") if path.parent.is_dir() else ()
    beside = {file.stem: file.name for file in files if reader is None or file.name != reader.name}
    close = get_close_matches(path.stem[:100], sorted(beside)[:500], n=1, cutoff=0.6)
    return f"did you mean '{beside[close[0]]}'?" if close else None


def _beside(name: str, folder: Path | None) -> bool:
    try:
        return ((folder or Path()) / name).is_file()
    except (OSError, ValueError):
        return False


def _is_file(path: Path, span: Span | None) -> bool:
    """Whether there is such a file. Raises `SpecError` where the system cannot even tell: a name too long, links in a
    circle."""
    try:
        path.resolve()
        return path.is_file()
    except (OSError, RuntimeError, ValueError) as error:
        what = getattr(error, "strerror", None) or "links in a circle"
        name = path.name if len(path.name) <= 60 else path.name[:57] + "..."
        raise SpecError([Problem(f"{name} cannot be read: {what}", span)]) from None


def display(path: Path) -> str:
    """A path as messages show it: relative to the working directory where it lies below."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (OSError, ValueError):
        return str(path)
