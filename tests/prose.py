#!/usr/bin/env python3
"""Checks the English of what is public against a list of phrases, and the width of Markdown.

    prose.py                 check pages, headers, docstrings and doc comments; 1 if anything is found
    prose.py --wrap FILE...  wrap the paragraphs of Markdown files at the width

CONTRIBUTING.md has the style sheet. A word list cannot tell good English from bad; it catches what this project has
written too often. Closes with `prose: N files, N findings`.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WIDTH = 100

# What not to write, and what to write instead.
PHRASES = {
    r"(comes?|came|coming) again": "is redelivered, is sent again, returns",
    r"whoever|whomever": "name the agent: the client, the caller, anyone who",
    r"(is|are|was|were|be|been|being) told": "name who reports: the callback receives, the log says",
    r"for ever": "forever, without limit",
    r"anew": "again",
    r"of before": "from before, earlier",
    r"in vain": "without success",
    r"by the lot": "in batches",
    r"(goes|go|went|going) free": "is released",
    r"(is|are|was|were|be) (had|looked)\b(?! up)": "is fetched, is checked",
    r"being had": "being fetched",
    r"(if|as|where|when) (so )?wanted": "if configured, as configured",
    r"look(s|ed|ing)? whether": "checks whether",
    r"(go|goes|went|going) on behind": "skips, continues after",
    r"knows? nothing of": "does not know",
    r"as often as one likes": "any number of times",
    r"(?:^|[.:;] )who (?!\w+ what\b)[a-z]+ (?![^.]*\?)": "'who' is not a noun: the client that, a caller that",
    r"As there\.": "say it again, or link to it",
}
PATTERN = {re.compile(rf"(?<![\w-])(?:{phrase})(?!\w)", re.IGNORECASE if phrase[0] != "A" else 0): instead
           for phrase, instead in PHRASES.items()}  # fmt: skip
# Texts whose words are not ours, or that are about words.
LEFT_OUT = {"THIRD-PARTY-LICENSES", "CONTRIBUTING.md"}
# Written by `make docs` and `make bench`, in lines of any length.
GENERATED = {"configuration.md", "statistics.md", "benchmarks.md"}

Line = tuple[int, str]


def tracked(*patterns: str) -> list[Path]:
    """Return the files of the repository that match, new ones included."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return [ROOT / name for name in names if Path(name).name not in LEFT_OUT and (ROOT / name).exists()]


# ---- prose in files of each kind ----


def markdown(text: str) -> Iterator[Line]:
    """Yield the lines outside of code blocks, without code in them."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield number, re.sub(r"`[^`]*`", "`x`", line)


def comments(text: str) -> Iterator[Line]:
    """Yield the comments of Rust, C and C++, and apart from them the texts of the program."""
    for number, line in enumerate(text.splitlines(), 1):
        if found := re.match(r"\s*(?://[/!]?|/?\*\*?)\s?(.*)", line) or re.search(r"\s(?://|/\*) (.*)", line):
            yield number, re.sub(r"`[^`]*`", "`x`", found[1])
        elif texts := re.findall(r'"((?:[^"\\]|\\.)*)"', line):
            yield number, "".join(f"{text}|" for text in texts)


def hashes(text: str) -> Iterator[Line]:
    """Yield the comments of a Makefile or a script."""
    for number, line in enumerate(text.splitlines(), 1):
        if found := re.match(r"\s*#\s?(.*)", line) or re.search(r"\s# (.*)", line):
            yield number, re.sub(r"`[^`]*`", "`x`", found[1])


def docstrings(text: str) -> Iterator[Line]:
    """Yield the comments of a Python file and the lines of its docstrings, those of attributes included."""
    yield from hashes(text)
    for node in ast.walk(ast.parse(text)):
        for part in getattr(node, "body", []) if not isinstance(node, ast.Lambda | ast.IfExp) else []:
            value = part.value if isinstance(part, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                for number, line in enumerate(value.value.splitlines(), part.lineno):
                    yield number, re.sub(r"`[^`]*`", "`x`", line)


PLACES = [
    (markdown, ("*.md",)),
    (docstrings, ("*.py", "*.pyi")),
    (hashes, ("Makefile", "*.sh", "*.toml", "*.yml")),
    (comments, ("*.rs", "*.c", "*.cpp", "*.h", "*.hpp")),
]


def findings(path: Path, lines: Iterator[Line]) -> Iterator[str]:
    """Yield a line for each phrase of the list in a file. A phrase may be broken over two lines."""
    before = ""
    name = path.relative_to(ROOT)
    for number, line in lines:
        text = line.strip()
        joined = f"{before} {text}" if before else text
        for pattern, instead in PATTERN.items():
            for found in pattern.finditer(joined):
                if found.end() > len(joined) - len(text):
                    yield f"{name}:{number}: {found[0].strip()!r}: write {instead}"
        before = text


def too_wide(path: Path, text: str) -> Iterator[str]:
    """Yield the lines that `--wrap` would break."""
    if wrapped(text) != text:
        yield f"{path.relative_to(ROOT)}: not wrapped at {WIDTH}: tests/prose.py --wrap {path.relative_to(ROOT)}"


# ---- wrapping ----

MARKER = re.compile(r"(\s*)((?:[-*+]|\d+\.|>)\s+)?(.*)")
ALONE = re.compile(r"\s*(#|\||<!--|-->|<|===\s|!!!\s|\?\?\?\s|:::|---$|\[[^\]]+\]: )")


def wrapped(text: str) -> str:
    """Return Markdown with its paragraphs filled."""
    out: list[str] = []
    paragraph: list[str] = []
    fenced = front = directive = nested = False

    def flush() -> None:
        if paragraph:
            out.extend(fill(paragraph))
            paragraph.clear()

    for number, line in enumerate(text.splitlines()):
        front = line != "---" if front else number == 0 and line == "---"
        # What follows `::: name` up to an empty line are its options.
        # An indented line is code, unless it belongs to an item of a list, a tab or a note.
        if line[:1].strip():
            nested = bool(re.match(r"[-*+] |\d+\. |=== |!!! |\?\?\? ", line))
        code = line.startswith("    ") and not nested
        directive = bool(line.strip()) and (directive or line.startswith(":::"))
        if line.lstrip().startswith("```"):
            flush()
            fenced = not fenced
            out.append(line)
        elif fenced or front or directive or not line.strip() or ALONE.match(line) or (code and not paragraph):
            flush()
            out.append(line)
        else:
            found = MARKER.match(line)
            if found and found[2]:
                flush()
            paragraph.append(line)
    flush()
    return "\n".join(out) + "\n"


def fill(lines: list[str]) -> list[str]:
    """Fill one paragraph or item of a list."""
    found = MARKER.match(lines[0])
    assert found
    first = found[1] + (found[2] or "")
    rest = "> " if first.strip() == ">" else " " * len(first)
    text = " ".join([found[3], *(line.strip().removeprefix("> ") for line in lines[1:])])
    # Code does not break, nor does a word that would begin a list at the beginning of a line.
    words = re.findall(r"(?:`[^`]*`|\S)+(?: (?:[-*+]|\d+\.)(?= |$))?", text)
    out, line = [], first
    for word in words:
        if len(line) + len(word) > WIDTH and line.strip() != first.strip():
            out.append(line.rstrip())
            line = rest
        line += word + " "
    return [*out, line.rstrip()]


def main() -> int:
    """Check everything, or wrap what is named."""
    if sys.argv[1:2] == ["--wrap"]:
        for path in map(Path, sys.argv[2:]):
            if path.name not in GENERATED:
                path.write_text(wrapped(path.read_text()))
        return 0
    found: list[str] = []
    count = 0
    for reader, patterns in PLACES:
        for path in tracked(*patterns):
            text = path.read_text()
            count += 1
            found += findings(path, reader(text))
            if reader is markdown and path.name not in GENERATED:
                found += too_wide(path, text)
    print("".join(f"{line}\n" for line in found), end="", file=sys.stderr)
    print(f"prose: {count} files, {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
