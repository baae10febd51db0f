# Snakemake removes the outputs of a job before it runs, and accepts any existing folder as an output. The run is refused
# if the workflow did not make them.
from snakemake.io import is_flagged

from hndesc.workflow.content import check_unedited
from hndesc.workflow.outputs import (
    PlannedJob,
    check_kept_folders,
    check_known_files,
    check_planned_outputs,
)


def folders_of(paths):
    return tuple(str(path) for path in paths if path.is_directory)


def files_of(paths):
    return [path for path in paths if not path.is_directory]


def foreign_files(outputs):
    """Return existing outputs of which Snakemake has no record, neither of a finished nor of an interrupted job."""
    if not workflow.execution_settings.keep_metadata:
        return ()
    known = workflow.persistence
    there = [path for path in outputs if os.path.lexists(path)]
    begun = known._filter_incomplete_keys(map(str, there))
    return tuple(
        str(path)
        for path in there
        if str(path) not in begun and known.metadata(path) is None
    )


def planned_jobs():
    """Yield the planned jobs with the folders that Snakemake will remove: outputs, and temporary inputs afterwards."""
    dag = workflow.dag
    for job in dag.needrun_jobs(exclude_finished=False):
        files = files_of(job.output)
        yield PlannedJob(
            job.rule.name,
            folders=folders_of(job.output),
            files=tuple(map(str, files)),
            inputs=tuple(map(str, job.input)),
            foreign=foreign_files(files),
            further=tuple(map(str, [*job.log, *filter(None, [job.benchmark])])),
        )
        for source in dag.dependencies[job]:
            spent = [path for path in source.output if is_flagged(path, "temp")]
            yield PlannedJob(source.rule.name, folders_of(spent), files=(), inputs=())


def kept_jobs():
    """Return the jobs whose outputs are up to date."""
    dag = workflow.dag
    needed = set(dag.needrun_jobs(exclude_finished=False))
    return [job for job in dag.jobs if job not in needed]


def check_outputs():
    # A report or a summary runs no jobs, and --touch removes nothing.
    if workflow.execution_settings is None or workflow.touch:
        return
    try:
        check_planned_outputs(planned_jobs())
        for job in kept_jobs():
            check_kept_folders((job.rule.name, path) for path in folders_of(job.output))
            check_known_files(foreign_files(files_of(job.output)))
    except HndescError as error:
        raise WorkflowError(str(error)) from None


def build_dag():
    """Build and check the plan of the jobs; `onstart` is called neither in a dry run nor if there is nothing to do."""
    type(workflow)._build_dag(workflow)
    check_outputs()
    if not (workflow.dryrun or workflow.touch):
        needed = list(workflow.dag.needrun_jobs(exclude_finished=False))
        for job in needed:
            job.params  # with the fingerprints of inputs, which Snakemake would take when the job starts
        if not needed and workflow.execution_settings is not None:
            atexit.register(print_closing_lines)


def check_inputs():
    try:
        check_unedited()
    except HndescError as error:
        raise WorkflowError(str(error)) from None


if workflow.is_main_process:
    if "--delete-all-output" in sys.argv:
        raise WorkflowError(
            "--delete-all-output could remove folders that the workflow did not make; omit it (make clean removes "
            "results)"
        )
    workflow._build_dag = build_dag
