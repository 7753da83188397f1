"""A process that recommends once and reports the time since it was started."""

import json
import resource
import sys
import time

from unillmrec import ItemTree, Recommender, SimilarityJudge


class _TimedJudge(SimilarityJudge):
    """The embedded judge, which records when it is first asked."""

    first_asked = 0.0

    def choose(self, question):  # type: ignore[no-untyped-def] # its types would be an import
        self.first_asked = self.first_asked or time.perf_counter()
        return super().choose(question)


def main() -> None:
    """Recommend to one history; the start time is passed in by the parent process."""
    path, history, started = sys.argv[1], sys.argv[2].split(","), float(sys.argv[3])
    with ItemTree.open(path) as tree:
        judge = _TimedJudge(tree)
        Recommender(tree, judge).recommend(history)
    report = {
        "first question": judge.first_asked - started,
        "recommendation": time.perf_counter() - started,
        "cpu": time.process_time(),
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
