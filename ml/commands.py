"""What the commands of `ml` share: errors that people can act on are told in a line, not in a traceback."""

import argparse
import io
import math
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from ml import file_names, photos
from ml.errors import DataWarning, FacetError
from ml.model.card import CARD_FILE
from ml.shares.errors import SharesError

# As older programs for such models call what is called otherwise here.
_OLDER_NAMES = {
    "--dataset": "--data",
    "--root-dir": "--data",
    "--model-path": "--model",
    "--val-txt": "--list",
    "--output-csv": "--csv",
    "--output-html": "--html",
}


class CommandParser(argparse.ArgumentParser):
    """A parser that also takes options as older programs write them: `--train_txt` is `--train-txt`."""

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        words = list(sys.argv[1:] if args is None else args)
        end = words.index("--") if "--" in words else len(words)
        return super().parse_known_args([*map(self._translate, words[:end]), *words[end:]], namespace)

    def _translate(self, word: str) -> str:
        option, mark, value = word.partition("=")
        if not option.startswith("--"):
            return word
        option = option.replace("_", "-")
        known = self._option_string_actions
        older = _OLDER_NAMES.get(option, option)
        return f"{older if option not in known and older in known else option}{mark}{value}"


def positive(text: str) -> int:
    """A whole number of at least 1, as an argument's type."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return number


def not_negative(text: str) -> int:
    """A whole number of at least 0, as an argument's type: what a random generator takes as its seed."""
    try:
        number = int(text)
    except ValueError:
        number = -1
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 0")
    return number


def width_px(text: str) -> float:
    """A width in pixels, 0 or more, as an argument's type."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no width in pixels")
    return number


def known_device(text: str) -> str:
    """A device that torch has here, as an argument's type."""
    import torch  # not for commands that never name one

    try:
        torch.zeros(1, device=text).cpu()  # back again: the device "meta" holds nothing
    except (RuntimeError, AssertionError) as error:  # the second where torch was built without CUDA
        raise argparse.ArgumentTypeError(f"torch has no device {text!r} here") from error
    return text


def writable_file(text: str) -> Path:
    """A file that can be written, whether it is there or not, as an argument's type: told before the work is done."""
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is a folder")
    if os.path.exists(path) and not path.is_file():
        raise argparse.ArgumentTypeError(f"{text} is not a file")
    writable_folder(str(path.parent))
    return path


def writable_folder(text: str) -> Path:
    """A folder that can be written in, or can be made, as an argument's type."""
    path = Path(text)
    nearest = next(place for place in (path, *path.absolute().parents) if os.path.exists(place))
    if not nearest.is_dir():
        raise argparse.ArgumentTypeError(f"{nearest} is not a folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise argparse.ArgumentTypeError(f"cannot write in {nearest}")
    return path


def new_checkpoint(text: str) -> Path:
    """A folder in which a checkpoint can be written and none is yet, as an argument's type."""
    path = writable_folder(text)
    if (path / CARD_FILE).exists():
        raise argparse.ArgumentTypeError(f"{text} holds a checkpoint: name a new folder")
    return path


@contextmanager
def told_errors(parser: argparse.ArgumentParser) -> Iterator[None]:
    """End with status 2 and one line on errors of data, checkpoints, recipes and files; warnings are a line each."""
    _take_any_letter(sys.stdout)
    with warnings.catch_warnings():
        warnings.simplefilter("always", DataWarning)
        warnings.filterwarnings("always", module=r"PIL\.")  # else only the first file with a fault would be told
        show, last = warnings.showwarning, ("", set[str]())

        def tell(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
            nonlocal last
            if issubclass(category, DataWarning):
                tell_aside(f"warning: {message}")
            elif name := photos.being_read():
                last = last if last[0] == name else (name, set())
                if str(message) not in last[1]:  # a fault is met again and again while one file is read
                    last[1].add(str(message))
                    tell_aside(f"warning: {name}: {message}")
            else:
                show(message, category, *rest, **more)

        warnings.showwarning = tell
        try:
            yield
        except (FacetError, SharesError) as error:
            parser.error(file_names.to_printable(str(error), keep="\n"))
        except OSError as error:
            told = f"{error.strerror or error}: {error.filename}" if error.filename else str(error)
            parser.error(file_names.to_printable(told, keep="\n"))


def tell_aside(*lines: str) -> None:
    """Print lines beside the answer, on standard error, those that say anything; nothing that a terminal would obey."""
    for line in filter(None, lines):
        _take_any_letter(sys.stderr)
        print(file_names.to_printable(line, keep="\n"), file=sys.stderr)


def say(text: str) -> None:
    """Print what a command did, for people, on standard output: nothing that a terminal would obey."""
    show(file_names.to_printable(text, keep="\n"))


def show(text: str, *, end: str = "\n") -> bool:
    """Print a command's answer, or a part of it; whether anybody reads on.

    A reader that has seen enough and is gone, as `head` is, makes no error; nor do letters that it cannot be sent.
    """
    try:
        _take_any_letter(sys.stdout)
        print(text, end=end, flush=True)
    except BrokenPipeError:
        # Python would try the rest again at exit, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


def _take_any_letter(stream: TextIO) -> None:
    r"""Let a stream tell letters that its encoding lacks as \xNN or \uNNNN, instead of ending the command."""
    if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
        stream.reconfigure(errors="backslashreplace")
