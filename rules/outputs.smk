# Snakemake removes the outputs of a job before it runs; refused where the workflow did not make them.
import atexit

from snakemake.io import is_flagged

from hndesc.workflow.outputs import PlannedJob, check_planned_outputs


def planned_jobs():
    """What is going to run, with the folders that Snakemake will remove: outputs, and temporary inputs at the end."""
    dag = workflow.dag
    for job in dag.needrun_jobs(exclude_finished=False):
        outputs = list(job.output)
        yield PlannedJob(
            job.rule.name,
            folders=tuple(str(path) for path in outputs if path.is_directory),
            files=tuple(str(path) for path in outputs if not path.is_directory),
            inputs=tuple(map(str, job.input)),
        )
        for source in dag.dependencies[job]:
            spent = [path for path in source.output if is_flagged(path, "temp")]
            folders = tuple(str(path) for path in spent if path.is_directory)
            yield PlannedJob(source.rule.name, folders, files=(), inputs=())


def refuse_foreign_outputs():
    if workflow.touch:  # removes nothing
        return
    try:
        check_planned_outputs(planned_jobs())
    except HndescError as error:
        raise WorkflowError(str(error)) from None


def announce_refusal():
    """Say at the end of a dry run that the run will be refused."""
    if workflow.dag is None or not (workflow.is_main_process and workflow.dryrun):
        return
    try:
        check_planned_outputs(planned_jobs())
    except HndescError as error:
        print(f"The run would be refused: {error}", file=sys.stderr)


# These would remove outputs without the check, or skip it.
for option in ("--delete-all-output", "--no-hooks"):
    if workflow.is_main_process and option in sys.argv:
        raise WorkflowError(
            f"{option} could remove folders that the workflow did not make; leave it out (make clean removes results)"
        )

atexit.register(announce_refusal)
