"""The last lines of a run."""

from pathlib import Path

from hndesc.datasets.kinds import KINDS
from hndesc.workflow.closing import closing_lines, failure_lines

ROWS = """benchmark,descriptor,group,figure,value
hpatches,trained,MMA@1 px,v,0.1
hpatches,trained,MMA@3 px,avg,0.614
hpatches,sift,MMA@1 px,v,0.2
hpatches,sift,MMA@3 px,avg,0.648
pairs,trained,MMA@3 px,all,0.5
oxford,trained,mAP re-ranked (%),Easy,80.00
oxford,trained,mAP re-ranked (%),Medium,73.90
oxford,sift,mAP re-ranked (%),Medium,
other,sift,something,else,1
"""
KINDS_OF = {
    "hpatches": "hpatches",
    "pairs": "hpatches",
    "oxford": "retrieval",
    "other": "localization",
    "new": "tokyo247",
}


def test_main_scores_stand_side_by_side(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "scores.csv").write_text(ROWS)
    assert closing_lines(tmp_path, KINDS_OF) == [
        "                                  trained   sift",
        "hpatches: MMA@3 px avg              0.614  0.648",
        "pairs: MMA@3 px all                   0.5      \N{EN DASH}",
        "oxford: mAP re-ranked (%) Medium    73.90      \N{EN DASH}",
        "other: something else                   \N{EN DASH}      1",
        f"all scores and figures: {tmp_path / 'index.html'}",
    ]


def test_without_scores_the_page_is_named(tmp_path: Path) -> None:
    assert closing_lines(tmp_path, KINDS_OF) == [f"all scores and figures: {tmp_path / 'index.html'}"]


def test_every_kind_has_a_headline() -> None:
    assert all(kind.headline for kind in KINDS.values())


def test_failed_steps_are_named_with_the_end_of_their_logs(tmp_path: Path) -> None:
    log = tmp_path / "train" / "log 1.log"
    log.parent.mkdir()
    log.write_text("".join(f"step {i}\n" for i in range(100)) + "ERROR the disk is full\n")
    block = """[Sat Nov 28 05:10:47 2026]
Error in rule {rule}:
    message: None
    jobid: 0
    output: a.json
    log: {log} (check log file(s) for error details)
Logfile {log}:
"""
    text = block.format(rule="train", log=log) * 2 + block.format(rule="score", log=tmp_path / "absent.log")
    lines = failure_lines("Job 0: Train\n" + text + "Exiting because a job execution failed.\n")
    assert lines[0] == f"failed: train, see {log}" and lines[5] == "  ERROR the disk is full"
    assert lines[1:5] == [f"  step {i}" for i in range(96, 100)]
    assert lines[6:] == [f"failed: score, see {tmp_path / 'absent.log'}"]
    assert failure_lines("Job 0: Train\n") == []
