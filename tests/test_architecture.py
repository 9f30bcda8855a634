"""The house rules that a machine can check, over the syntax tree of every module."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import midigen

ROOT = Path(midigen.__file__).parent
MODULES = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8")) for path in ROOT.rglob("*.py")}

FLOORS = [
    "errors",
    "fields",
    "scores",
    "formats",
    "corpora",
    "representations",
    "datasets",
    "models",
    "checkpoints",
    "sampling",
    "evaluation",
    "training",
    "rendering",
    "presets",
    "labs",
    "cli",
]
TORCH = {"torch", "lightning_fabric", "lightning", "safetensors"}
HEAVY = {
    "music21",
    "matplotlib",
    "pretty_midi",
    "symusic",
    "mido",
    "miniaudio",
    "fluidsynth",
    "midirenderer",
    "soundfile",
    "scipy",
    "sklearn",
    "tensorly",
}


def floor(name: str) -> str:
    """The floor of a module, given by its path (``scores/time.py``) or its name (``midigen.scores.time``)."""
    return name.removeprefix("midigen.").removesuffix(".py").replace("/", ".").split(".")[0]


def is_for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def nodes(tree: ast.AST, *, skip: Callable[[ast.AST], bool] = lambda _: False) -> Iterator[ast.AST]:
    """All nodes of a tree but for those that are skipped, with what is below them."""
    for node in ast.iter_child_nodes(tree):
        if not skip(node):
            yield node
            yield from nodes(node, skip=skip)


def imports(tree: ast.AST, *, skip: Callable[[ast.AST], bool] = lambda _: False) -> Iterator[str]:
    """The full names of all that is imported."""
    for node in nodes(tree, skip=skip):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports_on_loading(tree: ast.AST) -> Iterator[str]:
    """What is imported as soon as the module is: outside functions, and not for types alone."""
    in_function = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    return imports(tree, skip=lambda node: isinstance(node, in_function) or is_for_types_only(node))


def top(name: str) -> str:
    return name.split(".", maxsplit=1)[0]


def test_every_module_stands_on_a_known_floor() -> None:
    strangers = [path for path in MODULES if path not in {"__init__.py", "__main__.py"} and floor(path) not in FLOORS]
    assert not strangers, f"not in the list of floors: {strangers}"


def test_imports_run_downward_only() -> None:
    upward = [
        f"{path} imports {name}"
        for path, tree in MODULES.items()
        for name in imports(tree)
        if floor(path) in FLOORS and name.startswith("midigen.") and floor(name) in FLOORS
        if FLOORS.index(floor(name)) > FLOORS.index(floor(path))
    ]
    assert not upward, "\n".join(upward)


def test_imports_name_their_module_in_full() -> None:
    relative = [
        path for path, tree in MODULES.items() for n in nodes(tree) if isinstance(n, ast.ImportFrom) and n.level
    ]
    assert not relative, f"relative imports in {relative}"


def test_rendering_needs_only_scores_and_formats() -> None:
    others = [
        f"{path} imports {name}"
        for path, tree in MODULES.items()
        for name in imports(tree)
        if floor(path) == "rendering" and name.startswith("midigen.")
        if floor(name) not in {"rendering", "scores", "formats", "errors"}
    ]
    assert not others, "\n".join(others)


def test_nobody_imports_the_command_line() -> None:
    users = [
        f"{path} imports {name}"
        for path, tree in MODULES.items()
        for name in imports(tree)
        if floor(path) not in {"cli", "__main__"} and name.startswith("midigen.cli")
    ]
    assert not users, "\n".join(users)


def test_torch_is_unknown_below_batches_and_in_rendering_and_presets() -> None:
    below = FLOORS[: FLOORS.index("datasets")]
    users = [
        f"{path} imports {name}"
        for path, tree in MODULES.items()
        for name in imports(tree)
        if top(name) in TORCH
        if floor(path) in {*below, "rendering", "presets"} or path in {"datasets/build.py", "__init__.py"}
    ]
    assert not users, "\n".join(users)


def test_what_loads_torch_is_not_loaded_by_what_must_do_without_it() -> None:
    loads = {path: set(imports_on_loading(tree)) for path, tree in MODULES.items()}
    slow = {path for path, names in loads.items() if TORCH & set(map(top, names))}
    while more := {path for path, names in loads.items() if path not in slow and names_one_of(slow, names)}:
        slow |= more
    light = {*FLOORS[: FLOORS.index("datasets")], "rendering", "cli"}
    users = [path for path in sorted(slow) if floor(path) in light or path == "datasets/build.py"]
    assert not users, f"loading these loads torch: {users}"


def names_one_of(paths: set[str], names: set[str]) -> bool:
    """Whether one of the imported names is one of these modules, or something in it."""
    modules = {"midigen." + path.removesuffix(".py").replace("/", ".") for path in paths}
    return any(name in modules or name.rpartition(".")[0] in modules for name in names)


def test_the_command_line_imports_torch_only_inside_commands() -> None:
    users = [
        f"{path} imports {name}"
        for path, tree in MODULES.items()
        for name in imports_on_loading(tree)
        if floor(path) in {"cli", "__main__"} and top(name) in TORCH
    ]
    assert not users, "\n".join(users)


def test_heavy_libraries_are_imported_where_they_are_used() -> None:
    users = [
        f"{path} imports {name}"
        for path, tree in MODULES.items()
        for name in imports_on_loading(tree)
        if top(name) in HEAVY
    ]
    assert not users, "\n".join(users)


def test_no_module_is_longer_than_300_lines() -> None:
    lengths = {path: len((ROOT / path).read_text("utf-8").splitlines()) for path in MODULES}
    long = {path: length for path, length in lengths.items() if length > 300}
    assert not long, f"too long: {long}"


def test_no_function_is_longer_than_50_lines() -> None:
    # A command's signature is the list of its options: what counts is the body.
    long = [
        f"{path}: {node.name} has more than 50"
        for path, tree in MODULES.items()
        for node in nodes(tree)
        if isinstance(node, ast.FunctionDef) and (node.body[-1].end_lineno or 0) - node.body[0].lineno >= 50
    ]
    assert not long, "\n".join(long)


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in nodes(tree) if isinstance(node, ast.Call))


def test_only_the_command_line_prints() -> None:
    printers = [
        f"{path}:{call.lineno}"
        for path, tree in MODULES.items()
        for call in calls(tree)
        if floor(path) != "cli" and ast.unparse(call.func) == "print"
    ]
    assert not printers, f"print() in {printers}"


def test_loading_never_runs_code() -> None:
    pickled = [
        f"{path} imports {name}"
        for path, tree in MODULES.items()
        for name in imports(tree)
        if top(name) in {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal"}
    ]
    pickled += [
        f"{path}:{call.lineno}: {ast.unparse(call.func)}"
        for path, tree in MODULES.items()
        for call in calls(tree)
        if ast.unparse(call.func) in {"torch.load", "eval", "exec", "pickle.load", "pickle.loads"}
    ]
    assert not pickled, "\n".join(pickled)


def test_numpy_loads_no_pickles() -> None:
    loads = [
        f"{path}:{call.lineno}"
        for path, tree in MODULES.items()
        for call in calls(tree)
        if ast.unparse(call.func) in {"np.load", "numpy.load"}
        if "allow_pickle=False" not in ast.unparse(call)
    ]
    assert not loads, f"np.load without allow_pickle=False in {loads}"


def test_all_that_is_public_has_a_docstring() -> None:
    bare = [path for path, tree in MODULES.items() if tree.body and not ast.get_docstring(tree)]
    for path, tree in MODULES.items():
        public = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef) and not n.name.startswith("_")]
        for node in public:
            members = node.body if isinstance(node, ast.ClassDef) else []
            methods = [n for n in members if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")]
            bare += [f"{path}: {n.name}" for n in (node, *methods) if not ast.get_docstring(n)]
    assert not bare, "\n".join(bare)
