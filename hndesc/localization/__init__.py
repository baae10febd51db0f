"""Camera relocalization: matches on listed pairs, a map triangulated with known poses, poses of the queries."""
