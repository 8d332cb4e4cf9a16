#!/usr/bin/env python3
"""Runs the program in docs/bindings.md as it is printed."""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs/bindings.md"

[program] = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
exec(compile(program, str(PAGE), "exec"), {"__name__": "__main__"})
