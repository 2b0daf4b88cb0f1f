"""A hook of MkDocs: links that leave docs/ become plain text, since the site holds the documentation alone.

In the repository such a link opens the file. The site has no address of the repository to send readers to, so
there the path itself is what they get.
"""

import re
from pathlib import PurePosixPath
from typing import Any, Final

LEAVING: Final = re.compile(r"\[([^\]]*)\]\(((?:\.\./)+[^)\s]+)\)")


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Return the page's text without links out of docs/. Called by MkDocs for each page."""
    folder = PurePosixPath(page.file.src_uri).parent
    return LEAVING.sub(lambda link: link[1] if _leaves(folder, link[2]) else link[0], markdown)


def _leaves(folder: PurePosixPath, target: str) -> bool:
    """Tell whether a target, as seen from a folder of docs/, lies outside."""
    depth = 0 if str(folder) == "." else len(folder.parts)
    return target.count("../") > depth
