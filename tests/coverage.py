"""Compares the lines that no test runs with tests/coverage/uncovered.txt. `sh tests/coverage.sh` calls it.

    python3 tests/coverage.py LCOV_FILE...

The last line is `N passed, M failed`.
"""
import collections
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
REASONS = ROOT / "tests/coverage/uncovered.txt"
MIN_SHARE = 95.0


def main(*files):
    counts = read_counts(files)
    lines = sum(len(of_file) for of_file in counts.values())
    uncovered = {(path, number) for path in counts for number, count in counts[path].items() if count == 0}
    share = 100 * (1 - len(uncovered) / lines)
    print_table(counts)
    named = read_reasons()
    texts = {path: [line.strip() for line in (ROOT / path).read_text().splitlines()] for path in counts}
    unnamed = [f"{path}:{number}: {texts[path][number - 1]}" for path, number in sorted(uncovered)
               if (path, texts[path][number - 1]) not in named]
    gone = [f"{path}: {text}" for path, text in named if text not in texts.get(path, [])]
    reached = [f"{path}: {text}" for (path, text), may_run in named.items() if not may_run and all(
        (path, number) not in uncovered for number, line in enumerate(texts.get(path, []), 1) if line == text)]
    checks = {
        f"{MIN_SHARE} % of the lines are run: {share:.2f} % of {lines}": [] if share >= MIN_SHARE else ["too few"],
        f"each of the {len(uncovered)} others has its reason": unnamed,
        "each reason is about a line that exists": gone,
        "each reason is about a line that is not run": [line for line in reached if line not in gone],
    }
    for name, faults in checks.items():
        print(f"{'FAIL' if faults else 'ok'} {name}")
        for fault in faults:
            print(f"    {fault}")
    failed = sum(bool(faults) for faults in checks.values())
    print(f"{len(checks) - failed} passed, {failed} failed")
    return failed > 0


def read_counts(files):
    """How often each line was run, by file and number. Unit tests are left out, and lines without a letter or digit."""
    counts = collections.defaultdict(collections.Counter)
    for line in (line for file in files for line in pathlib.Path(file).read_text().splitlines()):
        kind, _, value = line.partition(":")
        if kind == "SF":
            path = pathlib.Path(value)
            path = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT / "src") else None
            texts = texts_before_tests(path) if path else []
        elif kind == "DA" and path:
            number, count, *_ = map(int, value.split(","))
            if number <= len(texts) and any(map(str.isalnum, texts[number - 1])):
                counts[path][number] += count
    return counts


def texts_before_tests(path):
    """The lines of a file without its unit tests, which are at its end or in a file of their own."""
    if path.endswith("/tests.rs"):
        return []
    lines = (ROOT / path).read_text().splitlines()
    return lines[:lines.index("mod tests {") if "mod tests {" in lines else None]


def read_reasons():
    """Lines by file and text, and whether some runs of the tests reach them."""
    named = {}
    for line in REASONS.read_text().splitlines():
        if line and not line.startswith("#"):
            path, _, text = line.removeprefix("~ ").partition(": ")
            named[path, text.strip()] = line.startswith("~ ")
    return named


def print_table(counts):
    for path, of_file in sorted(counts.items()):
        run = sum(count > 0 for count in of_file.values())
        print(f"{path:34} {run:4} of {len(of_file):4} {100 * run / len(of_file):6.1f} %")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
