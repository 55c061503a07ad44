# SPDX-License-Identifier: ISC
"""Each file given must compile, name no import it does not use, and have lines of at most 120."""
import ast
import sys

bad = 0
for path in sys.argv[1:]:
    with open(path) as f:
        text = f.read()
    tree = ast.parse(text, path)
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    exported = "__all__" in text
    for node in tree.body:
        if isinstance(node, ast.Import) and not exported:
            for alias in node.names:
                name = (alias.asname or alias.name).split(".")[0]
                if name not in names:
                    print(f"{path}:{node.lineno}: {name} is imported and not used")
                    bad = 1
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > 120:
            print(f"{path}:{number}: longer than 120 characters")
            bad = 1
sys.exit(bad)
