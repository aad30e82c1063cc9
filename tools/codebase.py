"""Read the project's own source files, for the tests of its structure."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[1]
CODE_FOLDERS = ("cpp", "python", "tests", "tools", "bench", "examples")

# Comments and literals, which the rules below do not look into. A digit separator (1'000) is none.
CPP_NOISE = re.compile(
    r"""R"(?P<delimiter>[^()\\\s]*)\(.*?\)(?P=delimiter)"|//[^\n]*|/\*.*?\*/"""
    r"""|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'""",
    re.DOTALL,
)


@dataclass(frozen=True)
class Source:
    """A file of the repository; `name` is its path from the root."""

    path: Path
    name: str

    @cached_property
    def text(self) -> str:
        """The file's text."""
        return self.path.read_text()

    @cached_property
    def cpp_code(self) -> str:
        """The text without comments, string and character literals; lines keep their numbers."""
        return CPP_NOISE.sub(lambda match: " " + "\n" * match[0].count("\n"), self.text)

    @cached_property
    def includes(self) -> list[str]:
        """What the file includes, in order."""
        return re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', self.text, re.MULTILINE)

    def matches(self, pattern: str) -> list[str]:
        """Return 'file:line: text' for each place in the C++ code that matches."""
        return [
            f"{self.name}:{self.cpp_code.count(chr(10), 0, match.start()) + 1}: {match[0].strip()}"
            for match in re.finditer(pattern, self.cpp_code)
        ]


def sources() -> list[Source]:
    """Return every C++ and Python file of the project."""
    return [
        Source(path, path.relative_to(ROOT).as_posix())
        for folder in CODE_FOLDERS
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in {".hpp", ".cpp", ".py", ".pyi"}
        and not {"build", "__pycache__", ".venv"} & set(path.relative_to(ROOT).parts)
    ]
