"""Who may import whom in Python, and what `import kvsim` may load."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import kvsim
from codebase import Source

# A heavy package and the parts of kvsim that may import it.
OWNERS = {
    "matplotlib": {"plots"},
    "typer": {"cli"},
    "click": {"cli"},
    "rich": {"cli"},
    "anywidget": {"widgets"},
    "traitlets": {"widgets"},
    "ipywidgets": {"widgets"},
    "tqdm": {"sweep", "cli", "lab", "progress"},
    "optuna": {"search"},
    "pandas": {
        "analysis",
        "frontier",
        "latency_tradeoff",
        "max_rate",
        "optimize",
        "pandas",
        "result",
        "sharding",
        "store",
        "sweep_result",
    },
    "polars": {"export", "sweep_result"},
    "pyarrow": {"export", "sweep_result", "store", "store_rows"},
    "scipy": {"design", "statistics"},
    "xarray": {"export", "sweep_result"},
    "dask": set(),
    "distributed": set(),
}
# What a module may not import: the layers above it.
ABOVE = {
    "scenario": {"sweep", "store", "design", "validate", "plots", "cli", "lab", "widgets"},
    "result": {"sweep", "store", "design", "validate", "plots", "cli", "lab", "widgets"},
    "catalog": {"sweep", "store", "design", "validate", "plots", "cli", "lab", "widgets"},
    "sweep": {"validate", "plots", "cli", "lab", "widgets"},
    "store": {"validate", "plots", "cli", "lab", "widgets"},
    "design": {"plots", "cli", "lab", "widgets"},
    "plots": {"cli", "lab", "widgets"},
    "validate": {"cli", "lab", "widgets"},
    "lab": {"cli", "widgets"},
    "widgets": {"cli"},
}
# What a part may import when it is imported itself. The parts named here are imported when used.
LIGHT = {
    "cli": {"numpy", "typer"},
    "plots": {"numpy", "matplotlib"},
    "widgets": {"numpy", "anywidget", "traitlets"},
}


def part(source: Source) -> str:
    """Return a module's part of the package: `plots` for python/kvsim/plots/frontier.py."""
    return (
        source.name.removeprefix("python/kvsim/").partition("/")[0].removesuffix(".py").lstrip("_")
    )


def imports(node: ast.AST) -> list[str]:
    """Return the dotted names that an import statement names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def at_import_time(tree: ast.Module) -> list[ast.AST]:
    """Return the nodes that run when the module is imported, `if TYPE_CHECKING:` left out."""
    found: list[ast.AST] = []
    rest: list[ast.AST] = [tree]
    while rest:
        node = rest.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            rest += node.orelse
            continue
        found.append(node)
        rest += ast.iter_child_nodes(node)
    return found


def third_party(name: str) -> str | None:
    top = name.partition(".")[0]
    return None if top in sys.stdlib_module_names or top == "kvsim" else top


def test_heavy_packages_are_imported_by_their_owners(package: list[Source]) -> None:
    wrong = [
        f"{source.name} imports {name}"
        for source in package
        for node in ast.walk(ast.parse(source.text))
        for name in imports(node)
        if (top := third_party(name)) and part(source) not in OWNERS.get(top, {part(source)})
    ]
    assert wrong == []


def test_at_import_time_little_is_imported(package: list[Source]) -> None:
    wrong = [
        f"{source.name}:{node.lineno} imports {name}"
        for source in package
        for node in at_import_time(ast.parse(source.text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in imports(node)
        if (top := third_party(name)) and top not in LIGHT.get(part(source), {"numpy"})
    ]
    assert wrong == []


def test_imports_go_one_way(package: list[Source]) -> None:
    wrong = [
        f"{source.name} imports {name}"
        for source in package
        for node in ast.walk(ast.parse(source.text))
        for name in imports(node)
        if name.startswith("kvsim.")
        and name.split(".")[1].lstrip("_") in ABOVE.get(part(source), set())
    ]
    assert wrong == []


def loaded_by(code: str) -> set[str]:
    """Return the top-level names of what a statement imports in a fresh interpreter."""
    whole = f"import sys; before = set(sys.modules); {code}; print(*set(sys.modules) - before)"
    out = subprocess.run(
        [sys.executable, "-c", whole], capture_output=True, text=True, check=True
    ).stdout
    return {name.partition(".")[0] for name in out.split()}


def test_import_loads_nothing_heavy() -> None:
    tops = loaded_by("from kvsim import *")
    assert tops & set(OWNERS) == set()
    assert {"kvsim", "numpy"} <= tops


def test_import_alone_loads_next_to_nothing() -> None:
    assert "numpy" not in loaded_by("import kvsim")


def test_public_names_are_those_that_type_checkers_see() -> None:
    tree = ast.parse(Path(kvsim.__file__).read_text(encoding="utf-8"))
    block = next(n for n in tree.body if isinstance(n, ast.If)).body
    seen = {
        (node.module, alias.asname)
        for node in block
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name != "*"
    }
    lazy = {(f"kvsim.{m}", name) for m, names in kvsim._NAMES.items() for name in names}
    assert seen == lazy | {("kvsim", name) for name in kvsim._MODULES}
    assert set(kvsim.__all__) == {name for _, name in seen} | set(kvsim._fields.__all__)
    assert all(hasattr(kvsim, name) for name in kvsim.__all__)
    with pytest.raises(AttributeError, match="no attribute 'simulat'"):
        kvsim.simulat  # noqa: B018
