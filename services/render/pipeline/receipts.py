"""Receipts: which files show a revision, with their hashes, taken from what a batch has just written."""

from collections.abc import Collection

from services.render.output.written import Written
from shared.store.receipts import MOST_FILES, ShownFile, ShownFiles


def shown_files(item_paths: Collection[str], list_paths: Collection[str], written: Written) -> ShownFiles:
    """
    Return the files at the paths of the items concerned, then those that list them, each with its hash.

    Files that were right already are named too: when a batch is repeated after a crash, most of them are.
    """
    paths = [*sorted(item_paths), *sorted(set(list_paths).difference(item_paths))]
    files = tuple(ShownFile(path, written.sha256.get(path)) for path in paths[:MOST_FILES])
    return ShownFiles(files, left_out=len(paths) - len(files))
