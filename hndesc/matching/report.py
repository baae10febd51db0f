"""What a user reads about the matches of two photos."""

from hndesc.errors import counted
from hndesc.geometry.robust import ESTIMATORS
from hndesc.geometry.two_view import GEOMETRY_NAMES
from hndesc.matching.pair import Matches


def report(names: tuple[str, str], found: Matches, estimator: str, threshold: float) -> list[str]:
    """Return lines with the numbers of keypoints, matches and inliers of two photos, and the matrix that relates them.

    Args:
        names: names of the photos.
        found: their matches.
        estimator, threshold: how the matrix was estimated; see `hndesc.matching.pair.match_pair`.
    """
    count, inliers = len(found.matches), int(found.inliers.sum())
    sides = zip(names, (found.keypoints0, found.keypoints1), strict=True)
    lines = [f"{name}: {counted(len(points), 'keypoint')}" for name, points in sides]
    lines.append(counted(count, "match"))
    if found.geometry == "none":
        return lines
    warning = doubt(found)
    if found.matrix is None:
        return [*lines, warning]
    share = f" ({inliers / count:.0%})" if count else ""
    how = "; ".join(filter(None, [f"{ESTIMATORS[estimator]}, {threshold:g} px", choice_of_geometry(found)]))
    lines.append(f"{GEOMETRY_NAMES[found.geometry]}: {counted(inliers, 'inlier')}{share}, {how}")
    lines += ["  " + "  ".join(f"{value:13.6g}" for value in row) for row in found.matrix]
    return [*lines, warning] if warning else lines


def choice_of_geometry(found: Matches) -> str:
    """Return the reason for the geometry where there was a choice, else nothing."""
    others = {name: count for name, count in found.counts.items() if name != found.geometry}
    if not others:
        return ""
    (other, count), *_ = others.items()
    why = (
        "it explains the matches nearly as well as"
        if found.geometry == "homography"
        else "more matches agree than with"
    )
    return f"chosen because {why} a {GEOMETRY_NAMES[other]} ({count:,})"


def doubt(found: Matches) -> str:
    """Return why there is no estimate, or why the photos may be unrelated in spite of it; nothing if it is sound."""
    if found.geometry == "none":
        return ""
    if not (len(found.keypoints0) and len(found.keypoints1)):
        return "a photo has no keypoints: use a larger or sharper one, or another detector"
    if found.matrix is None:
        return f"no {GEOMETRY_NAMES[found.geometry]} agrees with them: the photos may show different places"
    if found.by_chance:
        return "photos of different places have as many inliers by chance: do not rely on this estimate"
    return ""
