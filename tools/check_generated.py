"""Compare the committed generated files with what their generators print now.

    python tools/check_generated.py            # exit 1 and a diff where one is out of date
    python tools/check_generated.py --write    # write them anew (`make stubs`)

A generated file is a pair in GENERATED: a command that prints the file, and the file's path. Python
files are formatted by ruff on the way.
"""

import difflib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

# (command after the Python interpreter, path of the file)
GENERATED: list[tuple[list[str], str]] = [
    (["tools/make_native_stub.py"], "python/kvsim/_native.pyi"),
    (["tools/generate_fields.py", "python"], "python/kvsim/_fields.py"),
    (["tools/generate_fields.py", "docs"], "docs/fields.md"),
]


def generate(command: list[str], path: str) -> str:
    """Return the text that `command` prints, formatted as `path`'s kind of file is."""
    text = run([sys.executable, *command])
    if path.endswith((".py", ".pyi")):
        ruff = [sys.executable, "-m", "ruff"]
        text = run(
            [*ruff, "check", "--select", "I", "--fix", "-q", "--stdin-filename", path, "-"], text
        )
        text = run([*ruff, "format", "-q", "--stdin-filename", path, "-"], text)
    return text


def run(command: list[str], text: str | None = None) -> str:
    """Return a command's output; end with its errors if it fails."""
    done = subprocess.run(
        command, input=text, cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}{done.stdout}")
    return done.stdout


def difference(command: list[str], path: str) -> str:
    """Return the diff from the committed file to the generated one, empty if they are equal."""
    file = ROOT / path
    committed = file.read_text() if file.exists() else ""
    return "".join(
        difflib.unified_diff(
            committed.splitlines(keepends=True),
            generate(command, path).splitlines(keepends=True),
            f"{path} (committed)",
            f"{path} (generated)",
        )
    )


def main(arguments: list[str]) -> int:
    """Check or write every generated file; return the exit code."""
    if arguments not in ([], ["--write"]):
        sys.exit(__doc__)
    out_of_date = 0
    for command, path in GENERATED:
        if arguments:
            (ROOT / path).write_text(generate(command, path))
            print(f"wrote {path}")
        elif diff := difference(command, path):
            out_of_date += 1
            print(f"{path} is out of date; `make stubs` writes it anew:\n{diff}")
    return 1 if out_of_date else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
