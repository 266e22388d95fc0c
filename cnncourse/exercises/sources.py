"""The text of a function: to show it, to put it into a notebook, to send it to another process."""

import ast
import inspect
import sys
from functools import lru_cache


def definition(function):
    """Return the source of a function without its decorators.

    Examples
    --------
    >>> print(definition(definition).splitlines()[0])
    def definition(function):
    """
    return _text(function.__module__, _top_level(function.__module__)[function.__name__])


def starter(function):
    """Return the head and docstring of a function, with an empty body.

    Examples
    --------
    >>> starter(definition).splitlines()[-1].strip()
    '...  # your code here'
    """
    text = definition(function)
    (node,) = ast.parse(text).body
    end = node.body[0].end_lineno
    return "\n".join([*text.splitlines()[:end], "    ...  # your code here"])


def standalone(function):
    """Return the imports and the definitions that a function needs, itself the last.

    Parameters
    ----------
    function : callable
        Of a module: what it uses must be imported, assigned or defined at the top of that module.

    Returns
    -------
    imports, definitions : list of str
        Lines, sorted; and sources, in the order of their module.

    Examples
    --------
    >>> imports, definitions = standalone(starter)
    >>> imports, len(definitions)
    (['import ast', 'import inspect', 'import sys'], 5)
    """
    top = _top_level(function.__module__)
    wanted, todo = set(), [function.__name__]
    while todo:
        name = todo.pop()
        if name in top and name not in wanted:
            wanted.add(name)
            todo += _names_in(top[name])
    imports = {line for name in wanted for line in _import_of(top[name], name)}
    nodes = {
        id(top[n]): top[n] for n in wanted if not isinstance(top[n], ast.Import | ast.ImportFrom)
    }
    ordered = sorted(nodes.values(), key=lambda node: node.lineno)
    return merged(imports), [_text(function.__module__, node) for node in ordered]


def merged(imports):
    """Return import lines sorted and in groups, those from one module as one line.

    Examples
    --------
    >>> merged({"from torch import nn", "import ast", "from torch import fx"})
    ['import ast', '', 'from torch import fx, nn']
    """
    imports, modules = {line for line in imports if line}, {}
    plain = sorted(line for line in imports if line.startswith("import"))
    for line in imports:
        if not line.startswith("import"):
            module, name = line.removeprefix("from ").split(" import ")
            modules.setdefault(module, set()).update(name.split(", "))
    lines = [f"from {m} import {', '.join(sorted(n))}" for m, n in sorted(modules.items())]
    groups = [[], [], []]  # of Python, of others, ours: as ruff has them
    for line in plain + lines:
        top = line.split()[1].split(".")[0]
        groups[2 * (top == "cnncourse") or top not in sys.stdlib_module_names].append(line)
    return "\n\n".join("\n".join(group) for group in groups if group).splitlines()


def _text(module, node):
    """Return the source of a statement; a function's decorators are not part of it."""
    return "\n".join(_lines_of(module)[node.lineno - 1 : node.end_lineno])


@lru_cache(maxsize=64)
def _lines_of(module):
    """Return the source lines of a module."""
    return inspect.getsource(sys.modules[module]).splitlines()


@lru_cache(maxsize=64)
def _top_level(module):
    """Return the statement that binds each name at the top of a module."""
    found = {}
    for node in ast.parse("\n".join(_lines_of(module))).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(a.asname or a.name).split(".")[0]: node for a in node.names}
        elif isinstance(node, ast.Assign):
            targets = [n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)]
            found |= dict.fromkeys(targets, node)
    return found


def _names_in(node):
    """Return the names that a statement takes from outside, its decorators' apart."""
    parts = [*node.body, node.args] if isinstance(node, ast.FunctionDef) else [node]
    nodes = [n for part in parts for n in ast.walk(part)]
    own = {n.arg for n in nodes if isinstance(n, ast.arg)}
    own |= {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    here = [n for n in nodes if isinstance(n, ast.Import | ast.ImportFrom)]
    own |= {(a.asname or a.name).split(".")[0] for n in here for a in n.names}
    return [n.id for n in nodes if isinstance(n, ast.Name) and n.id not in own]


def _import_of(node, name):
    """Return the line that imports one name, if the statement is an import."""
    if not isinstance(node, ast.Import | ast.ImportFrom):
        return []
    alias = next(a for a in node.names if (a.asname or a.name).split(".")[0] == name)
    what = f"{alias.name} as {alias.asname}" if alias.asname else alias.name
    line = f"import {what}"
    return [line if isinstance(node, ast.Import) else f"from {node.module} {line}"]
