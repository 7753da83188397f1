"""A process that recommends once and says how long it took from being started.

Nothing is imported here that the recommendation does not need: imports are part of the time.
"""

import json
import resource
import sys
import time

from unillmrec import ItemTree, Recommender, SimilarityJudge


class _TimedJudge(SimilarityJudge):
    """The embedded judge; it notes when it is first asked."""

    first_asked = 0.0

    def choose(self, question):  # type: ignore[no-untyped-def] # its types would be an import
        self.first_asked = self.first_asked or time.perf_counter()
        return super().choose(question)


def main() -> None:
    """Recommend from a tree to the history of one person; the clock began elsewhere."""
    path, history, started = sys.argv[1], sys.argv[2].split(","), float(sys.argv[3])
    with ItemTree.open(path) as tree:
        judge = _TimedJudge(tree)
        Recommender(tree, judge).recommend(history)
    told = {
        "first question": judge.first_asked - started,
        "recommendation": time.perf_counter() - started,
        "cpu": time.process_time(),
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
