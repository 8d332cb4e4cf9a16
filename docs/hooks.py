"""Adapts the pages to the site; mkdocs.yml names this file."""

import re

PROGRAM = re.compile(r"^```rust,\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HIDDEN = re.compile(r"^# .*\n", re.MULTILINE)


def on_page_markdown(markdown: str, **_: object) -> str:
    """Return the page with the programs that rustdoc tests as plain Rust, without the lines that rustdoc hides."""
    return PROGRAM.sub(lambda found: "```rust\n" + HIDDEN.sub("", found[1]) + "```", markdown)


def on_page_content(html: str, page: object, **_: object) -> str:
    """Fail on a code block that was not recognized."""
    if "```" in html:
        raise SystemExit(f"{page}: a code block was not recognized")
    return html
