"""Finds what a script can see of language that is not plain: long comment lines, and turns that CONTRIBUTING.md names.

Looks at prose alone: Markdown, the comments of Rust, Python, shell and TOML files, and the text of errors and logs in
Rust. Prints each place with the better way to write it, and exits 1 if there is one.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

COMMENT_COLUMNS = 100

# Where a sentence begins: on a line, in a comment, or after another sentence.
BEGIN = r"(?:^(?:(?://[/!]?|[-*#|]) )?|[.:;|] )"

# A turn, and what to write instead.
TURNS = [
    (BEGIN + r"Who (?:cannot|can|has|is|[a-z]+s)\b", "begin with the subject: `if you ...`, `a client that ...`"),
    (BEGIN + r"Whoever\b", "begin with the subject: `anyone who ...`, `if you ...`"),
    (r"(?<!\b[Tt]here )\b(?:is|are|was|were) no (?!less|longer|more|reason|such|way)\w", "is not a ..."),
    (r"\bwins over\b", "takes precedence over"),
    (r"\bfor ever\b", "forever, or: until ..."),
    (r"\bmend(?:s|ed|ing)?\b", "fix"),
    (r"\b(?:told|tells?|telling) of\b", "log, report, or print"),
    (r"\bsays? of (?!the specification)", "show, report, or print ... for"),
    (r"\bis told (?:of|that|to|what|why)\b", "gets, or is answered"),
    (r"\bone (?:answer|object|line|file|token|thread|key|entry) an? (?:token|line|issuer|command|source|request|process)\b",
     "one ... per ..."),
    (r"\bstands? (?:in|inside|anywhere|around|as|at|behind|beside|between|above|below|first|last|alone)\b",
     "is, is in, or comes"),
    (r"\bso long and no longer\b", "at most"),
    (r"\bhang(?:s|ing)? out\b", "publish"),
    (r"\b(?:take off|takes off|landing|in flight)\b", "start, finish, in progress"),
    (r"\b(?:mailbox|letters?|doors?|rooms?|boards?|sheets?|house|nudge[sd]?)\b(?! (?:case|of the alphabet))",
     "the field's word: command, sender, state, ..."),
    (r"\bof one's own\b", "your own"),
    (r"\bwhat is (?:asked|told) (?:of|here)\b", "name it"),
    (r"\bit is for .{1,40} to say\b", "name who decides"),
    (r"^//!.*\bmust never\b", "a rule of this file goes beside the code that keeps it"),
]  # fmt: skip

# Where a listed word is a term of the field or a quotation.
EXCEPTIONS = {
    "scripts/prose.py": None,
    "scripts/check": None,
    "LICENSE-APACHE": None,
    "LICENSE-MIT": None,
}

TURN_PATTERNS = [(re.compile(pattern, re.I if pattern.islower() else 0), better) for pattern, better in TURNS]
TEXT = {".md", ".rs", ".py", ".toml", ".sh", ""}


def main() -> None:
    found = [place for path in files() for place in check(path)]
    print("\n".join(found))
    print(f"{len(found)} places")
    sys.exit(1 if found else 0)


def files() -> Iterator[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], check=True, stdout=subprocess.PIPE, text=True).stdout
    for name in listed.split("\0"):
        path = Path(name)
        if name and path.suffix in TEXT and name not in EXCEPTIONS and "LICENSE" not in name and os.path.isfile(name):
            yield path


def check(path: Path) -> Iterator[str]:
    if path.parts[0] == "vectors" and path.suffix != ".md":
        return
    for number, line, prose in prose_of(path):
        # The row of a table cannot be broken.
        is_row = re.match(r"\s*//[/!]? \|", line)
        if path.suffix == ".rs" and line.lstrip().startswith("//") and not is_row and len(line) > COMMENT_COLUMNS:
            yield f"{path}:{number}: a comment of {len(line)} columns, at most {COMMENT_COLUMNS}"
        for pattern, better in TURN_PATTERNS:
            match = pattern.search(prose)
            if match:
                yield f"{path}:{number}: {match.group(0).strip()!r}: {better}"
    if path.suffix == ".rs":
        yield from left_ends(path)


def left_ends(path: Path) -> Iterator[str]:
    """Comments that go on in lower case after a full stop: the end of an older sentence, left by a merge."""
    before, in_code = "", False
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        comment = re.match(r"\s*//[/!]? ?(.*)$", line)
        text = comment.group(1) if comment else ""
        in_code ^= text.startswith("```")
        if not in_code and re.search(r"[a-z`)\]]\.$", before) and re.match(r"[a-z]", text):
            yield f"{path}:{number}: {text!r}: the end of another sentence"
        before = text


def prose_of(path: Path) -> Iterator[tuple[int, str, str]]:
    """Each line with its number and the prose in it."""
    in_code = False
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        text = line.strip()
        if path.suffix == ".md":
            if text.startswith("```"):
                in_code = not in_code
            elif not in_code:
                yield number, line, re.sub(r"`[^`]*`", "", text)
        elif path.suffix == ".rs":
            if text.startswith("//"):
                yield number, line, re.sub(r"`[^`]*`", "", text)
            elif "src" in path.parts and not path.stem.endswith("tests") and "tests" not in path.parts:
                for literal in re.findall(r'"((?:[^"\\]|\\.)* (?:[^"\\]|\\.)*)"', line):
                    yield number, line, literal
        elif "#" in line or '"""' in line:
            comment = line.split("#", 1)[-1] if "#" in line else text
            yield number, line, re.sub(r"`[^`]*`", "", comment)


if __name__ == "__main__":
    main()
