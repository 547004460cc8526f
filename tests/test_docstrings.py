"""Every public name of dlcheat explains itself: what it is, an example, its types.

The source is parsed, not imported: a module that does not import fails its own
tests and no others. What is asked, and of whom, is the table below; nothing else
is left out.
"""

import ast
from pathlib import Path

import pytest

import dlcheat

ROOT = Path(dlcheat.__file__).parent

# Packages of which an example is not asked, and why.
NO_EXAMPLE = {
    "dlcheat.sphinx": "its functions are called by Sphinx, with an application and a page",
}


def module_name(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): ast.parse(path.read_text(encoding="utf-8"), str(path))
           for path in sorted(ROOT.rglob("*.py"))}


def public(node):
    """Return whether a name is public; the bare signatures of @overload are no names of their own."""
    overload = any(ast.unparse(d).endswith("overload") for d in node.decorator_list)
    return not node.name.startswith("_") and not overload


def needs_no_example(module, node):
    """Return whether an example is not asked: the packages above, widgets, traits, records."""
    if any(module == name or module.startswith(f"{name}.") for name in NO_EXAMPLE):
        return True
    bases = [ast.unparse(base) for base in getattr(node, "bases", [])]
    # a widget's state is its traits, and the page is its example
    widget = module.startswith("dlcheat.widgets") and any(
        base.startswith("traitlets.") or base.endswith(("BookWidget", "AnyWidget", "TraitType"))
        for base in bases)
    # a record is made by a function, which has the example
    return widget or any(base.endswith("NamedTuple") for base in bases)


def everything():
    """Yield (qualified name, module, node, class or None) of what is public."""
    for module, tree in MODULES.items():
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) \
                    and public(node):
                yield f"{module}.{node.name}", module, node, None
            if isinstance(node, ast.ClassDef) and public(node):
                for method in node.body:
                    if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
                        name = f"{module}.{node.name}.{method.name}"
                        if public(method) or method.name.startswith("__"):
                            yield name, module, method, node


FOUND = list(everything())
TOP = [pytest.param(module, node, id=name) for name, module, node, owner in FOUND if owner is None]
METHODS = [pytest.param(node, id=name) for name, _, node, owner in FOUND
           if owner is not None and public(node)]
FUNCTIONS = [pytest.param(node, id=name) for name, _, node, owner in FOUND
             if not isinstance(node, ast.ClassDef)]


def where(node, module):
    return f"{module}.{node.name}, line {node.lineno}"


@pytest.mark.parametrize("module", MODULES)
def test_module_has_a_docstring(module):
    assert ast.get_docstring(MODULES[module]), f"{module} has no docstring"


def test_the_walk_finds_what_there_is():
    """A guard of the walk itself: names that must be among the found."""
    names = {name for name, *_ in FOUND}
    assert {"dlcheat.activations.relu", "dlcheat.layers.convolution.Conv2d",
            "dlcheat.layers.convolution.Conv2d.forward",
            "dlcheat.widgets.base.BookWidget"} <= names
    assert not [name for name in NO_EXAMPLE if name not in MODULES]


@pytest.mark.parametrize(("module", "node"), TOP)
def test_docstring_has_an_example(module, node):
    doc = ast.get_docstring(node)
    assert doc, f"{where(node, module)}: no docstring"
    first = doc.splitlines()[0]
    assert first.endswith((".", "!", "?")), f"{where(node, module)}: no sentence first: {first!r}"
    assert ">>> " in doc or needs_no_example(module, node), \
        f"{where(node, module)}: no example (>>>) in its docstring"


@pytest.mark.parametrize("node", METHODS)
def test_public_method_has_a_docstring(node):
    assert ast.get_docstring(node), f"{node.name}, line {node.lineno}: no docstring"


def bare_arguments(node):
    """Return the names of arguments without a type hint."""
    spec = node.args
    arguments = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs]
    arguments += [a for a in (spec.vararg, spec.kwarg) if a is not None]
    return [a.arg for a in arguments if a.annotation is None and a.arg not in ("self", "cls")]


@pytest.mark.parametrize("node", FUNCTIONS)
def test_type_hints_are_complete(node):
    assert not bare_arguments(node), f"{node.name}, line {node.lineno}: no hint on " \
        + ", ".join(bare_arguments(node))
    assert node.returns is not None, f"{node.name}, line {node.lineno}: no hint on what it returns"


def raises(node):
    """Whether the function itself refuses input, by ``raise ValueError`` or ``expect…``."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call):
            called = ast.unparse(inner.func).rsplit(".", 1)[-1]
            if called == "ValueError" or called.lstrip("_").startswith("expect"):
                return True
    return False


@pytest.mark.parametrize(("module", "node"), [
    p for p in TOP if isinstance(p.values[1], ast.FunctionDef) and raises(p.values[1])])
def test_docstring_says_what_is_refused(module, node):
    doc = ast.get_docstring(node) or ""
    assert "Raises:" in doc, f"{where(node, module)}: refuses input, but has no 'Raises:'"


@pytest.mark.parametrize(("module", "node"), [
    p for p in TOP if isinstance(p.values[1], ast.FunctionDef)])
def test_described_arguments_exist(module, node):
    """What stands under ``Args:`` are the function's arguments, all of them, in its order."""
    doc = ast.get_docstring(node) or ""
    if "Args:\n" not in doc:
        return                                                   # none is described
    block = doc.split("Args:\n", 1)[1].split("\n\n", 1)[0]
    described = [line.strip().split(":", 1)[0].lstrip("*") for line in block.splitlines()
                 if line.startswith("    ") and not line.startswith("     ") and ":" in line]
    spec = node.args
    names = [a.arg for a in [*spec.posonlyargs, *spec.args]]
    names += [spec.vararg.arg] if spec.vararg else []
    names += [a.arg for a in spec.kwonlyargs] + ([spec.kwarg.arg] if spec.kwarg else [])
    flat = [name.strip().lstrip("*") for entry in described for name in entry.split(",")]
    assert flat == names, f"{where(node, module)}: Args: names {flat}, the function {names}"
