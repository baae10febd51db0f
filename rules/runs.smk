# Trainings: the configured one, and the variants of an ablation, which differ from it by overrides.
import atexit
import hashlib
import json
from pathlib import Path

from hndesc.stylization import methods_of, needs_styles


def overlaid(base, overrides):
    """Return settings with others laid over them, section by section."""
    merged = dict(base)
    for key, value in overrides.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = overlaid(merged[key], value) if both else value
    return merged


def stylization_name(settings):
    """Return the name of the folder of copies made with these settings: the method, and a hash of what else is set."""
    rest = {
        key: value for key, value in settings.items() if key not in ("method", "shards")
    }
    if not rest:
        return settings["method"]
    text = json.dumps(rest, sort_keys=True)
    return f"{settings['method']}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


BASE = {key: CONFIG[key] for key in ("training", "stylization", "seed")}
# What is trained: the folder below results -> its sections of the config.
RUNS = {TRAINING: BASE}
ABLATION = CONFIG["ablation"]
# The variants: (name, seed) -> the folder below results; one that is the configured training is not trained twice.
VARIANTS = {}

for name, overrides in ABLATION["runs"].items():
    if overrides is None:  # an overlay took it out
        continue
    for seed in ABLATION.get("seeds", [CONFIG["seed"]]):
        run = {
            "training": overlaid(CONFIG["training"], overrides.get("training", {})),
            "stylization": overrides.get("stylization", CONFIG["stylization"]),
            "seed": seed,
        }
        place = TRAINING if run == BASE else f"ablation/{name}/seed{seed}"
        RUNS[place] = run
        VARIANTS[name, seed] = place


def variant_descriptor(name, seed):
    return f"{name}.seed{seed}"


# Each variant's model is a descriptor like any other: described and judged by the rules for all.
MODEL_RUNS = {"trained": TRAINING, "initial": TRAINING} | {
    variant_descriptor(*variant): place for variant, place in VARIANTS.items()
}
MODEL_FILES = {
    name: f"results/{place}/{'initial' if name == 'initial' else 'model'}.safetensors"
    for name, place in MODEL_RUNS.items()
}
STYLIZATIONS = {
    stylization_name(run["stylization"]): run["stylization"] for run in RUNS.values()
}


wildcard_constraints:
    run="|".join(RUNS),
    stylization="|".join(STYLIZATIONS),
    descriptor="|".join(map(re.escape, [*DESCRIPTORS, *MODEL_FILES])),


def stylization(wildcards):
    """The methods of a stylisation, as hndesc.stylization takes them: one, or those of a mixture."""
    settings = STYLIZATIONS[wildcards.stylization]
    return settings["method"], settings.get("methods")


def styles_folder(method, methods=None):
    """The folder of style photographs, if a method takes its light from one."""
    return os.path.normpath(CONFIG["styles"]) if needs_styles(method, methods) else []


def stylization_weights(wildcards):
    """The folders of weights of those methods that need some."""
    settings = STYLIZATIONS[wildcards.stylization]
    sections = [settings, *settings.get("methods", {}).values()]
    return [
        os.path.normpath(section["weights"])
        for section in sections
        if "weights" in (section or {})
    ]


def stylization_shards(wildcards):
    count = STYLIZATIONS[wildcards.stylization]["shards"]
    return [
        f"results/stylized/{wildcards.stylization}.{number}-of-{count}"
        for number in range(1, count + 1)
    ]


def sharded_stylizations():
    """Names of the stylisations that several jobs share, as a regular expression."""
    names = [name for name, s in STYLIZATIONS.items() if s.get("shards", 1) > 1]
    return "|".join(names) or "(?!)"


def run_settings(wildcards):
    return RUNS[wildcards.run]["training"]


def stylized_copies(wildcards):
    """The folder of the copies that a training cuts from, if it does."""
    if run_settings(wildcards)["stylized_probability"] == 0:
        return []
    return f"results/stylized/{stylization_name(RUNS[wildcards.run]['stylization'])}"


def run_neighbours(wildcards):
    negatives = run_settings(wildcards).get("loss", {}).get("negatives")
    if negatives != "in_batch_global":
        return []
    return f"results/neighbours/{TRAINING}.tsv"


def backbone_weights(wildcards):
    """The file that training starts from, if the config names one."""
    weights = run_settings(wildcards).get("weights")
    return [] if weights in (None, "imagenet", "random") else os.path.normpath(weights)


def ablation_benchmarks():
    """Names of the benchmarks that judge the variants."""
    known = [name for name, entry in BENCHMARKS.items() if entry["kind"] == "hpatches"]
    chosen = ABLATION.get("benchmarks", known)
    if unknown := [name for name in chosen if name not in known]:
        raise WorkflowError(
            f"config key ablation.benchmarks: no benchmark of the kind hpatches is called '{unknown[0]}'"
        )
    return chosen


def judged():
    """What is judged, a line of the table each: (its name there, descriptor)."""
    references = [(name, name) for name in ABLATION.get("references", [])]
    return references + [
        (name, variant_descriptor(name, seed)) for name, seed in VARIANTS
    ]


def describe_overrides(overrides, prefix=""):
    """Return what a run changes as text: loss.negatives = in_pair."""
    pieces = []
    for key, value in overrides.items():
        if isinstance(value, dict):
            pieces.append(describe_overrides(value, f"{prefix}{key}."))
        else:
            pieces.append(f"{prefix}{key} = {value}")
    return ", ".join(pieces).replace("training.", "")


JUDGED = judged()


def announce_training():
    """Say at the end of a dry run what its trainings will take."""
    dag = workflow.dag
    if dag is None or not (workflow.is_main_process and workflow.dryrun):
        return
    needed = dag.needrun_jobs(exclude_finished=False)
    jobs = [job for job in needed if job.rule.name == "train"]
    if jobs:
        from hndesc.training.estimate import expect_training

        known = read_registry(CONFIG.get("datasets", {}).get("registry"))
        entry = known.get(REGISTERED.get(os.path.normpath(CONFIG["photos"])))
        print(
            expect_training(
                CONFIG["photos"],
                entry.title if entry else "",
                [run_settings(job.wildcards) for job in jobs],
                [Path("results", run) for run in RUNS],
            ),
            file=sys.stderr,
        )


atexit.register(announce_training)
