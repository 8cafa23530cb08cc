"""PyYAML's syntax errors in the words of someone who edits a config.

Its own words quote the text, which may be a password (`password: *secret` is an alias), so none is passed on.
"""

from __future__ import annotations

import re

import yaml
from yaml.reader import ReaderError

from prober.config.document import Mark
from prober.config.problem import Problem

# In this order; {line} is where the construct began. The patterns are matched against `context; problem`.
_SENTENCES: tuple[tuple[str, str], ...] = (
    (
        r"but found another document",
        "found a second document (---); expected one document in a file",
    ),
    (
        r"found character '\\t'",
        "found a tab, expected spaces: YAML is indented with spaces only",
    ),
    (
        r"undefined alias",
        "found a value that begins with * but refers to no anchor (&); put the value in quotes",
    ),
    (
        r"found character '[@`%]' that cannot start",
        "found a value that begins with @, ` or %; put the value in quotes",
    ),
    (
        r"mapping values are not allowed",
        'found ": " where no key can stand; check the indentation of this line, or put a value that holds '
        '": " in quotes',
    ),
    (
        r"scanning a quoted scalar; found unexpected end",
        "found the end of the file inside quotes; the quote that opens in line {line} is not closed",
    ),
    (
        r"could not find expected ':'",
        'found a line without ": "; expected `key: value`',
    ),
    (
        r"flow (sequence|mapping|node)",
        "found a list or mapping in brackets that is not closed or lacks a comma; it opens in line {line}",
    ),
    (
        r"double-quoted scalar",
        "found a backslash that begins no known escape; use single quotes, or write \\\\",
    ),
    (
        r"expected <block end>|expected <document start>|block (mapping|collection)",
        "found wrong indentation: this line fits none of the lines above it; keys of one mapping begin in "
        "the same column",
    ),
    (
        r"simple key|block scalar|anchor|alias|tag|directive",
        "found a character that means something else to YAML (one of & * ! | > %); put the value in quotes",
    ),
)


def syntax_problem(error: yaml.YAMLError, text: str, source: str) -> Problem:
    """Say what is wrong and where, without quoting the text."""
    if isinstance(error, ReaderError):
        before = text[: error.position]
        line = before.count("\n") + 1
        column = error.position - (before.rfind("\n") + 1) + 1
        code = error.character if isinstance(error.character, int) else ord(error.character)
        message = f"found the control character U+{code:04X}, which YAML does not allow; remove it"
        return Problem(Mark(source, line, column), (), message)
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return Problem(Mark(source, 1, 1), (), "not valid YAML")
    mark = error.problem_mark
    opened = error.context_mark.line + 1 if error.context_mark else mark.line + 1
    complaint = f"{error.context or ''}; {error.problem or ''}"
    sentence = next(
        (said for pattern, said in _SENTENCES if re.search(pattern, complaint)),
        "not valid YAML here; check the indentation and put unusual values in quotes",
    )
    return Problem(Mark(source, mark.line + 1, mark.column + 1), (), sentence.format(line=opened))
