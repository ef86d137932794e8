"""The supervision tree as JSON."""

from arcly_actors.console.reports import TreeJson
from arcly_actors.runtime import TreeNode


def tree_json(node: TreeNode) -> TreeJson:
    """A node with everything below it."""
    value = TreeJson(
        id=node.id,
        state=node.state,
        restarts=node.restarts,
        last_error=node.last_error or None,
        children=[tree_json(child) for child in node.children],
    )
    if node.figures:
        value["figures"] = node.figures
    return value
