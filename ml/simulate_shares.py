"""Hold the estimators of shares against known truth: python -m ml.simulate_shares --data FAIRFACE --kept DIR

Simulates collections whose true shares are known, drawn from the model's answers for FairFace's held-out images, and
writes docs/statistics.md with its pictures: how often intervals hold the truth, how wide they are, and the same on sets
of real chips. FAIRFACE is the folder with train-7.zip, val.zip and the label files. The model is asked about 10,000
images once (some five minutes on one core); its answers are kept in DIR. --evidence FILE takes what a checkpoint
knows of its errors from a file (.npz or .safetensors, as ml.shares.evidence packs it) instead of asking.

1,000 runs of each scenario take about a quarter of an hour; --runs 60 shows nearly the same in a minute.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from ml import file_names
from ml.commands import told_errors
from ml.model.card import read_card
from ml.shares.evidence import Evidence
from ml.simulating import answering, page, pictures, real, runs, scenarios, worlds
from ml.simulating.real import RealTally
from ml.simulating.runs import Tally

RUNS = 1_000
SIZES = (2_000, 20_000)
REAL_DRAWS = 20
DEFAULT_MODEL = Path(__file__).parent / "weights"


def simulate_all(found: Sequence[worlds.World], *, count: int, seed: int, replicates: int) -> list[Tally]:
    """All worlds, with progress on standard error."""
    tallies = []
    with tqdm(total=len(found) * count, desc="simulate", unit="run", disable=None) as bar:
        for world in found:
            tallies += runs.simulate(world, runs=count, seed=seed, replicates=replicates, tick=bar.update)
    return tallies


def try_real_sets(images: Evidence, *, known: Evidence, seed: int, replicates: int) -> list[RealTally]:
    """All mixtures of real chips."""
    tallies = []
    for mixture in real.list_mixtures(images):
        tallies += real.try_mixture(
            mixture, images=images, known=known, times=REAL_DRAWS, seed=seed, replicates=replicates
        )
    return tallies


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m ml.simulate_shares",
        description=(__doc__ or "").partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, metavar="FAIRFACE", help="folder of zips and label files")
    parser.add_argument("--kept", type=Path, required=True, metavar="DIR", help="where the model's answers are kept")
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, metavar="DIR", help="folder of a checkpoint")
    parser.add_argument("--evidence", type=Path, metavar="FILE", help="what the checkpoint knows of its errors")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"of each scenario (default: {RUNS})")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="N", help="faces in a collection")
    parser.add_argument("--replicates", type=int, default=1_000, metavar="B", help="resamples of an estimate")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("docs/statistics.md"), metavar="FILE", help="the page")
    args = parser.parse_args(argv)
    if args.runs < 1 or min(args.sizes) < max(runs.REVIEWS) or args.replicates < 40:
        parser.error(f"--runs from 1, --sizes from {max(runs.REVIEWS)}, --replicates from 40")
    with told_errors(parser):
        model = read_card(args.model).name
        answers = {
            name: answering.find_answers(name, data=args.data, model=args.model, kept=args.kept)
            for name in answering.SETS
            if name != "held_out" or args.evidence is None
        }
        held_out = answers["held_out"] if args.evidence is None else answering.read_evidence(args.evidence)
    known = worlds.join(held_out, answers["validation"])
    changed = {"darkened": answers["darkened"], "blurred": answers["blurred"]}
    found = scenarios.list_worlds(known, changed=changed, sizes=tuple(args.sizes))
    tallies = simulate_all(found, count=args.runs, seed=args.seed, replicates=args.replicates)
    reals = try_real_sets(answers["validation"], known=held_out, seed=args.seed, replicates=args.replicates)
    text = page.write_page(tallies, reals, model=model, images=len(known), known=worlds.HELD_OUT, dark=answering.DARK)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text)
    pictures.save(pictures.draw_coverage(tallies, size=args.sizes[0]), args.out.parent / page.COVERAGE_PICTURE)
    pictures.save(pictures.draw_variation(reals, scheme="race"), args.out.parent / page.VARIATION_PICTURE)
    print(page.floor_list(tallies), end="")
    print(file_names.to_printable(f"{args.out} is written"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
